"""The bounds of listeners and pools."""

from __future__ import annotations

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Bounds of one endpoint's pool."""

    connections_max: int = 10_000  # Linkerd has no bound; file descriptors have
    waiters_max: int = 10_000  # requests that wait for a connection
    # At once: a crowd on a cold pool is served sooner by connections that come back than by one
    # each, and nothing else would run while a thousand are opened.
    connecting_max: int = 64
    idle_max: int = 1_000
    idle_timeout_s: float = 55.0  # shorter than the 60 s after which most servers close
    connect_timeout_s: float = 1.0  # fixed in Linkerd 1.7.5
    links: bool = False  # ask endpoints for a link (`link.py`): where the next hop is a weir
    # Of one connection and direction: half is what one read takes, half what waits to be written.
    buffer_bytes_max: int = 65_536
