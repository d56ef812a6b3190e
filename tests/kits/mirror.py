"""An upstream that answers with the bytes it got, and keeps them: what really went through."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Mirror:
    """Serves HTTP/1.1 on threads. Shape: `seen` holds each request, head and body as they came."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.silent = False  # takes requests and answers none
        self.seen: list[bytes] = []
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._sock.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._sock.accept()
            except OSError:
                return
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while request := _whole(stream.readline, stream.read):
                self.seen.append(request)
                if self.silent:
                    continue
                head = (
                    f"HTTP/1.1 200 OK\r\nX-Upstream: {self.name}\r\nl5d-err: inside\r\n"
                    f"l5d-dst-client: /#/inside\r\nweir-inside: 1\r\nVia: 1.1 inside\r\n"
                    "Server-Timing: inside;dur=1\r\ntraceresponse: 00-inside\r\n"
                    "Content-Type: application/octet-stream\r\n"
                    f"Content-Length: {len(request)}\r\n\r\n"
                )
                connection.sendall(head.encode() + request)
        self._open.discard(connection)

    def close(self) -> None:
        """End every connection and the listener."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)


def _whole(readline: Callable[[], bytes], read: Callable[[int], bytes]) -> bytes:
    """One request, or nothing at the end of the connection."""
    got = b""
    length, chunked = 0, False
    while line := readline():
        got += line
        lowered = line.lower()
        if lowered.startswith(b"content-length:"):
            length = int(lowered[15:])
        chunked = chunked or lowered.startswith(b"transfer-encoding: chunked")
        if line == b"\r\n":
            break
    if chunked:
        while line := readline():
            got += line
            size = int(line.partition(b";")[0], 16)
            if not size:
                break
            got += read(size + 2)
        while line := readline():  # trailers
            got += line
            if line == b"\r\n":
                break
    elif length:
        got += read(length)
    return got


@contextlib.contextmanager
def mirror(name: str) -> Iterator[Mirror]:
    """A running mirror."""
    running = Mirror(name)
    try:
        yield running
    finally:
        running.close()


def asked(sock: socket.socket, host: bytes = b"www.hello.world") -> bytes:
    """One more request to a mirror on an open connection; its whole answer."""
    sock.sendall(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got.partition(b"\r\n\r\n")[2]:  # the body ends so
        more = sock.recv(65_536)
        assert more, got
        got += more
    return got
