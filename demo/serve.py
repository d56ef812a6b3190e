"""A Starlette app on one listening socket until SIGINT or SIGTERM."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

import uvicorn

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from starlette.applications import Starlette

# The reference's read and write timeouts; idle connections end after it too.
IDLE_S: Final = 11
# Requests under way get this long after a signal; a router's own drain is no shorter.
GRACE_S: Final = 5


def serve(app: Starlette, listening: socket.socket, started: Callable[[], None]) -> None:
    """Answer until a signal, finish what is under way, and return.

    `started` is called once a signal would end the server and not the process.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )

    def stop(*_: object) -> None:
        server.should_exit = True

    # For signals that come before uvicorn takes them over. It also raises them again once it has
    # drained; that must not end us as a failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    started()
    server.run(sockets=[listening])
