"""Clients: one for each bound name, shared by every route that binds to it.

A client holds its live replicas.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mesh.resilience.accrual import Accrual
from mesh.resilience.balance import draw, pick, weighted_classes
from mesh.resilience.budget import RetryBudget
from mesh.stats import ClientScope
from naming.endpoint import ReplicaSet
from naming.state import Failed, Ok, Pending
from naming.system import STATUS
from proxy.pool import Pool
from proxy.settings import PoolSettings
from tracing.span import Endpoint as SpanEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dtab import Path
    from mesh.deps import Deps
    from mesh.resilience.backoff import Backoff
    from naming.bound import Bound
    from naming.endpoint import Endpoint
    from proxy.tasks import Tasks
    from proxy.tls import Dialing
    from wire.limits import Limits

CLIENTS_MAX: Final = 1_000  # Linkerd: bindingCache.clients


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How a router treats the endpoints of its clients."""

    failures_max: int = 5  # in a row, then the endpoint counts as dead; 0: never
    pool: PoolSettings = field(default_factory=PoolSettings)
    backoff: Backoff | None = None  # of a dead endpoint; None: Linkerd's own
    attempt_timeout_s: float | None = None
    tls: Dialing | None = None
    trouble: str | None = None  # why no endpoint may be dialled; told to every caller
    choose: Callable[[Path], ClientSettings] | None = None  # by bound name; None: these, for all

    def of(self, name: Path) -> ClientSettings:
        """The settings of one client."""
        return self if self.choose is None else self.choose(name)


class Replica:
    """One endpoint as one client sees it."""

    __slots__ = ("accrual", "pending", "pool", "span_endpoint", "text", "weight")

    def __init__(self, endpoint: Endpoint, pool: Pool, accrual: Accrual) -> None:
        self.pool = pool
        self.accrual = accrual
        self.weight = endpoint.weight
        self.pending = 0
        self.text = f"{endpoint.ip}:{endpoint.port}"
        self.span_endpoint = SpanEndpoint("", endpoint.ip, endpoint.port)

    def available(self, now: float) -> bool:
        """Whether its standing allows a request."""
        return self.accrual.available(now)

    def __repr__(self) -> str:
        return f"<Replica {self.text} {self.accrual.standing.value} pending={self.pending}>"


class Client:
    """The replicas of one bound name, with the connections to them."""

    def __init__(
        self, bound: Bound, settings: ClientSettings, deps: Deps, tasks: Tasks, limits: Limits
    ) -> None:
        self.id = bound.id
        self.attempt_timeout_s = settings.attempt_timeout_s
        self.name = str(bound.id)
        self.stats = ClientScope()
        self.requeue_budget = RetryBudget()
        self.replicas: list[Replica] = []
        self.fixed_status = 0  # of `/$/io.buoyant.http.status/418`, which nobody serves but we
        self.only: Replica | None = None  # where there is but one, nothing is to be picked
        self.span_local = SpanEndpoint(self.name.removeprefix("/"))
        self._settings = settings
        self._deps = deps
        self._tasks = tasks
        self._limits = limits
        self._addr = bound.addr
        self._classes: list[list[Replica]] = []
        self._shares: list[float] = []
        self._unsubscribe: Callable[[], None] = bound.addr.subscribe(self._on_addr)
        self._on_addr()

    @property
    def pending(self) -> bool:
        """Whether the addresses are not known yet."""
        return isinstance(self._addr.state, Pending)

    @property
    def trouble(self) -> str | None:
        """Why there are no addresses, when finding them failed."""
        state = self._addr.state
        if self._settings.trouble is not None:
            return self._settings.trouble
        return str(state.error) if isinstance(state, Failed) else None

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Be told when the addresses change; returns how to stop."""
        return self._addr.subscribe(callback)

    def _on_addr(self) -> None:
        """A whole new replica set: keep what stays, close what went."""
        state = self._addr.state
        endpoints: Sequence[Endpoint] = ()
        if self._settings.trouble is not None:
            endpoints = ()
        elif isinstance(state, Ok) and isinstance(state.value, ReplicaSet):
            endpoints = state.value.endpoints
            status = dict(state.value.meta).get(STATUS, 0)
            self.fixed_status = int(status) if isinstance(status, float) else 0
        known = {(one.pool.ip, one.pool.port, one.weight): one for one in self.replicas}
        replicas = []
        for endpoint in endpoints:
            kept = known.pop((endpoint.ip, endpoint.port, endpoint.weight), None)
            replicas.append(kept or self._new_replica(endpoint))
        for gone in known.values():
            gone.pool.close()
        self.replicas = replicas
        self.only = replicas[0] if len(replicas) == 1 else None
        classes = weighted_classes(replicas)
        self._shares = [share for share, _ in classes]
        self._classes = [members for _, members in classes]

    def _new_replica(self, endpoint: Endpoint) -> Replica:
        pool = Pool(
            endpoint.ip,
            endpoint.port,
            tasks=self._tasks,
            limits=self._limits,
            settings=self._settings.pool,
            tls=self._settings.tls,
        )
        settings = self._settings
        accrual = Accrual(settings.failures_max, self._deps.dice, settings.backoff)
        return Replica(endpoint, pool, accrual)

    def pick(self, now: float, avoid: Sequence[Replica]) -> Replica | None:
        """The replica for a request; None when there is none at all."""
        classes = self._classes
        if not classes:
            return None
        dice = self._deps.dice
        if len(classes) == 1:
            return pick(classes[0], now, dice, avoid)
        members = classes[draw(self._shares, dice)]
        if avoid and all(one in avoid for one in members):
            members = self.replicas
        return pick(members, now, dice, avoid)

    def sweep(self, now: float) -> None:
        """Close connections idle for too long, settle the budget. now: monotonic seconds."""
        self.requeue_budget.settle(now)
        for replica in self.replicas:
            replica.pool.sweep(now)

    def close(self) -> None:
        """Forget the addresses and close idle connections."""
        self._unsubscribe()
        for replica in self.replicas:
            replica.pool.close()

    def __repr__(self) -> str:
        return f"<Client {self.name} {self.replicas}>"


class ClientTable:
    """Clients by bound id; the least recently bound ones go first when the table is full."""

    def __init__(self, settings: ClientSettings, deps: Deps, tasks: Tasks, limits: Limits) -> None:
        self._settings = settings
        self._deps = deps
        self._tasks = tasks
        self._limits = limits
        self._clients: OrderedDict[str, Client] = OrderedDict()

    def get(self, bound: Bound) -> Client:
        """The client for a bound name, made when it is new."""
        name = str(bound.id)
        client = self._clients.get(name)
        if client is None:
            settings = self._settings.of(bound.id)
            client = Client(bound, settings, self._deps, self._tasks, self._limits)
            self._clients[name] = client
            if len(self._clients) > CLIENTS_MAX:
                _, oldest = self._clients.popitem(last=False)
                oldest.close()
        self._clients.move_to_end(name)
        return client

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self._clients.values()))

    def close(self) -> None:
        """Close every client."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
