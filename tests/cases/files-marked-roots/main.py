# Tries: to leave a message for the next test where no file is: in the times and the attributes of the places that are
# emptied. Stopped by: the places belong to root, and only an owner may set these.
import os

for place in ("/box", "/tmp", "/dev/shm"):
    found = [os.getxattr(place, name) for name in os.listxattr(place) if name.startswith("user.")]
    if os.stat(place).st_atime_ns == 1_234_567_890:
        found.append("atime")
    print(place, found)
    try:
        os.setxattr(place, "user.message", b"hello")
    except OSError:
        pass
    try:
        os.utime(place, ns=(1_234_567_890, 1_234_567_890))
    except PermissionError:
        pass
