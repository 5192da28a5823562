"""Processes in every way the library has."""

import concurrent.futures
import multiprocessing
import multiprocessing.shared_memory
import os
import signal
import subprocess
import sys


def square(number):
    return number * number


def count(lock, counter, turns):
    for _ in range(turns):
        with lock:
            counter.value += 1


def echo(connection):
    for item in iter(connection.recv, None):
        connection.send(item[::-1])


def main():
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(3) as pool:
            print(method, sum(pool.map(square, range(100))), pool.apply_async(square, (7,)).get(20))

    counter, lock = multiprocessing.Value("i", 0), multiprocessing.Lock()
    workers = [multiprocessing.Process(target=count, args=(lock, counter, 500)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(counter.value)

    here, there = multiprocessing.Pipe()
    worker = multiprocessing.Process(target=echo, args=(there,))
    worker.start()
    here.send("abc")
    print(here.recv())
    here.send(None)
    worker.join()

    with multiprocessing.Manager() as manager:
        names = manager.dict(a=1)
        names["b"] = 2
        print(dict(names))

    shared = multiprocessing.shared_memory.SharedMemory(create=True, size=1 << 20)
    shared.buf[:5] = b"bytes"
    again = multiprocessing.shared_memory.SharedMemory(name=shared.name)
    print(bytes(again.buf[:5]))
    again.close()
    shared.close()
    shared.unlink()

    with concurrent.futures.ProcessPoolExecutor(2) as executor:
        print(sum(executor.map(square, range(50), chunksize=10)))

    done = subprocess.run(["sort", "-r"], input="a\nc\nb\n", capture_output=True, text=True, check=True)
    print(done.stdout.split(), subprocess.getoutput("echo $((6 * 7))"))
    failed = subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=False)
    child = os.fork()
    if child == 0:
        os._exit(5)
    print(failed.returncode, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    sleeping = subprocess.Popen(["sleep", "60"])
    sleeping.send_signal(signal.SIGTERM)
    print(sleeping.wait())
    try:
        subprocess.run(["sleep", "60"], timeout=0.05, check=False)
    except subprocess.TimeoutExpired:
        print("timeout")


if __name__ == "__main__":
    main()
