import os
import re

FLAG = re.compile(rb"flag\{[a-z-]+\}")


def places():
    for top in (".", "/tmp", "/dev/shm", "/run", "/var/tmp", "/home", "/mnt", "/opt"):
        for folder, _, names in os.walk(top):
            yield from (os.path.join(folder, name) for name in names)
    for process in filter(str.isdigit, os.listdir("/proc")):
        yield from (f"/proc/{process}/{name}" for name in ("environ", "cmdline", "mountinfo"))


for path in places():
    try:
        with open(path, "rb") as file:
            found = FLAG.search(file.read(1 << 20))
    except OSError:
        continue
    if found:
        print(found.group().decode())
        break
else:
    print("nothing found")
