"""What a router tells the recorder of its requests.

A request that went well at the first attempt is one flat record; every other leaves a CLIENT span
an attempt and one SERVER span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tracing.exchange import ExchangeRecord, SpanRoute
from tracing.span import Endpoint, SpanRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mesh.context import RequestContext
    from mesh.deps import Deps
    from mesh.routing.arrival import Arrival
    from mesh.routing.branch import Branch
    from mesh.routing.clients import Replica
    from mesh.routing.routes import Route
    from proxy.call import Peer
    from tracing.context import TraceContext
    from wire.request import RequestHead

_BAD_REQUEST = 400


class Called(Protocol):
    """What spans tell of a call; `call.py` has it."""

    route: Route
    branch: Branch | None
    request: RequestHead
    peer: Peer
    context: RequestContext
    trace: TraceContext
    child_id: bytes
    failure: str
    started_at: float
    attempt_at: float

    def started_us(self) -> int:
        """When it began: microseconds since 1970."""


class Spans:
    """The spans of one router. Asked for requests that are recorded, and only for those.

    Shape: `local` is the router in its server spans; `client_local` in its client spans, None:
    those are named after their client, as Linkerd does.
    """

    def __init__(self, deps: Deps, label: str, local: Endpoint) -> None:
        self.local = local
        self.client_local: Endpoint | None = None
        self._deps = deps
        self._label = label

    def exchange(
        self,
        call: Called,
        branch: Branch,
        replica: Replica,
        status: int,
        elapsed_us: int,
        sizes: tuple[int, int],  # bytes of the request's and of the answer's body
    ) -> None:
        """Both spans of an ordinary exchange."""
        deps = self._deps
        if deps.record is None:
            return
        request, peer = call.request, call.peer
        deps.record(
            ExchangeRecord(
                branch.span_route or self._span_route(call, branch),
                call.trace,
                call.child_id,
                request.method,
                request.target,
                status,
                deps.wall_ns() // 1_000 - elapsed_us,
                elapsed_us,
                peer.ip,
                peer.port,
                replica.span_endpoint,
                *sizes,
                call.context.tags,
            )
        )

    def _span_route(self, call: Called, branch: Branch) -> SpanRoute:
        """What the spans of a branch's exchanges share; kept with the branch."""
        branch.span_route = made = SpanRoute(
            call.route.span_name,
            self.local,
            self.client_local or branch.client.span_local,
            _way(call.route, branch),
            {"l5d.success": "1.0"},
        )
        return made

    def server(
        self, call: Called, status: int, now: float, sizes: tuple[int, int], trouble: str
    ) -> None:
        """The span of a request with a route. now: the clock of `started_at`."""
        tags = _tags(call, status)
        tags["srv/request_payload_bytes"] = str(sizes[0])
        tags["srv/response_payload_bytes"] = str(sizes[1])
        if call.failure:
            tags["io.buoyant.router.Failure"] = call.failure.partition(":")[0]
        if trouble:
            tags["error"] = trouble
        self._record(
            call.trace,
            ("SERVER", call.route.span_name),
            (call.started_us(), int((now - call.started_at) * 1e6) or 1),
            (self.local, _endpoint(call.peer)),
            tags,
            call.route.tags if call.branch is None else _way(call.route, call.branch),
        )

    def client(
        self,
        call: Called,
        branch: Branch,
        replica: Replica,
        status: int,
        now: float,
        trouble: str,
        *,
        retryable: bool,
    ) -> None:
        """The span of one attempt."""
        tags = _tags(call, status)
        if retryable:
            tags["l5d.retryable"] = "true"
        else:
            tags["l5d.success"] = "0.0" if trouble else "1.0"
        if trouble:
            tags["error"] = trouble
        begin_us = call.started_us() + int((call.attempt_at - call.started_at) * 1e6)
        self._record(
            call.trace.child(call.child_id),
            ("CLIENT", call.request.method.decode("latin-1")),
            (begin_us, int((now - call.attempt_at) * 1e6) or 1),
            (self.client_local or branch.client.span_local, replica.span_endpoint),
            tags,
            _way(call.route, branch),
        )

    def unrouted(self, arrival: Arrival, failure: str, status: int, elapsed_us: int) -> None:
        """The server span of a request that reached no route: named after its method."""
        method = arrival.request.method.decode("latin-1")
        tags = {
            "http.method": method,
            "http.uri": arrival.request.target.partition(b"?")[0].decode("latin-1"),
            "http.status_code": str(status),
            "router.label": self._label,
        }
        if arrival.context.tags is not None:
            tags |= arrival.context.tags
        if status >= _BAD_REQUEST:
            tags["io.buoyant.router.Failure"] = failure.partition(":")[0]
            tags["error"] = failure
        self._record(
            arrival.trace,
            ("SERVER", method),
            (self._deps.wall_ns() // 1_000 - elapsed_us, elapsed_us),
            (self.local, _endpoint(arrival.peer)),
            tags,
            None,
        )

    def _record(
        self,
        trace: TraceContext,
        kind_and_name: tuple[str, str],
        begin_and_elapsed_us: tuple[int, int],
        local_and_remote: tuple[Endpoint, Endpoint],
        tags: dict[str, str],
        route: Mapping[str, str] | None,
    ) -> None:
        if self._deps.record is not None:
            self._deps.record(
                SpanRecord(
                    trace.trace_id,
                    trace.span_id,
                    trace.parent_id,
                    *kind_and_name,
                    *begin_and_elapsed_us,
                    *local_and_remote,
                    tags,
                    route,
                    debug=trace.debug,
                )
            )


def _way(route: Route, branch: Branch) -> Mapping[str, str]:
    """What every span on a branch says of it. Its trail is asked for by the first span, once."""
    way = branch.way
    if way is None:
        trail = route.trail(branch.client.id)
        branch.way = way = branch.tags | {"dtab.trail": trail} if trail else branch.tags
    return way


def _endpoint(peer: Peer) -> Endpoint:
    return Endpoint("", peer.ip, peer.port)


def _tags(call: Called, status: int) -> dict[str, str]:
    request = call.request
    tags = {
        "http.method": request.method.decode("latin-1"),
        "http.uri": request.target.partition(b"?")[0].decode("latin-1"),
    }
    if status:
        tags["http.status_code"] = str(status)
    if call.context.tags is not None:
        tags |= call.context.tags
    return tags
