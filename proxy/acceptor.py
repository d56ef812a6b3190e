"""Accepts connections that say something before HTTP: a PROXY header, a TLS handshake.

The header is taken from the socket byte for byte, so that whoever reads next (TLS, or the engine)
finds the stream where it begins for him.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy.call import Peer
from proxy.errors import cannot_bind
from wire.proxy_protocol import BadProxyHeader, ProxyReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.connections import Connections
    from proxy.tls import ServerTls

_ACCEPTS_A_TURN: Final = 64  # then others get the loop, and we come back
_PEEK_BYTES: Final = 4_112  # a whole PROXY header
# accept(2): what is wrong with us and not with one connection. A pause, not an endless loop.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S: Final = 0.5

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """What comes before HTTP.

    Shape: `proxy_peers` are the balancers that must begin with a PROXY header. Whoever else sends
    one is answered as any client that sends no request.
    """

    tls: ServerTls | None = None
    proxy_peers: tuple[Network, ...] = ()
    waiting_max: int = 1_000  # connections that are not through it; a handshake costs up to 1 ms

    def trusts(self, ip: str) -> bool:
        """Whether a PROXY header is asked of this address."""
        if not self.proxy_peers:
            return False
        address = ipaddress.ip_address(ip)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.proxy_peers)


class Acceptor:
    """Takes connections from a listening socket through the prelude to the engine.

    Shape: `serve` makes who reads a connection from there on.
    """

    def __init__(
        self,
        listener: Connections,
        prelude: Prelude,
        serve: Callable[[Peer], asyncio.BaseProtocol],
    ) -> None:
        self._listener = listener
        self._serve = serve
        self._prelude = prelude
        self._loop = listener.loop
        self._sock: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None
        self.waiting = 0
        self.turned_away = 0  # over waiting_max
        self.failed = 0  # no PROXY header where there must be one, no handshake, too late

    def start(self, sock: socket.socket) -> None:
        """Accept on a bound socket, which is closed with us."""
        self._sock = sock
        sock.listen(self._listener.settings.backlog)
        self._loop.add_reader(sock, self._on_ready)

    def close(self) -> None:
        """Stop accepting."""
        if self._pause is not None:
            self._pause.cancel()
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.close()
            self._sock = None

    def _on_ready(self) -> None:
        sock = self._sock
        if sock is None:
            return
        for _ in range(_ACCEPTS_A_TURN):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._loop.remove_reader(sock)
                    self._pause = self._loop.call_later(_PAUSE_S, self._resume)
                    return
                continue  # that client is gone already
            if self.waiting >= self._prelude.waiting_max:
                self.turned_away += 1
                connection.close()
                continue
            connection.setblocking(False)  # noqa: FBT003
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.waiting += 1
            peer = Peer(address[0], address[1])
            self._listener.tasks.start(self._admit(connection, peer), "prelude")

    def _resume(self) -> None:
        if self._sock is not None:
            self._loop.add_reader(self._sock, self._on_ready)

    async def _admit(self, connection: socket.socket, peer: Peer) -> None:
        listener, prelude = self._listener, self._prelude
        deadline = self._loop.time() + listener.settings.head_timeout_s
        handed_over = False
        try:
            if prelude.trusts(peer.ip):
                async with asyncio.timeout_at(deadline):
                    peer = await self._read_header(connection, peer)
            tls = prelude.tls
            limits = {}
            if tls is not None:
                limits = {
                    "ssl_handshake_timeout": max(deadline - self._loop.time(), 0.1),
                    "ssl_shutdown_timeout": listener.settings.linger_timeout_s,
                }
            handed_over = True  # the loop closes it from here on, whatever happens
            await self._loop.connect_accepted_socket(
                lambda: self._serve(peer),
                connection,
                ssl=None if tls is None else tls.context,
                **limits,
            )
        except (BadProxyHeader, OSError, TimeoutError):
            # Told to nobody but the counter: a port scan must not fill a log.
            self.failed += 1
        finally:
            self.waiting -= 1
            if not handed_over:
                connection.close()

    async def _read_header(self, connection: socket.socket, peer: Peer) -> Peer:
        """The client that the balancer names; the balancer itself, if it names none."""
        reader = ProxyReader()
        while reader.header is None:
            try:
                seen = connection.recv(_PEEK_BYTES, socket.MSG_PEEK)
            except BlockingIOError:
                await self._readable(connection)
                continue
            if not seen:
                raise BadProxyHeader("the connection ended within the PROXY header")
            connection.recv(reader.feed(seen))
        source = reader.header.source
        return peer if source is None else Peer(source[0], source[1])

    async def _readable(self, connection: socket.socket) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(connection, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(connection)


def bound_socket(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """A bound TCP socket that does not listen yet and does not block. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setblocking(False)  # noqa: FBT003
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise cannot_bind(error, host, port) from None
    return sock
