# Tries: to shut PID 1 out of the places that it empties, by taking the permissions of the places themselves away, and to
# find its own files there in the next test. Stopped by: the places belong to root; only what is in them is the program's.
import os


def change(place, mode):
    try:
        os.chmod(place, mode)
    except PermissionError:
        pass


for place in ("/box", "/tmp", "/dev/shm"):
    mode = oct(os.stat(place).st_mode & 0o7777)
    change(place, 0o700)
    print(place, mode, [name for name in os.listdir(place) if name != "main.py"])
    open(place + "/message", "w").close()
    change(place, 0)
