# Tries: to make the copy of the workspace far larger than the workspace: files that are nothing but holes, and many
# names for one file. Stopped by: copying them takes memory of the sandbox, and that is the compile step's failure.
import os

for number in range(100):
    with open(f"hole-{number}", "wb") as file:
        file.truncate(60 << 20)
for number in range(1000):
    os.link("hole-0", f"again-{number}")
