# Tries: to make PID 1 the kernel's next victim: takes itself out of the line, puts others in front, then fills memory
# that belongs to no process. Stopped by: none of the scores can be written, so the program stays first in line.
import os
import sys


def try_write(path, value):
    try:
        with open(path, "w") as file:
            file.write(value)
        print("not refused:", path, value, flush=True)
    except OSError:
        pass


if len(sys.argv) == 1:
    for process in ("self", "1", "thread-self"):
        for value in ("-1000", "0", "999", "1000"):
            try_write(f"/proc/{process}/oom_score_adj", value)
        try_write(f"/proc/{process}/oom_adj", "-17")
    memory = os.memfd_create("hog")
    block = b"x" * (8 << 20)
    while True:
        os.write(memory, block)
print("calm")
