"""An upstream that plays a part: a function on a thread of its own for each connection."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


def head_of(connection: socket.socket) -> bytes:
    """Bytes up to a blank line, and whatever came along; empty at the end."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = connection.recv(65_536)
        if not more:
            return b""
        got += more
    return got


def up_to(connection: socket.socket, mark: bytes) -> bytes:
    """Bytes up to the mark, and whatever came along."""
    got = b""
    while mark not in got:
        more = connection.recv(65_536)
        assert more, got
        got += more
    return got


@contextlib.contextmanager
def played(
    part: Callable[[socket.socket], None], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """A port at which the part is played; with a context over TLS."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: set[socket.socket] = set()

    def play(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if context is None:
                part(connection)
                return
            with context.wrap_socket(connection, server_side=True) as secure:
                part(secure)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.add(connection)
                threading.Thread(target=play, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        thread.join(5)
