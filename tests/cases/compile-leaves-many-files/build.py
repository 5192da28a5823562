# Tries: to break the copying of the workspace with all the files there can be. Stopped by: a compile step may leave only
# so many.
import os

try:
    for number in range(1_000_000):
        os.close(os.open(f"file-{number}", os.O_CREAT | os.O_WRONLY))
except OSError:
    pass
