"""How a pool comes to a link: it asks its endpoint once, and goes without where there is none."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from proxy.errors import ConnectFailed
from proxy.link import GREETING, TOKEN, DialledLink
from proxy.upstream import Home, Upstream
from wire.head import HEAD_END, first_value

if TYPE_CHECKING:
    from proxy.call import Waiter
    from proxy.tasks import Tasks

# An endpoint that offers no link is asked again after this: it may have become a weir.
_PLAIN_S: Final = 300.0
_ANSWER_BYTES_MAX: Final = 4_096
_ACCEPTED: Final = b"HTTP/1.1 101 "


class _Greeter(asyncio.Protocol):
    """Asks, and reads the answer's head."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.accepted: asyncio.Future[bool] = loop.create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(GREETING)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end >= 0 or len(self._buffer) > _ANSWER_BYTES_MAX:
            # Nothing may follow: who listens speaks of a stream only when it has been opened.
            whole = end + len(HEAD_END) == len(self._buffer)
            self._decide(whole and self._welcomed(self._buffer[:end]))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._decide(accepted=False)

    @staticmethod
    def _welcomed(head: bytes) -> bool:
        return head.startswith(_ACCEPTED) and first_value(head, b"upgrade") == TOKEN

    def _decide(self, accepted: bool) -> None:  # noqa: FBT001 - the one fact there is
        if not self.accepted.done():
            self.accepted.set_result(accepted)


class Asking(Home, Protocol):
    """A pool whose endpoint may offer a link."""

    ip: str
    port: int
    tasks: Tasks
    connections: int
    connects: int

    def dialling(self) -> dict[str, Any]:
        """How the loop shall open a connection."""

    def connect(self, waiter: Waiter) -> None:
        """Give the waiter a connection."""


class LinkDialer:
    """The link of one pool, if its endpoint offers one."""

    def __init__(self, pool: Asking) -> None:
        self._pool = pool
        self._link: DialledLink | None = None
        self._plain_until = 0.0  # the loop's clock
        self._asking = False
        self._waiters: deque[Waiter] = deque()
        self._loop = asyncio.get_running_loop()

    def connect(self, waiter: Waiter) -> bool:
        """Give the waiter a stream, now or once the endpoint has said whether it offers a link.

        False: he has to take a connection of his own.
        """
        link = self._link
        if link is not None:
            if not link.open:
                return False
            pool = self._pool
            pool.connections += 1
            pool.connects += 1
            upstream = Upstream(pool)
            link.connect(upstream)
            waiter.on_connected(upstream, reused=False)
            return True
        pool = self._pool
        if self._loop.time() < self._plain_until or len(self._waiters) >= pool.settings.waiters_max:
            return False
        self._waiters.append(waiter)
        if not self._asking:
            self._asking = True
            pool.tasks.start(self._ask(), f"link {pool.ip}:{pool.port}")
        return True

    def close(self) -> None:
        """No new streams; the link ends with the last one."""
        if self._link is not None:
            self._link.retire()

    async def _ask(self) -> None:
        pool, loop = self._pool, self._loop
        limit_s = pool.settings.connect_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                transport, greeter = await loop.create_connection(
                    lambda: _Greeter(loop), pool.ip, pool.port, **pool.dialling()
                )
        except (OSError, TimeoutError) as error:
            failed = ConnectFailed(str(error) or "connect timed out")
            for waiter in self._settled():
                waiter.on_connect_failed(failed)
            return
        try:
            async with asyncio.timeout(limit_s):
                accepted = await greeter.accepted
        except TimeoutError:
            accepted = False
        if accepted:
            self._link = link = DialledLink(loop, self._on_gone)
            transport.set_protocol(link)
            link.connection_made(transport)
        else:
            transport.abort()
            self._plain_until = loop.time() + _PLAIN_S
        for waiter in self._settled():
            pool.connect(waiter)

    def _settled(self) -> list[Waiter]:
        """Who waited for the endpoint's word, and still waits."""
        self._asking = False
        waiters = [one for one in self._waiters if not one.cancelled]
        self._waiters.clear()
        return waiters

    def _on_gone(self, link: DialledLink) -> None:
        if self._link is link:
            self._link = None
