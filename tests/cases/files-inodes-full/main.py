# Tries: to use up every inode of every writable place, with files, links to them, pipes and sockets of odd names.
# Stopped by: each place has a number of inodes of its own, and is emptied whatever is in it.
import os
import socket

for place in ("/box", "/tmp", "/dev/shm"):
    os.chdir(place)
    print(place, len(os.listdir(".")), end=" ")
    os.mkdir("plain")
    os.symlink("/etc/passwd", "link")
    os.symlink("dangling" * 20, "dangling")
    os.mkfifo("pipe\n")
    socket.socket(socket.AF_UNIX).bind("socket \t")
    open(b"\xff\xfe" + b"n" * 253, "w").close()
    open("-rf", "w").close()
    made = 0
    try:
        while True:
            if made % 3:
                os.mkdir(f"plain/folder-{made}")
            else:
                os.link("-rf", f"plain/link-{made}")
            made += 1
    except OSError as error:
        print(error.strerror)
