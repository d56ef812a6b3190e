"""An ASGI application on a listening socket, over HTTP/1.1 and, without TLS, HTTP/2."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from functools import partial
from typing import Final, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tracing.pipeline.connections import Bounds, Crowd
from tracing.pipeline.http.http1 import EitherProtocol

_log: Final = logging.getLogger(__name__)

_CLOSING_S: Final = 3
_POLL_S: Final = 0.005


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: whoever runs the loop owns those."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Told:
    """An application whose failures, if there are any, are told with where they were."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what was not answered then the server answers with 500."""
        try:
            await self._app(scope, receive, send)
        except Exception:  # noqa: BLE001 - the top of a request's task
            _log.exception("%s %r failed", scope["method"], scope["path"])


class HttpServer:
    """One port. The listening socket is closed in the end."""

    def __init__(self, app: ASGIApp, listener: socket.socket, bounds: Bounds) -> None:
        self._listener = listener
        self.crowd = Crowd(bounds)
        self._server = _Server(
            uvicorn.Config(
                _Told(app),
                http=cast("type[asyncio.Protocol]", partial(EitherProtocol, crowd=self.crowd)),
                ws="none",
                lifespan="off",
                proxy_headers=False,
                access_log=False,
                # What is no request is counted, not told line by line; and it has a traceback for
                # every request that is still under way when we end.
                log_level="critical",
                server_header=False,
                backlog=2048,
                timeout_keep_alive=bounds.idle_within_s,  # type: ignore[arg-type] # or a part of one
                timeout_graceful_shutdown=_CLOSING_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Answer from now on. Raises: RuntimeError."""
        serving = asyncio.get_running_loop().create_task(
            self._server.serve(sockets=[self._listener]), name="collector-http"
        )
        self._serving = serving
        while not self._server.started:
            if serving.done():
                await serving
                raise RuntimeError("the HTTP server ended before it began")
            await asyncio.sleep(_POLL_S)

    async def aclose(self) -> None:
        """Answer what is under way and stop."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        self._listener.close()
