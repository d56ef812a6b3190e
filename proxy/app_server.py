"""An ASGI application beside the engine, on the same loop.

Admin pages are no reason for another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import uvicorn

from proxy.errors import cannot_bind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the process."""
        yield


class AppServer:
    """Serves one application on one address."""

    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int) -> int:
        """Bind and serve; returns the port. Raises: OSError, when the address cannot be bound."""
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
        except OSError as error:
            sock.close()
            raise cannot_bind(error, host, port) from None
        self._serve(sock)
        bound: int = sock.getsockname()[1]
        return bound

    async def start_unix(self, path: Path) -> None:
        """Serve on a Unix socket; who may open it is its folder's business. Raises: OSError."""
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.bind(str(path))
        except OSError:
            sock.close()
            raise
        self._serve(sock)

    def _serve(self, sock: socket.socket) -> None:
        # At once, not when the task below comes to it: who is told that we are ready may connect.
        sock.listen()
        # uvicorn listens a moment later; whoever hears that we are ready must not be refused.
        sock.listen()
        self._task = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[sock]), name="admin"
        )

    async def aclose(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
