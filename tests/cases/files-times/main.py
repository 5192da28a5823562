# Tries: to tell the next test something by the times of what it may write to without owning it: devices, and the folders that
# are emptied. Stopped by: the agent sets them anew after each program, the folders first.
import os
import sys
import time

names = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
if sys.argv[1] == "set":
    for name in names:
        os.utime(name)
    before = os.stat(names[-1]).st_mtime_ns
    while os.stat("/dev/shm").st_mtime_ns <= before:
        time.sleep(0.01)
        os.utime("/dev/shm")
    print("set")
else:
    folder = os.stat("/dev/shm").st_mtime_ns
    print("as they were set:", [name for name in names if os.stat(name).st_mtime_ns < folder])
