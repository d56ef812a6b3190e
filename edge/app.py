"""The second front door: the gateway as an ASGI application, for any server that speaks ASGI.

The same policy, routes, balancing, spans and counts as the fast engine; headers are edited one by
one, and httpx carries the requests. It costs many times the engine's time; it fits where a server
is there already. WebSockets are refused: httpx knows none.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import httpx
from starlette.applications import Starlette
from starlette.routing import Mount

from edge.assembly import assemble
from edge.exchange import AppExchange
from edge.plain import PlainFace
from mesh.deps import Deps
from mesh.router import Router
from mesh.wiring import Namers, make_transformers
from naming.interpreter import ConfiguredInterpreter
from proxy.call import Later, Peer, Reply
from proxy.tasks import Tasks
from proxy.tls import TlsSession
from tracing.recorder import Recorder
from tracing.recorder.destination import open_exporter
from wire.errors import BadRequest
from wire.limits import EDGE_LIMITS
from wire.request import RequestHead, read_request_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

    from edge.edge_config import EdgeConfig

_SWEEP_S: Final = 0.5
_LIMITS: Final = httpx.Limits(max_connections=1_000, max_keepalive_connections=200)


def create_app(config: EdgeConfig) -> Starlette:
    """The gateway by this configuration; its listeners and its admin port are the server's."""
    door = AppDoor(config)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        await door.start()
        try:
            yield
        finally:
            await door.aclose()

    return Starlette(routes=[Mount("", app=door)], lifespan=lifespan)


class AppDoor:
    """Started and stopped by the server's lifespan."""

    def __init__(self, config: EdgeConfig) -> None:
        self.assembly = assemble(config)
        self.face = PlainFace(self.assembly.face)
        self._namers = Namers(config.namers)
        self._tasks = Tasks()
        self._recorder: Recorder | None = None
        self._router: Router | None = None
        self._transport = httpx.AsyncHTTPTransport(limits=_LIMITS, trust_env=False)

    async def start(self) -> None:
        """Watch names."""
        config = self.assembly.config
        await self._namers.start()
        deps = Deps()
        if config.tracing is not None:
            self._recorder = Recorder(open_exporter(config.tracing.collector))
            await self._recorder.start()
            deps = Deps(record=self._recorder.record, sample_rate=config.tracing.sample_rate)
        interpreter = ConfiguredInterpreter(
            self._namers.namers, transformers=make_transformers(config.transformers)
        )
        self._router = Router(self.assembly.router, self.face, interpreter, deps, self._tasks)
        self._tasks.start(self._sweep(self._router), "sweep")

    async def _sweep(self, router: Router) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            router.sweep(loop.time())
            if self.assembly.files is not None:
                self.assembly.files.load()

    async def aclose(self) -> None:
        """Stop watching, flush spans and the audit."""
        await self._tasks.aclose()
        if self._router is not None:
            self._router.close()
        if self._recorder is not None:
            await self._recorder.aclose()
        if self.assembly.face.audit is not None:
            self.assembly.face.audit.flush()
        await self._transport.aclose()
        await self._namers.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1003})
            return
        router = self._router
        assert router is not None
        ip, port = scope.get("client") or ("", 0)
        peer = Peer(ip, port, _SERVERS_TLS if scope["scheme"] == "https" else None)
        method = scope["method"].encode("latin-1")
        try:
            request = _head(scope, method)
        except BadRequest as error:
            await answer(send, router.refuse(error, peer), head_only=method == b"HEAD")
            return
        decided = router.on_request(request, peer)
        if isinstance(decided, Later):
            decided = await decided.decided
        if isinstance(decided, Reply):
            await answer(send, decided, head_only=method == b"HEAD")
            return
        exchange = AppExchange(self._transport, decided, request, receive, send)
        reply = await exchange.run()
        if reply is not None:
            await answer(send, reply, head_only=method == b"HEAD")


class _ServersTls(TlsSession):
    """TLS that the server has ended: nothing more is known of it than that it was there."""

    def __init__(self) -> None:  # without a connection of its own
        self._identity = None
        self._read = True

    @property
    def version(self) -> str:
        """Nothing."""
        return ""


_SERVERS_TLS: Final = _ServersTls()


def _head(scope: Scope, method: bytes) -> RequestHead:
    """The head as the wire reads it, so that both doors refuse the same. Raises: BadRequest."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        raw = raw.partition(b"?")[0] + b"?" + scope["query_string"]
    lines: list[Any] = [b"%b %b HTTP/1.1" % (method, raw)]
    lines += [b"%b: %b" % (name, value) for name, value in scope["headers"]]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if len(head) > EDGE_LIMITS.head_bytes_max:
        raise BadRequest("the request head is too large", 431)
    return read_request_head(head, EDGE_LIMITS)


async def answer(send: Send, reply: Reply, *, head_only: bool) -> None:
    """Send an answer of the gateway's own."""
    lines = [line.partition(b":") for line in reply.block.split(b"\r\n")[1:]]
    headers = [(name.lower(), value.strip()) for name, _, value in lines]
    if reply.status >= 200 and reply.status != 204:  # noqa: PLR2004 - RFC 9110, 8.6
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else reply.body})
