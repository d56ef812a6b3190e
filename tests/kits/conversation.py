"""The engine without sockets: bytes in on one side, what h11 reads on the other.

Everything happens within the call, so that thousands of ways to cut the same bytes can be tried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import h11

from proxy.call import Peer
from proxy.downstream import Downstream
from proxy.listener import Listener
from proxy.pool import Pool
from proxy.settings import PoolSettings
from proxy.upstream import Upstream
from tests.kits.one_way import OneWay
from tests.kits.sockets import GREETING
from wire.limits import EDGE_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.call import Waiter


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.ended = False  # nothing more is written; what still comes is thrown away

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self.closed:
            self.written += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        """Bytes are given by the test, whatever is asked."""

    def resume_reading(self) -> None:
        """As above."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing waits here."""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.1", 40_000) if name == "peername" else default


class Seen(NamedTuple):
    """One whole request, as h11 reads it."""

    method: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    trailers: tuple[tuple[bytes, bytes], ...]


class Reader:
    """h11 as a server: every whole request that it finds on one connection."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._body = b""

    def feed(self, data: bytes) -> list[Seen]:
        """The requests that are whole now. Raises: h11.RemoteProtocolError."""
        self._http.receive_data(data)
        found = []
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Request):
                self._request, self._body = event, b""
            elif isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                request = self._request
                assert request is not None
                headers = tuple((bytes(name), bytes(value)) for name, value in request.headers)
                trailers = tuple((bytes(name), bytes(value)) for name, value in event.headers)
                seen = Seen(request.method, request.target, headers, self._body, trailers)
                found.append(seen)
                if request.method == b"CONNECT":
                    return found  # CONNECT, from a peer that lets it pass
                self._http.send(h11.Response(status_code=200, headers=[(b"Content-Length", b"0")]))
                self._http.send(h11.EndOfMessage())
                if self._http.our_state is not h11.DONE:
                    return found  # it asked for the end
                self._http.start_next_cycle()
            else:
                return found

    @property
    def begun(self) -> bool:
        """Whether bytes of another request are there, which is not whole."""
        data, _ = self._http.trailing_data
        return bool(data) or self._http.their_state is h11.SEND_BODY


class _OnePool(Pool):
    """Gives new connections at once."""

    def __init__(self, talk: Conversation, limits: Limits) -> None:
        super().__init__(
            "192.0.2.2", 80, tasks=talk.listener.tasks, limits=limits, settings=PoolSettings()
        )
        self._talk = talk

    def connect(self, waiter: Waiter) -> None:
        self.connections += 1
        upstream, wire = Upstream(self), Wire()
        upstream.connection_made(wire)
        self._talk.behind.append(Behind(upstream, wire))
        waiter.on_connected(upstream, reused=False)


@dataclass
class Behind:
    """One connection to the upstream."""

    upstream: Upstream
    wire: Wire
    reader: Reader = field(default_factory=Reader)


class Conversation:
    """One client's connection through the engine; an upstream that greets each whole request."""

    def __init__(self, limits: Limits = EDGE_LIMITS) -> None:
        self.way = OneWay(limits)
        self.listener = Listener(self.way)  # type: ignore[arg-type]
        self.behind: list[Behind] = []
        self.way.pool = _OnePool(self, limits)
        self.client = Wire()
        self.seen: list[Seen] = []
        self._down = Downstream(self.listener, Peer("", 0))
        self._down.connection_made(self.client)

    @property
    def held(self) -> int:
        """Bytes of the client that wait for more."""
        return len(self._down._reader.buffer)

    def say(self, pieces: Iterable[bytes]) -> Conversation:
        """The client's bytes, in these pieces."""
        for piece in pieces:
            if piece and not self.client.closed:
                self._down.data_received(piece)
                self._answer()
        return self

    async def say_before_routes_are_known(self, pieces: Iterable[bytes]) -> Conversation:
        """The same, where each route is found some turns of the loop after it was asked for."""
        self.way.slow = asyncio.Event()
        self.way.slow.set()
        for piece in pieces:
            self.say([piece])
            await asyncio.sleep(0)
            self._answer()
        while self.listener.tasks:
            await asyncio.sleep(0)
            self._answer()
        return self

    def _answer(self) -> None:
        again = True
        while again:
            again = False
            for one in self.behind:
                data = bytes(one.wire.written)
                if not data or one.wire.closed:
                    continue
                one.wire.written.clear()
                for seen in one.reader.feed(data):
                    self.seen.append(seen)
                    one.upstream.data_received(GREETING)
                    again = True

    def end(self) -> None:
        """The client is gone."""
        self._down.connection_lost(None)
        for one in self.behind:
            one.upstream.connection_lost(None)
