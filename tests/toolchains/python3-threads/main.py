"""Threads and what is built on them."""

import concurrent.futures
import contextvars
import queue
import signal
import threading
import time
import weakref

results = queue.Queue()
room = threading.BoundedSemaphore(3)
inside, most = 0, 0
lock = threading.Lock()


def work(number):
    global inside, most
    with room:
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.002)
        with lock:
            inside -= 1
    results.put(number)


threads = [threading.Thread(target=work, args=(number,)) for number in range(30)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sum(results.get() for _ in range(30)), most <= 3)

with concurrent.futures.ThreadPoolExecutor(8) as executor:
    futures = [executor.submit(pow, 3, number) for number in range(10)]
    print(sum(future.result() for future in concurrent.futures.as_completed(futures)))
    failing = executor.submit(lambda: 1 // 0)
    print(type(failing.exception()).__name__)

barrier = threading.Barrier(4)
seen = []
for _ in range(3):
    threading.Thread(target=lambda: (barrier.wait(), seen.append(1))).start()
barrier.wait()
while len(seen) < 3:
    time.sleep(0.001)
print(len(seen))

event = threading.Event()
threading.Timer(0.01, event.set).start()
print(event.wait(10), event.wait(0))

ticks = []
signal.signal(signal.SIGALRM, lambda *_: ticks.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
while len(ticks) < 3:
    time.sleep(0.5)
signal.setitimer(signal.ITIMER_REAL, 0)
print("ticked")

variable = contextvars.ContextVar("variable", default=1)
contextvars.copy_context().run(variable.set, 2)
print(variable.get())
print(weakref.ref(threading.Thread())() is None, threading.active_count())
