# Tries: to burn CPU time in processes that each live only a moment, all of them reaped by nobody.
# Stopped by: the container's account keeps the time of processes that have ended.
import os
import signal

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    try:
        if os.fork() == 0:
            for _ in range(100_000):
                pass
            os._exit(0)
    except OSError:
        pass
