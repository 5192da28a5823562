# Tries: to shut PID 1 out of the places that it empties, by taking the permissions of the places themselves away, and to
# find its own files there in the next test. Stopped by: a place gets its mode back before it is emptied.
import os
import sys

for place in ("/box", "/tmp", "/dev/shm"):
    mode = oct(os.stat(place).st_mode & 0o7777)
    os.chmod(place, 0o700)
    print(place, mode, [name for name in os.listdir(place) if name != "main.py"])
    open(place + "/message", "w").close()
    os.chmod(place, 0)
