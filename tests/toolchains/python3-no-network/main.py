"""What programs see that try to use a network."""

import asyncio
import http.server
import multiprocessing.connection
import socket
import urllib.request


def see(name, call):
    try:
        call()
        print(name, "works")
    except Exception as error:
        print(name, type(error).__name__, error)


async def serve():
    await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)


see("socket", lambda: socket.socket())
see("create_connection", lambda: socket.create_connection(("127.0.0.1", 80)))
see("getaddrinfo", lambda: socket.getaddrinfo("example.org", 80))
see("gethostbyname", lambda: socket.gethostbyname("localhost"))
see("urlopen", lambda: urllib.request.urlopen("http://example.org"))
see("HTTPServer", lambda: http.server.HTTPServer(("", 8000), http.server.BaseHTTPRequestHandler))
see("start_server", lambda: asyncio.run(serve()))
see("Listener", lambda: multiprocessing.connection.Listener(("localhost", 0)))
see("UNIX Listener", lambda: multiprocessing.connection.Listener("/tmp/listener"))
see("if_nameindex", lambda: socket.if_nameindex())
see("gethostname", lambda: print(socket.gethostname(), end=" "))
