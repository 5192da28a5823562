import socket


def connect():
    socket.create_connection(("169.254.169.254", 80), timeout=2)


def send():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"hello", ("192.0.2.1", 53))


def resolve():
    socket.getaddrinfo("example.com", 80)


def open_raw():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)


reached = []
for attempt in (connect, send, resolve, open_raw):
    try:
        attempt()
        reached.append(attempt.__name__)
    except OSError:
        pass
print("reached: " + " ".join(reached) if reached else "no network")
