# Tries: to find its own files in the next test, by taking the permissions of the scratch folders away, so that they look
# as if they weren't there. Stopped by: the folders belong to root.
import os


def change(place, mode):
    try:
        os.chmod(place, mode)
    except PermissionError:
        pass


for place in ("/tmp", "/dev/shm"):
    change(place, 0o700)
    print(place, os.listdir(place))
    open(place + "/message", "w").close()
    change(place, 0)
