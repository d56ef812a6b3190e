"""Bounds of a listener's connections and requests, as an operator writes them."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from config import Model
from mesh.config.config_types import Millis
from proxy.settings import ListenerSettings, PoolSettings
from wire.limits import EDGE_LIMITS, Limits

Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
Bytes = Annotated[int, Field(ge=256, le=1 << 30)]
_LISTENER: Final = ListenerSettings()
_POOL: Final = PoolSettings()


class ConnectionBounds(Model):
    """Of connections. Times in seconds."""

    connections_max: Count = _LISTENER.connections_max
    """At once; more are closed as they come."""
    requests_max: Count = _LISTENER.requests_max
    """On one connection; then it is closed, so that none stays with one worker for ever."""
    head_timeout_s: Seconds = _LISTENER.head_timeout_s
    """From a connection's begin, or a head's first byte, to the head's end."""
    body_timeout_s: Seconds = _LISTENER.body_timeout_s
    """Between two pieces of a body."""
    body_rate_min: Annotated[int, Field(ge=0)] = _LISTENER.body_rate_min
    """Bytes a second that a body must bring, once body_timeout_s is over; 0: any."""
    idle_timeout_s: Seconds = _LISTENER.idle_timeout_s
    """Between two requests; longer than that of the balancer before us."""
    send_timeout_s: Seconds = _LISTENER.send_timeout_s
    """For a client that takes no byte of its answer, or an endpoint that takes none of a body."""
    half_closed_timeout_s: Seconds = _LISTENER.half_closed_timeout_s
    """For the answer to a client that has said that it sends no more: it may be gone."""
    tunnel_idle_timeout_s: Seconds = _LISTENER.tunnel_idle_timeout_s
    """Of a WebSocket, or another tunnel, on which nothing moves."""
    linger_timeout_s: Seconds = _LISTENER.linger_timeout_s
    """After the last answer, for a client that still sends: it shall read the answer first."""
    pipelined_bytes_max: Bytes = _LISTENER.pipelined_bytes_max
    """Of further requests while one is answered; then the client waits."""
    buffer_bytes_max: Bytes = _LISTENER.buffer_bytes_max
    """Of one connection and direction."""
    backlog: Count = _LISTENER.backlog
    """Connections that the kernel holds until we accept them."""

    def settings(self, *, links: bool = False) -> ListenerSettings:
        """For the engine."""
        own = {one.name for one in fields(ListenerSettings)} & set(ConnectionBounds.model_fields)
        return ListenerSettings(**{name: getattr(self, name) for name in own}, links=links)


class CamelBounds(ConnectionBounds):
    """The same, written as Linkerd writes its keys: headTimeoutS for head_timeout_s."""

    model_config = ConfigDict(alias_generator=to_camel)


class PublicBounds(ConnectionBounds):
    """Of connections, and of one request on them."""

    head_bytes_max: Bytes = EDGE_LIMITS.head_bytes_max
    """Of a whole head."""
    headers_max: Count = EDGE_LIMITS.headers_max
    """Lines of a head."""
    target_bytes_max: Bytes = EDGE_LIMITS.target_bytes_max
    """Of a request's target."""
    body_bytes_max: Annotated[int, Field(ge=0)] | None = EDGE_LIMITS.body_bytes_max
    """Of a body; none: the service's business."""
    chunk_extension_bytes_max: Annotated[int, Field(ge=0)] = EDGE_LIMITS.chunk_extension_bytes_max
    """Of a body's chunk extensions, in sum; they end here."""
    trailer_bytes_max: Annotated[int, Field(ge=0)] = EDGE_LIMITS.trailer_bytes_max
    """Of a body's trailers, in sum."""

    def limits(self) -> Limits:
        """For the engine."""
        own = {one.name for one in fields(Limits)} & set(PublicBounds.model_fields)
        return Limits(**{name: getattr(self, name) for name in own})


class HostConnectionPool(Model):
    """Connections to one endpoint."""

    minSize: Literal[0] = 0
    """None is opened before it is needed."""
    maxSize: Annotated[int, Field(ge=1, le=1_000_000)] = _POOL.connections_max
    maxWaiters: Annotated[int, Field(ge=1, le=1_000_000)] = _POOL.waiters_max
    """Requests that wait for one; more fail."""
    idleTimeMs: Millis = int(_POOL.idle_timeout_s * 1_000)
    """How long one is kept that nobody uses."""
    connectTimeoutMs: Millis = int(_POOL.connect_timeout_s * 1_000)
    """weir's own."""
