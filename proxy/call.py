"""What the engine asks of whoever routes: the seam between moving bytes and deciding where they go.

The engine (`downstream`, `exchange`, `upstream`) knows HTTP and sockets. A `Way` stands behind a
listener and turns each request head into a `Call` or a `Reply`; a `Call` is asked for an endpoint's
pool, for the head to send, and is told what came of it. Neither knows the other's types beyond this
file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from wire.response import reason_phrase

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from proxy.errors import UpstreamError
    from proxy.tls import Dialing, TlsSession
    from proxy.upstream import Upstream
    from wire.errors import BadRequest
    from wire.limits import Limits
    from wire.request import RequestHead
    from wire.response import ResponseHead


class Peer(NamedTuple):
    """Who is at the other end of a connection.

    Shape: the address that a trusted balancer names, else the connection's own; `tls` is None on a
    plain connection.
    """

    ip: str
    port: int
    tls: TlsSession | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of our own.

    Shape: `block` holds header lines, each led by CRLF, without framing; the engine adds
    Content-Length and Connection. `close` asks for the connection to end with it; `http_1_0` writes
    the status line as Linkerd's codec does.
    """

    status: int
    body: bytes = b""
    block: bytes = b"\r\nContent-Type: text/plain"
    close: bool = False
    http_1_0: bool = False

    def render(self, *, keep_alive: bool, head_only: bool, minor: int) -> bytes:
        """The answer's bytes."""
        connection = b""
        if not keep_alive:
            connection = b"\r\nConnection: close"
        elif minor == 0:
            connection = b"\r\nConnection: keep-alive"
        return b"HTTP/1.%d %d %b%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
            0 if self.http_1_0 else 1,
            self.status,
            reason_phrase(self.status),
            self.block,
            connection,
            len(self.body),
            b"" if head_only else self.body,
        )


@dataclass(frozen=True, slots=True)
class Again:
    """Try the call once more, after a wait (seconds)."""

    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Later:
    """The route is not known yet; it is awaited while the client's bytes wait."""

    decided: Awaitable[Call | Reply]


class Waiter(Protocol):
    """Who asked for a connection."""

    def on_connected(self, upstream: Upstream, *, reused: bool) -> None:
        """Here it is."""

    def on_connect_failed(self, error: UpstreamError) -> None:
        """There will be none."""

    @property
    def cancelled(self) -> bool:
        """Whether the waiter has gone away."""


class EndpointPool(Protocol):
    """Connections to one replica, as an exchange sees them; `pool.py` has them."""

    ip: str
    port: int
    tls: Dialing | None

    def take(self) -> Upstream | None:
        """One that is idle, if there is a good one."""

    def connect(self, waiter: Waiter) -> None:
        """Tell the waiter once there is one, or that there will be none."""


class Call(Protocol):
    """One request on its way, from the routing side.

    Each method is called on the loop and must not wait.
    """

    timeout_s: float | None  # for the whole call, attempts and waits included
    attempt_timeout_s: float | None  # from a connection to the answer's head; known after `dial`

    def dial(self) -> EndpointPool | Reply:
        """The endpoint to try now; a Reply when there is none."""

    def head(self) -> bytes:
        """The request's head for this attempt, up to the last header line.

        No framing, no blank line.
        """

    def on_interim(self, response: ResponseHead) -> bytes:
        """The block of header lines of a 1xx head for the downstream."""

    def on_response(self, response: ResponseHead, *, replayable: bool) -> bytes | Again | Reply:
        """The block of header lines for the downstream, or Again (only if replayable).

        A Reply goes in the answer's place, and the rest of the answer is thrown away.
        """

    def on_failure(self, error: UpstreamError, *, replayable: bool) -> Reply | Again:
        """What to do after a failed attempt of which nothing has reached the downstream."""

    def on_end(
        self, status: int, request_bytes: int, response_bytes: int, error: UpstreamError | None
    ) -> None:
        """The exchange is over.

        status 0: the downstream went away first; error: the answer broke off.
        """


class Way(Protocol):
    """What stands behind a listener."""

    limits: Limits

    def on_request(self, request: RequestHead, peer: Peer) -> Call | Reply | Later:
        """Route one request."""

    def refuse(self, error: BadRequest, peer: Peer) -> Reply:
        """The answer to bytes that are no request we accept; the connection ends with it."""
