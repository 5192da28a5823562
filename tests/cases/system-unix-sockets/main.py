# Tries: to reach somebody else through Unix sockets: names that the host or another job listens on, and a name that a
# daemon of the first test keeps for the second. Stopped by: the network namespace is the container's own, and daemons
# don't live to the next test.
import os
import signal
import socket
import time

names = [line.split()[7] for line in open("/proc/net/unix").readlines()[1:] if len(line.split()) > 7]
print(names)
listener = socket.socket(socket.AF_UNIX)
listener.bind("\0kept")
listener.listen()
for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/systemd/private", "/run/dbus/system_bus_socket", "\0/org/kubernetes"):
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("connected to", path)
    except OSError:
        pass
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(3600)
print(os.listdir("/sys/class/net"))
