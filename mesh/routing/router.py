"""A router: the way behind a listener that routes each request by name.

The fast path is `on_request` with a known route: one look-up, no coroutine. The slow path compiles
a route, once for a service name and local dtab, and is shared by everyone who waits for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dtab import Dtab, DtabSyntaxError, Path
from mesh.faces.answers import binding_timeout, unable_to_route
from mesh.faces.face import BAD_GATEWAY, BAD_REQUEST, Face
from mesh.faces.identify import service_name
from mesh.routing.arrival import Arrival
from mesh.routing.call import RoutedCall
from mesh.routing.clients import ClientSettings, ClientTable
from mesh.routing.plan import Asked, Plan
from mesh.routing.routes import Route, RouteTable
from mesh.routing.service import ServiceSettings
from mesh.routing.spans import Spans
from mesh.stats import Scope, ServiceScope
from naming.trail import trail
from proxy.call import Call, Later, Peer, Reply
from tracing.context import new_root
from tracing.sampler import decide
from tracing.span import Endpoint as SpanEndpoint
from wire.limits import MESH_LIMITS, Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.deps import Deps
    from naming.interpreter import Interpreter
    from proxy.listener import Listener
    from proxy.tasks import Tasks
    from wire.errors import BadRequest
    from wire.request import RequestHead

SERVICES_MAX: Final = 1_000  # as many as there are routes


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """One router's configuration, checked."""

    label: str
    dtab: Dtab
    ip: str
    port: int
    prefix: Path = field(default_factory=lambda: Path.of("svc"))
    limits: Limits = MESH_LIMITS
    client: ClientSettings = field(default_factory=ClientSettings)
    service: ServiceSettings = field(default_factory=ServiceSettings)
    binding_timeout_s: float = 10.0  # Linkerd: bindingTimeoutMs
    plan: Callable[[bytes], Plan] | None = None  # None: one base dtab for every key

    def plan_of(self, key: bytes) -> Plan:
        """What is settled about a key before its name is bound."""
        if self.plan is not None:
            return self.plan(key)
        service = service_name(self.prefix, key)
        return Plan(service=service, dtab=self.dtab, settings=self.service)


class Router:
    """Identify, bind, resolve, balance."""

    def __init__(
        self,
        settings: RouterSettings,
        face: Face,
        interpreter: Interpreter,
        deps: Deps,
        tasks: Tasks,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.face = face
        self.deps = deps
        self.stats = Scope()
        self.services: dict[str, ServiceScope] = {}
        local = SpanEndpoint(f"{settings.ip}/{settings.port}", settings.ip, settings.port)
        self.spans = Spans(deps, settings.label, local)
        self.clients = ClientTable(settings.client, deps, tasks, settings.limits)
        self.routes = RouteTable(self._make_route)
        self.interpreter = interpreter
        self.listener: Listener | None = None  # whose connections count as its server's

    # ---- the engine's questions

    def on_request(self, request: RequestHead, peer: Peer) -> Call | Reply | Later:
        """Route one request."""
        read = self.face.read(request, peer)
        if isinstance(read, Reply):
            return read
        context, key = read
        deps = self.deps
        incoming, new_id = context.trace, deps.new_id()
        trace = new_root(new_id) if incoming is None else incoming.child(new_id)
        trace, recorded = decide(trace, context.sample, deps.sample_rate, deps.salt)
        context.trace = trace  # a face names it where it tells of an error
        if key:
            route = self.routes.get((key, context.local))
            if route is not None and route.ready:
                return RoutedCall(
                    self, route, request, context, peer, trace, recorded, deps.monotonic_s()
                )
        arrival = Arrival(request, context, peer, trace, recorded, deps.monotonic_s())
        if not key:
            return self._unidentified(arrival)
        return self._on_new_route(arrival, key)

    def refuse(self, error: BadRequest, peer: Peer) -> Reply:
        """The answer to bytes that are no request."""
        return self.face.refused(error, peer)

    # ---- the slow path

    def _on_new_route(self, arrival: Arrival, key: bytes) -> Call | Reply | Later:
        route_key = (key, arrival.context.local)
        route = self.routes.get(route_key)
        if route is None:
            try:
                route = self.routes.make(route_key, arrival.started_at)
            except DtabSyntaxError as error:
                # Linkerd answers this above its counters, and so do we.
                self._record_failure(arrival, f"Identification: {error}", BAD_REQUEST)
                return self.face.error(BAD_REQUEST, str(error), arrival.context)
        return (
            RoutedCall(self, route, *arrival)
            if route.look()
            else Later(self._when_settled(arrival, route))
        )

    async def _when_settled(self, arrival: Arrival, route: Route) -> Call | Reply:
        try:
            async with asyncio.timeout(self.settings.binding_timeout_s):
                await route.settled()
        except TimeoutError:
            message = binding_timeout(route.service, self.settings.binding_timeout_s)
            self._record_failure(arrival, f"ClientAcquisition: {message}", BAD_GATEWAY)
            self.stats.end(BAD_GATEWAY, 0, success=False)
            return self.face.error(BAD_GATEWAY, message, arrival.context)
        return RoutedCall(self, route, *arrival)

    def reconfigure(self, settings: RouterSettings, interpreter: Interpreter) -> None:
        """Route by new settings from the next request on; exchanges under way go on as they are.

        The settings' limits, address and client bounds stay those of the start.
        """
        self.settings = settings
        self.interpreter = interpreter
        self.routes.retire()

    def _make_route(self, key: bytes, local: Dtab) -> Route:
        settings = self.settings
        plan = settings.plan_of(key)
        service, interpreter = plan.service, self.interpreter
        table = plan.dtab + local if plan.steerable else plan.dtab
        name = str(service)
        stats = self.services.get(name)
        if stats is None:
            # Names under a wildcard host are an outsider's choice, so they are counted together
            # once there are many.
            if len(self.services) >= SERVICES_MAX:
                name = "other"
            stats = self.services.setdefault(name, ServiceScope())
        bind: Asked = lambda: interpreter.bind(table, service)  # noqa: E731
        if plan.bind is not None and len(local):
            bind = plan.bind(interpreter, local)
        return Route(
            plan,
            local,
            settings.label,
            bind,
            self.clients,
            (self.stats, stats),
            lambda client: trail(interpreter, table, service, client),
        )

    # ---- answers and spans of the router's own

    def _unidentified(self, arrival: Arrival) -> Reply:
        reply = self.face.unidentified(arrival.request, arrival.context, arrival.peer)
        self._record_failure(arrival, "Identification", reply.status)
        elapsed_us = int((self.deps.monotonic_s() - arrival.started_at) * 1e6)
        self.stats.end(reply.status, elapsed_us, success=reply.status < BAD_REQUEST)
        return reply

    def unable_to_route(self, route: Route) -> str:
        """Linkerd's text for a name that leads to nobody."""
        return unable_to_route(route.service, self.settings.dtab, route.local)

    def _record_failure(self, arrival: Arrival, failure: str, status: int) -> None:
        """The server span of a request that reached no route.

        Named after its method, as Linkerd does.
        """
        elapsed_us = int((self.deps.monotonic_s() - arrival.started_at) * 1e6) or 1
        if self.deps.access is not None:
            trace_id, rule = arrival.trace.trace_id, arrival.context.rule
            ended = (status, elapsed_us, 0, 0)  # the size of the answer is not known here
            self.deps.access.note(arrival.request, arrival.peer, trace_id, rule, ended)
        if arrival.recorded:
            self.spans.unrouted(arrival, failure, status, elapsed_us)

    def pending(self) -> int:
        """Requests under way. Asked only by servers that bound them."""
        return sum(service.pending for service in self.services.values())

    def settle_counts(self) -> None:
        """Bring the sums of server, services and clients up to date; before they are read."""
        for route in self.routes.routes():
            route.settle_counts()

    def sweep(self, now: float) -> None:
        """Called twice a second: idle connections and unused routes go.

        now: the loop's clock, seconds.
        """
        for client in self.clients:
            client.sweep(now)
        self.routes.sweep(self.deps.monotonic_s())

    def close(self) -> None:
        """Stop watching names and close idle connections."""
        self.routes.close()
        self.clients.close()
