# Tries: to leave what it was given to the next test in the names of sockets that lie only in each other's queues, so that no
# process is needed to keep them; and a name that the next test wants. Stopped by: the kernel's collector is called when all
# processes are gone, and waited for.
import array
import os
import socket
import sys


def names():
    return [line.split(" ", 7)[7].split("@", 1)[1].rstrip("\n") for line in open("/proc/net/unix") if "@note" in line]


print("found:", "".join(name.split(":", 2)[2] for name in sorted(names())))
given = sys.stdin.read()


def send(through, descriptor):
    through.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])


def keep(name):
    note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    note.bind(name)
    one, other = socket.socketpair()
    send(one, note.fileno())
    send(one, other.fileno())
    send(other, one.fileno())


keep("\0the same name")
for index in range(0, len(given), 80):
    keep(f"\0note:{os.getpid():06}.{index:05}:{given[index:index + 80]}")
print("kept")
