# Tries: to hold its place for ever without using any CPU time, with many sleepers.
# Stopped by: the wall time.
import os
import time

for _ in range(20):
    if os.fork() == 0:
        break
time.sleep(3600)
