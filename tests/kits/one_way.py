"""The engine with a way that sends every request to one upstream, as it is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from proxy.call import Again, Call, Later, Peer, Reply
from proxy.listener import Listener
from proxy.pool import Pool
from proxy.settings import ListenerSettings, PoolSettings
from wire.head import drop_pattern
from wire.limits import EDGE_LIMITS, Limits
from wire.request import NOT_FOR_UPSTREAM, RequestHead

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from proxy.acceptor import Prelude
    from proxy.errors import UpstreamError
    from proxy.tls import Dialing
    from wire.errors import BadRequest
    from wire.response import ResponseHead

PLAIN = drop_pattern(*NOT_FOR_UPSTREAM)


class OneCall:
    """Sends the request as it is to one pool; tries again as often as told."""

    def __init__(self, way: OneWay, request: RequestHead) -> None:
        self.way = way
        self.request = request
        self.timeout_s = way.timeout_s
        self.attempt_timeout_s = way.attempt_timeout_s
        self.failures = 0

    def dial(self) -> Pool | Reply:
        return self.way.pool

    def head(self) -> bytes:
        request = self.request
        return request.method + b" " + request.target + b" HTTP/1.1" + request.end_to_end(PLAIN)

    def on_interim(self, response: ResponseHead) -> bytes:
        return response.end_to_end()

    def on_response(self, response: ResponseHead, *, replayable: bool) -> bytes | Again:
        if response.status == 503 and replayable and self.failures < self.way.retries:
            self.failures += 1
            return Again()
        return response.end_to_end()

    def on_failure(self, error: UpstreamError, *, replayable: bool) -> Reply | Again:
        if replayable and self.failures < self.way.retries:
            self.failures += 1
            return Again()
        return Reply(502, f"{type(error).__name__}: {error}".encode())

    def on_end(
        self, status: int, request_bytes: int, response_bytes: int, error: UpstreamError | None
    ) -> None:
        self.way.ends.append((status, request_bytes, response_bytes, type(error)))


class OneWay:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pool: Pool
        self.ends: list[tuple[int, int, int, type]] = []
        self.peers: list[Peer] = []
        self.retries = 0
        self.timeout_s: float | None = None
        self.attempt_timeout_s: float | None = None
        self.slow: asyncio.Event | None = None

    def on_request(self, request: RequestHead, peer: Peer) -> object:
        self.peers.append(peer)
        if self.slow is not None:
            return Later(self.later(request))
        return OneCall(self, request)

    async def later(self, request: RequestHead) -> Call:
        assert self.slow is not None
        await self.slow.wait()
        return OneCall(self, request)

    def refuse(self, error: BadRequest, peer: Peer) -> Reply:
        del peer
        return Reply(error.status, error.reason.encode(), close=True)


@contextlib.asynccontextmanager
async def engine(
    port: int,
    *,
    limits: Limits = EDGE_LIMITS,
    settings: ListenerSettings | None = None,
    pool: PoolSettings | None = None,
    prelude: Prelude | None = None,
    dialing: Dialing | None = None,
) -> AsyncIterator[tuple[OneWay, int, Listener]]:
    way = OneWay(limits)
    listener = Listener(way, settings, prelude)  # type: ignore[arg-type]
    way.pool = Pool(
        "127.0.0.1",
        port,
        tasks=listener.tasks,
        limits=limits,
        settings=pool or PoolSettings(),
        tls=dialing,
    )
    bound = await listener.start("127.0.0.1", 0)
    try:
        yield way, bound, listener
    finally:
        way.pool.close()
        await listener.aclose()
