"""A bound address with the way behind it: accepts connections, drains."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from proxy.acceptor import Acceptor, Prelude, bound_socket
from proxy.connections import SWEEP_S, Connections
from proxy.downstream import Downstream

if TYPE_CHECKING:
    import socket

    from proxy.call import Peer, Way
    from proxy.settings import ListenerSettings
    from wire.limits import Limits

_ABORT_S: Final = 1.0


class Listener(Connections):
    """Accepts connections for one way."""

    def __init__(
        self,
        way: Way,
        settings: ListenerSettings | None = None,
        prelude: Prelude | None = None,
        limits: Limits | None = None,
    ) -> None:
        super().__init__(way, settings, limits)
        self.socket: socket.socket | None = None  # while it accepts
        self._server: asyncio.Server | None = None
        self.acceptor: Acceptor | None = None  # None: HTTP begins with the first byte
        self.prelude = prelude or Prelude()
        if self.prelude.tls is not None or self.prelude.proxy_peers:
            self.acceptor = Acceptor(self, self.prelude, self._serve)

    def _serve(self, peer: Peer | None = None) -> Downstream:
        return Downstream(self, peer)

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
        self._sweeper = self.loop.call_later(SWEEP_S, self._sweep)
        self.socket = sock
        bound: int = sock.getsockname()[1]
        if self.acceptor is not None:
            self.acceptor.start(sock)
        else:
            backlog = self.settings.backlog
            self._server = await self.loop.create_server(self._serve, sock=sock, backlog=backlog)
        return bound

    @property
    def failed(self) -> int:
        """How many ended before HTTP: no handshake, no PROXY header, too late, too many at once."""
        return 0 if self.acceptor is None else self.acceptor.failed + self.acceptor.turned_away

    async def drain(self, deadline_s: float) -> int:
        """Stop accepting, let requests under way finish, then end what is left.

        Returns how many were cut.
        """
        self.draining = True
        self._stop_accepting()
        for connection in list(self._there):
            if connection.idle:
                connection.close_after_answer()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._empty.wait()
        left = list(self._there)
        for connection in left:
            connection.abort_exchange()
        await self.aclose()
        return len(left)

    async def empty(self) -> None:
        """Wait until its last connection is gone, and the last that was on its way to be one."""
        while self._there or (self.acceptor is not None and self.acceptor.waiting):
            await self._empty.wait()
            await asyncio.sleep(SWEEP_S)

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
        for connection in list(self._there):
            connection.abort_exchange()
        await self.tasks.aclose()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ABORT_S):  # the loop ends a connection some turns later
                await self._empty.wait()
