"""The connections of one listener: admitted, counted, ended when they are overdue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from proxy.inbox import inbox
from proxy.settings import ListenerSettings
from proxy.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.call import Way
    from wire.limits import Limits

# How late a timeout may be; one pass over 10,000 connections costs about a millisecond.
SWEEP_S: Final = 0.5


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


class Connections:
    """What all of them share: the way behind them, their bounds, who is there."""

    def __init__(
        self, way: Way, settings: ListenerSettings | None = None, limits: Limits | None = None
    ) -> None:
        self.way = way
        self.limits = limits or way.limits  # of one request's head and body
        self.settings = settings or ListenerSettings()
        self.inbox = inbox(self.settings.buffer_bytes_max // 2)
        self.loop = asyncio.get_running_loop()
        self.tasks = Tasks()
        self.draining = False  # every answer ends its connection; new ones are still served
        self.accepted = 0
        self.rejected = 0  # over connections_max
        self.refused = 0  # bytes that were no request
        self.trailers_dropped = 0  # of requests: names that only a head may carry
        self.tunnels = 0  # open now
        self.tunnelled = 0  # begun
        self.on_sweep: Callable[[float], None] | None = None
        self._there: set[Connection] = set()
        self._closed = False
        self._sweeper: asyncio.TimerHandle | None = None
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._there)

    def admit(self, connection: Connection) -> bool:
        """Count a new connection in; False when there are too many."""
        if len(self._there) >= self.settings.connections_max or self._closed:
            self.rejected += 1
            return False
        self.accepted += 1
        self._there.add(connection)
        self._empty.clear()
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is gone."""
        self._there.discard(connection)
        if not self._there:
            self._empty.set()

    def begin_tunnel(self, connection: Connection, tunnel: Connection) -> None:
        """A connection has left HTTP; it counts as before."""
        self._there.discard(connection)
        self._there.add(tunnel)
        self.tunnels += 1
        self.tunnelled += 1

    def end_tunnel(self, tunnel: Connection) -> None:
        """A tunnel is gone."""
        self.tunnels -= 1
        self.forget(tunnel)

    def _sweep(self) -> None:
        now = self.loop.time()
        overdue = [one for one in self._there if 0.0 < one.deadline < now]
        for connection in overdue:
            connection.on_deadline()
        if self.on_sweep is not None:
            self.on_sweep(now)
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)
