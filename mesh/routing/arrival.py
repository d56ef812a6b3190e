"""A request that has come, before it has a route."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mesh.context import RequestContext
    from proxy.call import Peer
    from tracing.context import TraceContext
    from wire.request import RequestHead


class Arrival(NamedTuple):
    """What was known of a request when it came, before it had a route."""

    request: RequestHead
    context: RequestContext
    peer: Peer
    trace: TraceContext  # of the server span
    recorded: bool
    started_at: float  # monotonic seconds
