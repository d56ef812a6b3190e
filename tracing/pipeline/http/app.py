"""The collector's surface on one port: receivers, query API, status, pages."""

from collections.abc import Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracing.pipeline.grpc.services import ZIPKIN_PATH, zipkin_app
from tracing.pipeline.http import collect
from tracing.pipeline.http.answers import NOT_ALLOWED, NOT_FOUND, answer
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.settings import Settings

_ALLOW_HEADERS: Final = b"content-type,x-grpc-web"
_EXPOSE: Final = b"grpc-status,grpc-message,armeria.grpc.throwableproto-bin"
_GZIP_FROM_BYTES: Final = 2048


async def _refused(request: Request, error: Exception) -> Response:
    """404 for whatever is not there, a known path with another method too, as the real server."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status not in (404, 405):
        return Response(str(error), status, media_type="text/plain")
    below_ui = request.url.path.startswith("/zipkin/")
    status, text, content_type = NOT_ALLOWED if status == 405 and below_ui else NOT_FOUND  # noqa: PLR2004
    return Response(text, status, headers={"content-type": content_type})


class CollectorApp:
    """The ASGI application. POSTs of spans take a short way past the framework."""

    def __init__(self, ingest: Ingest, settings: Settings, routes: Sequence[BaseRoute]) -> None:
        self._ingest = ingest
        self._collects = settings.http_collector_enabled
        self._grpc = zipkin_app(ingest) if settings.grpc_collector_enabled else None
        self._origin = settings.allowed_origins.encode()
        app = Starlette(
            routes=routes, exception_handlers={404: _refused, 405: _refused, 500: _refused}
        )
        app.router.redirect_slashes = False
        self._app: ASGIApp = GZipMiddleware(app, minimum_size=_GZIP_FROM_BYTES, compresslevel=5)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers = dict(scope["headers"])
        method = scope["method"]
        if b"origin" in headers:
            if method == "OPTIONS" and b"access-control-request-method" in headers:
                await self._preflight(send)
                return
            send = self._with_cors(send)
        path = scope["path"]
        if method == "POST" and self._collects and path in collect.PATHS:
            await collect.collect(self._ingest, scope, receive, send)
        elif method == "POST" and self._grpc is not None and path == ZIPKIN_PATH:
            await self._grpc(scope, receive, send)
        elif method == "TRACE":
            await answer(send, *NOT_ALLOWED)
        else:
            await self._app(scope, receive, send)

    async def _preflight(self, send: Send) -> None:
        headers = [
            (b"access-control-allow-origin", self._origin),
            (b"access-control-allow-methods", b"GET,POST"),
            (b"access-control-allow-headers", _ALLOW_HEADERS),
            (b"access-control-max-age", b"0"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    def _with_cors(self, send: Send) -> Send:
        extra = [
            (b"access-control-allow-origin", self._origin),
            (b"access-control-allow-headers", _ALLOW_HEADERS),
            (b"access-control-expose-headers", _EXPOSE),
        ]

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        return send_with_cors
