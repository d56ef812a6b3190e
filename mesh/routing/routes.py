"""Routes: what was decided once about a service name, for every request after it.

A route is compiled from the bound tree of `interpreter.bind(base dtab + local dtab, service name)`.
When the tree changes, the route's branches are swapped in place; exchanges under way keep the
endpoint they have.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, assert_never

from dtab import Alt, Dtab, Empty, Fail, Leaf, Neg, Path, Union, read_dtab, show
from mesh.context import SEPARATOR
from mesh.faces.face import BAD_GATEWAY
from mesh.resilience.balance import draw
from mesh.resilience.budget import RetryBudget
from mesh.routing.branch import Branch
from mesh.routing.plan import RouteRefused
from mesh.stats import Tally
from naming.state import Failed, Ok, Pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtab import NameTree
    from mesh.routing.clients import ClientTable
    from mesh.routing.plan import Plan
    from mesh.stats import Scope, ServiceScope
    from naming.bound import Bound
    from naming.watch import Watch

ROUTES_MAX: Final = 1_000  # Linkerd: bindingCache.paths
ROUTE_IDLE_S: Final = 600.0  # Linkerd: bindingCache.idleTtlSecs
DTABS_MAX: Final = 1_000

Key = tuple[bytes, bytes]  # what identifies the service, the local dtab as text


class Route:
    """The compiled way of one service name under one local dtab."""

    def __init__(
        self,
        plan: Plan,
        local: Dtab,
        label: str,
        bind: Callable[[], Watch[NameTree[Bound]]],
        clients: ClientTable,
        stats: tuple[Scope, ServiceScope],  # the server's and the service's
        trail: Callable[[Path], str],  # of a client: the dentries that led to it, as text
    ) -> None:
        self.service = service = plan.service
        settings = plan.settings
        self.name = str(service).encode()
        self.local = local
        self.label = label
        self.settings = settings
        self.timeout_s = settings.timeout_s
        self.server_stats, self.stats = stats
        self.budget = RetryBudget(
            settings.budget_min_retries_per_s,
            settings.budget_percent_can_retry,
            settings.budget_ttl_s,
        )
        self.used_at = 0.0
        self.trail = trail
        self.span_name = f"{label} {service}"
        # What a request that finds no branch says in its span.
        self.tags = {"router.label": label, "service": str(service), **plan.tags}
        if len(local):
            self.tags["dtab.local"] = show(local)
        self.failure: str | None = None  # why binding failed, as text for the caller
        self.failure_status = BAD_GATEWAY
        self._bind = bind
        self._watch = watch = bind()
        self._clients = clients
        self._branches: list[Branch | None] = []
        self.only: Branch | None = None  # the way of every request, where there is but one
        self._shares: list[float] = []
        self._changed = asyncio.Event()
        self.ready = False  # a request can be sent, or refused, at once
        self._unsubscribe: Callable[[], None] = watch.subscribe(self._on_tree)
        self._on_tree()

    @property
    def binding(self) -> Watch[NameTree[Bound]]:
        """The live binding that this was compiled from."""
        return self._watch

    @property
    def pending(self) -> bool:
        """Whether nothing is known yet."""
        return isinstance(self._watch.state, Pending)

    def _on_tree(self) -> None:
        state = self._watch.state
        self.ready = False
        branches: list[tuple[float, Branch | None]] = []
        self.failure = None
        if isinstance(state, Ok):
            self._collect(state.value, 1.0, branches)
        elif isinstance(state, Failed):
            self.failure = str(state.error)
            self.failure_status = (
                state.error.status if isinstance(state.error, RouteRefused) else BAD_GATEWAY
            )
        self.settle_counts()
        self._branches = [branch for _, branch in branches]
        self.only = self._branches[0] if len(branches) == 1 else None
        self._shares = [share for share, _ in branches]
        self._changed.set()

    def _collect(
        self, tree: NameTree[Bound], share: float, into: list[tuple[float, Branch | None]]
    ) -> None:
        """Flatten the tree: a leaf's share is the product of the shares on the way to it."""
        match tree:
            case Leaf(bound):
                client = self._clients.get(bound)
                branch = Branch(self.name, self.tags, self.local, client, bound.residual)
                into.append((share, branch))
            case Union(trees):
                total = sum(part.weight for part in trees)
                for part in trees:
                    own = part.weight / total if total > 0 else 1.0 / len(trees)
                    self._collect(part.tree, share * own, into)
            case Neg() | Fail() | Empty():
                into.append((share, None))
            case Alt(trees):  # a bound tree holds none; the first is what Alt means
                self._collect(trees[0] if trees else Neg(), share, into)
            case _:
                assert_never(tree)

    def settle_counts(self) -> None:
        """Add the branches' ordinary requests to the sums of server, service and client."""
        for branch in self._branches:
            if branch is not None and branch.tally.latency.count:
                tally, branch.tally = branch.tally, Tally()
                self.server_stats.absorb(tally)
                self.stats.absorb(tally)
                branch.client.stats.absorb(tally)

    def look_again(self) -> None:
        """Nobody was there: ask once more.

        So a request right behind a change is not told of the past.
        """
        self._bind()

    def branch(self, dice: Callable[[], float]) -> Branch | None:
        """The way for the next request; None when there is nobody there."""
        branches = self._branches
        return branches[draw(self._shares, dice)] if branches else None

    def waiting_for_addresses(self) -> bool:
        """Whether a client of this route does not know its addresses yet."""
        return any(branch is not None and branch.client.pending for branch in self._branches)

    def look(self) -> bool:
        """Whether the route is ready; once it is, it stays so until its tree changes."""
        self.ready = not (self.pending or self.waiting_for_addresses())
        return self.ready

    async def settled(self) -> None:
        """Wait until the name is bound, or failed, and the addresses of its clients are known."""
        while self.pending:
            self._changed.clear()
            await self._changed.wait()
        for branch in self._branches:
            if branch is None:
                continue
            event = asyncio.Event()
            stop = branch.client.on_change(event.set)
            try:
                while branch.client.pending:
                    await event.wait()
                    event.clear()
            finally:
                stop()

    def close(self) -> None:
        """Stop watching."""
        self.settle_counts()
        self._unsubscribe()

    def __repr__(self) -> str:
        return f"<Route {self.service} {self._branches}>"


class RouteTable:
    """Routes by key, bounded; the least recently used go first."""

    def __init__(self, make: Callable[[bytes, Dtab], Route]) -> None:
        self._make = make
        self._routes: OrderedDict[Key, Route] = OrderedDict()
        self._dtabs: OrderedDict[bytes, Dtab] = OrderedDict()
        self._retired: list[Route] = []

    def get(self, key: Key) -> Route | None:
        """The route, if it is known."""
        return self._routes.get(key)

    def make(self, key: Key, now: float) -> Route:
        """Compile the route for a key that `get` does not know.

        Raises: DtabSyntaxError, when the local dtab cannot be read.
        """
        route = self._make(key[0], self.read_local(key[1]))
        route.used_at = now
        self._routes[key] = route
        if len(self._routes) > ROUTES_MAX:
            self._note_use(now)
            oldest = min(self._routes, key=lambda one: self._routes[one].used_at)
            self._routes.pop(oldest).close()
        return route

    def read_local(self, raw: bytes) -> Dtab:
        """The dtab of a request's headers, each value a whole dtab.

        Kept for the next request that says the same.
        """
        if not raw:
            return Dtab()
        table = self._dtabs.get(raw)
        if table is None:
            table = Dtab()
            for text in raw.split(SEPARATOR):
                table += read_dtab(text.decode("latin-1"))
            self._dtabs[raw] = table
            if len(self._dtabs) > DTABS_MAX:
                self._dtabs.popitem(last=False)
        return table

    def retire(self) -> None:
        """Compile every route anew at its next request, for the configuration has changed.

        A route that somebody still waits for is watched until it is settled, so nobody waits in
        vain.
        """
        self._retired += self._routes.values()
        self._routes.clear()
        self._close_retired()

    def _close_retired(self) -> None:
        waiting = [r for r in self._retired if r.pending or r.waiting_for_addresses()]
        for route in self._retired:
            if route not in waiting:
                route.close()
        self._retired = waiting[-ROUTES_MAX:]

    def sweep(self, now: float) -> None:
        """Drop routes that nobody has used for ten minutes."""
        if self._retired:
            self._close_retired()
        self._note_use(now)
        stale = [key for key, route in self._routes.items() if route.used_at < now - ROUTE_IDLE_S]
        for key in stale:
            self._routes.pop(key).close()

    def _note_use(self, now: float) -> None:
        """See which routes had requests since the last look; requests themselves leave no time."""
        for route in self._routes.values():
            if route.budget.fresh:
                route.used_at = now
                route.budget.settle(now)

    def __len__(self) -> int:
        return len(self._routes)

    def routes(self) -> list[Route]:
        """Every route, for pages and metrics."""
        return [*self._routes.values(), *self._retired]

    def close(self) -> None:
        """Drop every route."""
        for route in (*self._routes.values(), *self._retired):
            route.close()
        self._retired.clear()
        self._routes.clear()
