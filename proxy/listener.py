"""A bound address with the way behind it: admits connections, ends overdue ones, drains."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from proxy.acceptor import Acceptor, Prelude, bound_socket
from proxy.downstream import Downstream
from proxy.inbox import inbox
from proxy.tasks import Tasks
from proxy.tunnel import Tunnel

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from proxy.call import Way
    from wire.limits import Limits

_SWEEP_S = (
    0.5  # how late a timeout may be; one pass over 10,000 connections costs about a millisecond
)
_ABORT_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """Bounds of one listener. Times in seconds."""

    connections_max: int = 20_000
    head_timeout_s: float = 10.0  # from the first byte awaited to the head's end: slowloris
    body_timeout_s: float = 30.0  # between two pieces of a body
    # Bytes a second, from then on: else a byte every 29 s holds an endpoint's connection for days.
    # Apache asks for as many. 0: none.
    body_rate_min: int = 500
    idle_timeout_s: float = 60.0  # must outlast the balancer in front of us
    send_timeout_s: float = 30.0  # who takes no byte: a client of its answer, an endpoint of a body
    half_closed_timeout_s: float = (
        1.0  # a client that sends no more, until its answer: it may be gone
    )
    # Envoy ends a silent stream as late; WebSockets that live ping several times as often.
    tunnel_idle_timeout_s: float = 300.0
    # A connection that lives for ever stays with one worker for ever. nginx ends one after 1,000.
    requests_max: int = 10_000
    # Of further requests while one is answered; then the client's own kernel keeps them.
    pipelined_bytes_max: int = 16_384
    # Of one connection and direction: half is what one read takes, half what waits to be written.
    buffer_bytes_max: int = 65_536
    linger_timeout_s: float = 2.0  # after the last answer, for a client that still sends
    backlog: int = 2_048
    links: bool = False  # offer other weirs to carry their streams on one connection (`link.py`)


class Connection(Protocol):
    """What a listener knows of a connection: a client's, or a link of another weir."""

    deadline: float  # the loop's clock; 0: none

    @property
    def idle(self) -> bool:
        """Whether it may be told to go."""

    def on_deadline(self) -> None:
        """Its time is over."""

    def close_after_answer(self) -> None:
        """Close once everything is written."""

    def abort_exchange(self) -> None:
        """End everything on it now."""


class Listener:
    """Accepts connections for one way."""

    def __init__(
        self,
        way: Way,
        settings: ListenerSettings | None = None,
        prelude: Prelude | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.way = way
        self.limits = limits or way.limits  # of one request's head and body
        self.settings = settings or ListenerSettings()
        self.inbox = inbox(self.settings.buffer_bytes_max // 2)
        self.loop = asyncio.get_running_loop()
        self.tasks = Tasks()
        self.draining = False  # every answer ends its connection; new ones are still served
        self._closed = False
        self.accepted = 0
        self.rejected = 0  # over connections_max
        self.refused = 0  # bytes that were no request
        self.trailers_dropped = 0  # of requests: names that only a head may carry
        self.on_sweep: Callable[[float], None] | None = None
        self._connections: set[Connection] = set()
        self.tunnels = 0  # open now
        self.tunnelled = 0  # begun
        self.socket: socket.socket | None = None  # while it accepts
        self._server: asyncio.Server | None = None
        self.acceptor: Acceptor | None = None  # None: HTTP begins with the first byte
        self.prelude = prelude or Prelude()
        if self.prelude.tls is not None or self.prelude.proxy_peers:
            self.acceptor = Acceptor(self, self.prelude)
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    async def start(self, host: str, port: int, *, reuse_port: bool = False) -> int:
        """Bind and accept; returns the port (useful with port 0).

        Raises: OSError, when the address cannot be bound.
        """
        return await self._accept(bound_socket(host, port, reuse_port=reuse_port))

    async def take_over(self, other: Listener) -> int:
        """Accept in another's place, on its own socket: nobody who knocks meets a closed door.

        The other keeps the connections that it has. Returns the port.
        """
        assert other.socket is not None
        port = await self._accept(other.socket.dup())
        other._stop_accepting()
        return port

    async def _accept(self, sock: socket.socket) -> int:
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
        self.socket = sock
        bound: int = sock.getsockname()[1]
        if self.acceptor is not None:
            self.acceptor.start(sock)
        else:
            backlog = self.settings.backlog
            make = functools.partial(Downstream, self)
            self._server = await self.loop.create_server(make, sock=sock, backlog=backlog)
        return bound

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    @property
    def failed(self) -> int:
        """How many ended before HTTP: no handshake, no PROXY header, too late, too many at once."""
        return 0 if self.acceptor is None else self.acceptor.failed + self.acceptor.turned_away

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        if len(self._connections) >= self.settings.connections_max or self._closed:
            self.rejected += 1
            return False
        self.accepted += 1
        self._connections.add(connection)
        self._empty.clear()
        return True

    def swap(self, connection: Downstream, tunnel: Tunnel) -> None:
        """A connection has left HTTP; it counts as before."""
        self._connections.discard(connection)
        self._connections.add(tunnel)
        self.tunnels += 1
        self.tunnelled += 1

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        if isinstance(connection, Tunnel):
            self.tunnels -= 1
        if not self._connections:
            self._empty.set()

    def _sweep(self) -> None:
        now = self.loop.time()
        overdue = [one for one in self._connections if 0.0 < one.deadline < now]
        for connection in overdue:
            connection.on_deadline()
        if self.on_sweep is not None:
            self.on_sweep(now)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)

    async def drain(self, deadline_s: float) -> int:
        """Stop accepting, let requests under way finish, then end what is left.

        Returns how many were cut.
        """
        self.draining = True
        self._stop_accepting()
        for connection in list(self._connections):
            if connection.idle:
                connection.close_after_answer()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        left = list(self._connections)
        for connection in left:
            connection.abort_exchange()
        await self.aclose()
        return len(left)

    async def empty(self) -> None:
        """Wait until its last connection is gone, and the last that was on its way to be one."""
        while self._connections or (self.acceptor is not None and self.acceptor.waiting):
            await self._empty.wait()
            await asyncio.sleep(_SWEEP_S)

    def _stop_accepting(self) -> None:
        self.socket = None
        if self._server is not None:
            self._server.close()
        if self.acceptor is not None:
            self.acceptor.close()

    async def aclose(self) -> None:
        """Close at once."""
        self.draining = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        self._stop_accepting()
        self._closed = True
        for connection in list(self._connections):
            connection.abort_exchange()
        await self.tasks.aclose()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ABORT_S):  # the loop ends a connection some turns later
                await self._empty.wait()
