"""Connections to one endpoint: idle ones are reused last in, first out.

Their number and the waiting line are bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from proxy.errors import ConnectFailed, NoConnection
from proxy.inbox import inbox
from proxy.link_dial import LinkDialer
from proxy.upstream import Upstream

if TYPE_CHECKING:
    from proxy.call import Waiter
    from proxy.settings import PoolSettings
    from proxy.tasks import Tasks
    from proxy.tls import Dialing
    from wire.limits import Limits
    from wire.response import ResponseHead


class Pool:
    """Connections to one endpoint.

    `close()` ends the idle ones; busy ones end after their exchange.
    """

    def __init__(
        self,
        ip: str,
        port: int,
        *,
        tasks: Tasks,
        limits: Limits,
        settings: PoolSettings,
        tls: Dialing | None = None,
    ) -> None:
        self.ip = ip
        self.port = port
        self.tls = tls  # of all its connections: a pool never mixes TLS with plain
        self.limits = limits
        self.settings = settings
        self.connections = 0  # open or being opened
        self.connects = 0
        self.closed = False
        # The last answer that came whole: its head mostly comes again, and is not read twice.
        self.said: ResponseHead | None = None
        self.inbox = inbox(settings.buffer_bytes_max // 2)
        self._idle: list[Upstream] = []
        self._connecting = 0
        self._line: deque[tuple[Waiter, float]] = deque()  # with the loop's time of joining
        self.tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._links = LinkDialer(self) if settings.links else None

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    def take(self) -> Upstream | None:
        """An idle connection, if there is a good one."""
        idle = self._idle
        while idle:
            upstream = idle.pop()
            transport = upstream.transport
            if transport is not None and not transport.is_closing():
                return upstream
        return None

    def connect(self, waiter: Waiter) -> None:
        """Give the waiter a connection: a new one, or one that comes back before it is open."""
        below = self.connections < self.settings.connections_max
        if below and self._links is not None and self._links.connect(waiter):
            return
        if len(self._line) >= self.settings.waiters_max:
            waiter.on_connect_failed(
                NoConnection(f"{self.ip}:{self.port} is at its connection limit")
            )
            return
        self._line.append((waiter, self._loop.time()))
        self._open_more()

    def _open_more(self) -> None:
        """Open connections for those in line, a few at once."""
        settings = self.settings
        wanted = min(len(self._line), settings.connecting_max)
        while self._connecting < wanted and self.connections < settings.connections_max:
            self._connecting += 1
            self.connections += 1
            self.connects += 1
            self.tasks.start(self._open(), f"connect {self.ip}:{self.port}")

    def dialling(self) -> dict[str, Any]:
        """How the loop shall open a connection: over TLS or not."""
        # Of an address no server name is asked for, and none is verified without one.
        return (
            {}
            if self.tls is None
            else {"ssl": self.tls.tls.context, "server_hostname": self.tls.name}
        )

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(self.settings.connect_timeout_s):
                _, upstream = await self._loop.create_connection(
                    lambda: Upstream(self),
                    self.ip,
                    self.port,
                    **self.dialling(),
                )
        except (OSError, TimeoutError) as error:
            self._connecting -= 1
            self.connections -= 1
            self._on_failed(ConnectFailed(str(error) or "connect timed out"))
            self._open_more()
        except asyncio.CancelledError:
            self._connecting -= 1
            self.connections -= 1
            raise
        else:
            self._connecting -= 1
            waiter = self._next()
            if waiter is None:
                self.give_back(upstream)
            else:
                waiter.on_connected(upstream, reused=False)
            self._open_more()

    def _next(self) -> Waiter | None:
        """The first in line who still waits."""
        while self._line:
            waiter, _ = self._line.popleft()
            if not waiter.cancelled:
                return waiter
        return None

    def _on_failed(self, error: ConnectFailed) -> None:
        """Tell the first in line, and everyone who has waited for as long as a connect may take."""
        first = self._next()
        overdue = self._loop.time() - self.settings.connect_timeout_s
        failed = [] if first is None else [first]
        while self._line and self._line[0][1] <= overdue:
            failed.append(self._line.popleft()[0])
        for waiter in failed:
            if not waiter.cancelled:
                waiter.on_connect_failed(error)

    def give_back(self, upstream: Upstream) -> None:
        """Take back a connection that is ready for another request."""
        waiter = self._next() if self._line else None
        if waiter is not None:
            # Not in this call: the connection's last exchange is still being closed below us.
            self._loop.call_soon(self._hand_over, waiter, upstream)
            return
        if self.closed or len(self._idle) >= self.settings.idle_max:
            upstream.close()
            return
        upstream.idle_since = self._loop.time()
        self._idle.append(upstream)

    def _hand_over(self, waiter: Waiter, upstream: Upstream) -> None:
        if waiter.cancelled or not upstream.usable():
            if upstream.usable():
                self.give_back(upstream)
            if not waiter.cancelled:
                self.connect(waiter)
            return
        waiter.on_connected(upstream, reused=True)

    def on_lost(self, upstream: Upstream) -> None:
        """A connection is gone; the next in line may open one."""
        if upstream in self._idle:
            self._idle.remove(upstream)
        self.connections -= 1
        self._open_more()

    def sweep(self, now: float) -> None:
        """Close connections that have been idle for too long. now: the loop's clock, seconds."""
        deadline = now - self.settings.idle_timeout_s
        stale = [upstream for upstream in self._idle if upstream.idle_since < deadline]
        for upstream in stale:
            self._idle.remove(upstream)
            upstream.close()

    def close(self) -> None:
        """End the idle connections; busy ones end when their exchange does."""
        self.closed = True
        idle, self._idle = self._idle, []
        for upstream in idle:
            upstream.close()
        if self._links is not None:
            self._links.close()

    def __repr__(self) -> str:
        return f"<Pool {self.ip}:{self.port} {self.connections} open, {len(self._idle)} idle>"
