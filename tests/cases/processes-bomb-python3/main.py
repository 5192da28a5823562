# Tries: to leave as many daemons as the limit lets it, each with the output still open and every signal ignored.
# Stopped by: the pids limit and the sweep; nobody waits for the output to be closed.
import os
import signal
import time


def daemon():
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    while True:
        time.sleep(3600)


started = 0
while True:
    try:
        if os.fork() == 0:
            daemon()
        started += 1
    except OSError:
        break
# The limit of the job, less PID 1's own place, which is not counted, and the program itself.
print(started)
