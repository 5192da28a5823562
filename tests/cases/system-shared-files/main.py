# Tries: to talk to another container by locks on files that all containers of a host have: the one that stands behind every
# event counter, and those of the namespaces that they share. Stopped by: the agent looks at a program's locks, and ends one
# that holds such a lock. A lock on a file of its own is its own affair.
import fcntl
import os
import sys
import time

what, kind = sys.argv[1:]
file = {"counter": lambda: os.eventfd(0), "user": lambda: os.open("/proc/self/ns/user", os.O_RDONLY),
        "time": lambda: os.open("/proc/self/ns/time", os.O_RDONLY), "own": lambda: os.open("own", os.O_CREAT | os.O_RDWR),
        "memory": lambda: os.memfd_create("own")}[what]()
if kind == "flock":
    fcntl.flock(file, fcntl.LOCK_EX)
else:
    fcntl.lockf(file, fcntl.LOCK_SH if what in ("user", "time") else fcntl.LOCK_EX)
if what not in ("own", "memory"):
    time.sleep(30)
print("held")
