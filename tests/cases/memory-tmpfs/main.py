# Tries: to take memory as files, in every place where files can be made. No process is any larger for it.
# Stopped by: files in memory are the container's memory; what is left of them is gone before the next test.
import os
import sys

if len(sys.argv) == 1:
    block = b"x" * (4 << 20)
    for folder in ("/dev/shm", "/tmp", "/box"):
        with open(folder + "/hog", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(block)
            except OSError:
                pass
print(sorted(os.listdir("/tmp") + os.listdir("/dev/shm") + os.listdir("/box")))
