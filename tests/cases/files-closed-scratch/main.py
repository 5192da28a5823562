# Tries: to find its own files in the next test, by taking the permissions of the scratch folders away, so that they look
# as if they weren't there. Stopped by: a place gets its mode back before it is emptied.
import os

for place in ("/tmp", "/dev/shm"):
    os.chmod(place, 0o700)
    print(place, os.listdir(place))
    open(place + "/message", "w").close()
    os.chmod(place, 0)
