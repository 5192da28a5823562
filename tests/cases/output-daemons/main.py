# Tries: to flood the output from daemons that ignore all they can, while the program itself sleeps.
# Stopped by: the limit is that of the stream, whoever writes; then all are killed.
import os
import signal
import time

for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(number, signal.SIG_IGN)
            while True:
                os.write(1, b"forged\n" * 1000)
        os._exit(0)
time.sleep(3600)
