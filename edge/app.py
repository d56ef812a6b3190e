"""The second front door: the gateway as an ASGI application, for any server that speaks ASGI.

The same policy, routes, balancing, spans and counts as the fast engine; headers are edited one by
one, and httpx carries the requests. It costs many times the engine's time; it fits where a server
is there already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.routing import Mount

from edge.answers.plain import PlainFace
from edge.asgi.exchange import AppExchange
from edge.asgi.handshake import deny, handshake_headers
from edge.asgi.socket import AppSocket
from edge.asgi.transport import Transports
from edge.gateway import Gateway
from edge.settings.reload import ConfigSource, Reloaded, difference
from mesh.deps import Deps
from proxy.call import Later, Peer, Reply
from proxy.certificates import CertificateWatch
from proxy.tasks import Tasks
from proxy.tls import TlsSession
from tracing.recorder import Recorder
from tracing.recorder.destination import open_exporter
from wire.errors import BadRequest
from wire.head import header_lines
from wire.limits import EDGE_LIMITS
from wire.request import RequestHead, read_request_head

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from starlette.types import Message, Receive, Scope, Send

    from edge.settings.edge_config import EdgeConfig
    from proxy.call import Call

_SWEEP_S: Final = 0.5
_log: Final = logging.getLogger("weir.edge")


def create_app(config: EdgeConfig, source: ConfigSource | None = None) -> Starlette:
    """The gateway by this configuration; its listeners and its admin port are the server's.

    source: the file that it came from, to be read again when it changes. `app.state.door` is the
    door, whose `reload()` reads it at any time.
    """
    door = AppDoor(config, source)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        await door.start()
        try:
            yield
        finally:
            await door.aclose()

    app = Starlette(routes=[Mount("", app=door)], lifespan=lifespan)
    app.state.door = door
    return app


class AppDoor:
    """Started and stopped by the server's lifespan."""

    def __init__(self, config: EdgeConfig, source: ConfigSource | None = None) -> None:
        self.gateway = Gateway(config, PlainFace)
        self.last_reload: Reloaded | None = None
        self._source = source
        self._reloading = asyncio.Lock()
        self._tasks = Tasks()
        self._recorder: Recorder | None = None
        self._certificates = CertificateWatch()
        self._transports = Transports()

    async def start(self) -> None:
        """Watch names."""
        gateway = self.gateway
        config = gateway.config
        await gateway.namers.start()
        deps = Deps()
        if config.tracing is not None:
            self._recorder = Recorder(open_exporter(config.tracing.collector))
            await self._recorder.start()
            deps = Deps(
                record=self._recorder.record,
                sample_rate=config.tracing.sample_rate,
            )
        await gateway.start(deps, self._tasks)
        for part in gateway.assembly.tls.parts:
            self._certificates.add(part)
        self._certificates.start(self._tasks)
        if self._source is not None:
            self._source.changed()
        self._tasks.start(self._sweep(), "sweep")

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_SWEEP_S)
            for problem in self.gateway.sweep(loop.time()):
                _log.warning("grants: %s; the last good state goes on", problem)
            await self._transports.sweep()
            source = self._source
            if source is not None and self.gateway.config.reload_on_change and source.changed():
                done = await self.reload()
                _log.log(logging.INFO if done.done else logging.WARNING, "%s", done)

    async def reload(self) -> Reloaded:
        """Read the file again and put it in force; with any problem, nothing changes.

        Listeners and workers are the server's, so changes of theirs wait for it.
        """
        async with self._reloading:
            source = self._source
            if source is None:
                return Reloaded(done=False, problems=("this gateway was started without a file",))
            read = source.read()
            if not isinstance(read, Reloaded):
                changed, waits = difference(self.gateway.config, read)
                if changed:
                    await self.gateway.apply(read)
                waits = (*waits, *(key for key in changed if key.startswith("listener")))
                read = Reloaded(done=True, changed=changed, waits=waits, warnings=read.warnings)
            self.last_reload = read
            return read

    async def aclose(self) -> None:
        """Stop watching, flush spans and the audit."""
        await self._tasks.aclose()
        self.gateway.close()
        if self._recorder is not None:
            await self._recorder.aclose()
        await self._transports.aclose()
        await self.gateway.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        ip, port = scope.get("client") or ("", 0)
        secure = scope["scheme"] in ("https", "wss")
        peer = Peer(ip, port, _SERVERS_TLS if secure else None)
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send, peer)
            return
        method = scope["method"].encode("latin-1")
        head_only = method == b"HEAD"
        headers = scope["headers"]
        if scope["http_version"] not in ("1.0", "1.1") and not _sized(headers):
            first = await receive()
            receive = _behind(first, receive)
            if first.get("body") or first.get("more_body"):
                headers = [*headers, (b"transfer-encoding", b"chunked")]
        decided = await self._decided(scope, method, headers, peer)
        if isinstance(decided, Reply):
            await answer(send, decided, head_only=head_only)
            return
        call, request = decided
        exchange = AppExchange(self._transports, call, request, receive, send)
        reply = await exchange.run()
        if reply is not None:
            await answer(send, reply, head_only=head_only)

    async def _decided(
        self, scope: Scope, method: bytes, headers: Iterable[tuple[bytes, bytes]], peer: Peer
    ) -> tuple[Call, RequestHead] | Reply:
        router = self.gateway.router
        try:
            request = _head(scope, method, headers)
        except BadRequest as error:
            return router.refuse(error, peer)
        decided = router.on_request(request, peer)
        if isinstance(decided, Later):
            decided = await decided.decided
        return decided if isinstance(decided, Reply) else (decided, request)

    async def _socket(self, scope: Scope, receive: Receive, send: Send, peer: Peer) -> None:
        await receive()  # websocket.connect
        decided = await self._decided(scope, b"GET", handshake_headers(scope), peer)
        if isinstance(decided, Reply):
            await deny(scope, send, decided)
            return
        await AppSocket(*decided, scope, receive, send).run()


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


def _head(scope: Scope, method: bytes, headers: Iterable[tuple[bytes, bytes]]) -> RequestHead:
    """The head as the wire reads it, so that both doors refuse the same. Raises: BadRequest."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    if scope["query_string"]:
        raw = raw.partition(b"?")[0] + b"?" + scope["query_string"]
    lines: list[Any] = [b"%b %b HTTP/1.1" % (method, raw)]
    lines += [b"%b: %b" % (name, value) for name, value in headers]
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if len(head) > EDGE_LIMITS.head_bytes_max:
        raise BadRequest("the request head is too large", 431)
    return read_request_head(head, EDGE_LIMITS)


def _sized(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"content-length" for name, _ in headers)


def _behind(first: Message, receive: Receive) -> Receive:
    """What is received behind a message that has been looked at, and that one before.

    HTTP/2 tells by its frames alone whether a body follows (RFC 9113, 8.1), so the first is asked.
    """
    waiting = [first]

    async def next_one() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_one


async def answer(send: Send, reply: Reply, *, head_only: bool) -> None:
    """Send an answer of the gateway's own."""
    headers = [(name.lower(), value) for name, value in header_lines(reply.block)]
    if reply.status >= 200 and reply.status != 204:  # noqa: PLR2004 - RFC 9110, 8.6
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else reply.body})
