"""A raw HTTP server on loopback whose every byte and pause a test decides."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Script = Callable[[socket.socket, bytes], None]


@contextmanager
def scripted(script: Script) -> Iterator[str]:
    """Answer each connection's first request by *script*; yields the server's address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, script), daemon=True).start()
        yield "http://{}:{}".format(*listener.getsockname())
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, script: Script) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, script), daemon=True).start()


def _answer(connection: socket.socket, script: Script) -> None:
    with connection:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := connection.recv(65536)):
                return
            data += more
        try:
            script(connection, data)
        except OSError:
            return


def chunked(pieces: list[bytes], pause: float = 0.0, *, whole: bool = True) -> Script:
    """Send *pieces* as chunks of an event stream; not *whole*: break off after them."""

    def script(connection: socket.socket, _request: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        connection.sendall(head + b"transfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            time.sleep(pause)
            connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
        if whole:
            connection.sendall(b"0\r\n\r\n")

    return script


def halting(go_on: threading.Event) -> Script:
    """Send `ab`, and `cd` once somebody says *go_on*."""

    def script(connection: socket.socket, _request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
        go_on.wait(10)
        connection.sendall(b"2\r\ncd\r\n0\r\n\r\n")

    return script


def plain(body: bytes, *headers: bytes) -> Script:
    """Send *body* as a whole."""

    def script(connection: socket.socket, _request: bytes) -> None:
        lines = [b"HTTP/1.1 200 OK", b"content-length: %d" % len(body), *headers, b"", b""]
        connection.sendall(b"\r\n".join(lines) + body)

    return script
