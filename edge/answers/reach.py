"""Where an override leads behind the tables, and whether its author may lead there.

An override that names no address may still reach one through an entry of the base, such as
`/ph => /$/io.buoyant.rinet`: `/svc/world => /ph/80/169.254.169.254`. So the bound names are looked
at, and which labels in them come from whom. What the operator's own labels name is open to all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dtab import leafs
from edge.rules.scope import SYSTEM, Scope
from mesh.routing.plan import RouteRefused
from naming.bind import BoundTree, bind
from naming.delegate import delegate
from naming.delegation import BoundEnd, Choice, Split, Step
from naming.derived import Computed, Derived
from naming.errors import MaxDepth, SizeExceeded, StepsExceeded
from naming.interpreter import ConfiguredInterpreter
from naming.state import Failed, Ok

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dtab import Dentry, Dtab, Path
    from naming.delegation import Delegation
    from naming.interpreter import Interpreter
    from naming.namer import Namer
    from naming.state import State
    from naming.watch import Watch

# Trees that one binding may visit because a request says so, and nodes of its delegation: a loop
# takes some hundred, and this many 3 ms and 10. Tables of the operator's own may ask for more.
STEPS_MAX: Final = 500
NODES_MAX: Final = 300
_ASKED_MAX: Final = 3
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
_ENDLESS: Final = (MaxDepth, StepsExceeded, SizeExceeded)


class Effect(NamedTuple):
    """What an override does to one service.

    Shape: `outcome` is used, fallback (it was asked and nobody was there) or passed on (it
    overrides nothing on the gateway's own way; the routers behind get it); `asked` are names that
    it led to.
    """

    outcome: str
    asked: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.outcome != "fallback":
            return self.outcome
        return f"fallback; asked {', '.join(self.asked)}, nobody is there"


class Reach:
    """How routes of one service are bound when they carry an override."""

    def __init__(self, scope: Scope, base: Dtab, service: Path) -> None:
        self._scope = scope
        self._base = base
        self._service = service

    def __call__(self, interpreter: Interpreter, local: Dtab) -> Steered:
        """The live binding by base and override. It fails with RouteRefused, where it may not."""
        return Steered(self._scope, self._base, self._service, interpreter, local)


class Steered(Derived[BoundTree]):
    """A binding by an override.

    Shape: `effect` is what the override does now; None: not known.
    """

    __slots__ = (
        "_asked",
        "_authors",
        "_base",
        "_interpreter",
        "_local",
        "_scope",
        "_service",
        "effect",
    )

    def __init__(
        self, scope: Scope, base: Dtab, service: Path, interpreter: Interpreter, local: Dtab
    ) -> None:
        self.effect: Effect | None = None
        self._asked = False
        self._base: Final = base
        self._interpreter: Final = interpreter
        self._local: Final = local
        self._scope: Final = scope
        self._service: Final = service
        own = len(scope.opened)
        self._authors: Final = {
            entry: scope.given_stages if number < scope.given else own
            for number, entry in enumerate(local)
        }
        super().__init__(self._look)

    def __call__(self) -> Watch[BoundTree]:
        """The watch for a route; bound anew when it is asked again, for nobody was there.

        A refusal stands until a table or a namer changes: saying it again costs nothing.
        """
        if self._asked and not isinstance(self.trouble, RouteRefused):
            self.recompute()
        self._asked = True
        return self

    def _look(self) -> Computed[BoundTree]:
        interpreter = self._interpreter
        namers = interpreter.namers if isinstance(interpreter, ConfiguredInterpreter) else ()
        table = self._base + self._local
        found = bind(self._service, table, namers, steps_max=STEPS_MAX)
        refused = self._endless(found.state, namers)
        if refused is None and isinstance(found.state, Ok):
            refused = self._judged(found.state.value, table, namers)
        if refused is not None:
            self.forget()
            return Failed(refused), found.watches
        watch = interpreter.bind(table, self._service)
        return watch.state, (watch, *found.watches)

    def _endless(self, state: State[BoundTree], namers: Sequence[Namer]) -> RouteRefused | None:
        """The refusal of an override that goes in circles, or further than anyone needs."""
        if not (isinstance(state, Failed) and isinstance(state.error, _ENDLESS)):
            return None
        alone = bind(self._service, self._base, namers, steps_max=STEPS_MAX).state
        if isinstance(alone, Failed) and isinstance(alone.error, _ENDLESS):
            return None  # the operator's own tables do
        return RouteRefused(BAD_REQUEST, f"this override has no end: {state.error}")

    def _judged(self, tree: BoundTree, table: Dtab, namers: Sequence[Namer]) -> RouteRefused | None:
        told = delegate(self._service, table, namers, nodes_max=NODES_MAX, as_bound=True).state
        found: Mapping[Path, Way] = {}
        if isinstance(told, Ok):
            found = ways(told.value, self._authors)
        ids = [bound.id for bound in leafs(tree)]
        self.effect = self._effect(ids, found, told)
        for address in ids:
            if address.labels[:1] != (SYSTEM,):
                continue
            way = found.get(address)
            stages = len(self._scope.opened) if way is None else way.stages
            if stages and not self._scope.opens(address, stages):
                return RouteRefused(
                    FORBIDDEN,
                    f"this override leads to {address}, past the mesh's own names; "
                    "a target must open it",
                )
        return None

    def _effect(
        self, ids: Sequence[Path], found: Mapping[Path, Way], told: State[Delegation]
    ) -> Effect | None:
        if not isinstance(told, Ok):
            return None
        if any(one in found and found[one].steered for one in ids):
            return Effect("used")
        asked = tuple(_asked(told.value, self._authors))[:_ASKED_MAX]
        return Effect("fallback", asked) if asked else Effect("passed on")


class Way(NamedTuple):
    """How a bound name is reached: by whose labels, and whether by an entry of the override."""

    stages: int
    steered: bool


def ways(root: Delegation, authors: Mapping[Dentry, int]) -> dict[Path, Way]:
    """Every bound name of a delegation, with the way that needs the least leave.

    Shape: a label has the stages of the entry that wrote it, or of one that put it behind another
    prefix, if they are more: `/srv => /addr` makes the operator's `/srv/80` a name that he never
    wrote. An entry of the base that has it in its prefix ends that. A label of the service's own
    name has none. What a rewriter makes of labels has the most of theirs.
    """
    found: dict[Path, Way] = {}
    stack: list[tuple[Delegation, tuple[int, ...], bool]] = [(root, (0,) * len(root.path), False)]
    while stack:
        node, stages, steered = stack.pop()
        if isinstance(node, BoundEnd):
            named = stages[: len(node.path) - len(node.bound.residual)]
            way = Way(max(named, default=0), steered)
            known = found.get(node.bound.id)
            if known is None or way.stages < known.stages:
                found[node.bound.id] = way._replace(steered=known.steered if known else steered)
        # The preferred ones first.
        stack += [
            (child, _below(node, stages, child, authors), steered or child.dentry in authors)
            for child in reversed(_children(node))
        ]
    return found


def _below(
    node: Delegation, stages: tuple[int, ...], child: Delegation, authors: Mapping[Dentry, int]
) -> tuple[int, ...]:
    """Whose the labels of a child are."""
    if child.path == node.path:
        return stages
    entry, count = child.dentry, len(child.path)
    if entry is None:
        return (max(stages, default=0),) * count
    own = authors.get(entry, 0)
    if entry.prefix.matches(node.path):
        rest = node.path.drop(len(entry.prefix))
        if any(leaf + rest == child.path for leaf in leafs(entry.dst)):
            kept = len(rest)
            moved = (max(own, one) for one in stages[len(stages) - kept :])
            return (*(own,) * (count - kept), *moved)
    return (max((own, *stages)),) * count  # a rewriter stood between


def _children(node: Delegation) -> tuple[Delegation, ...]:
    match node:
        case Step():
            return (node.tree,)
        case Choice():
            return node.trees
        case Split():
            return tuple(tree for _, tree in node.trees)
        case _:
            return ()


def _asked(root: Delegation, authors: Mapping[Dentry, int]) -> Iterator[str]:
    """Names that entries of the override lead to, in the order in which they are tried."""
    stack = [root]
    while stack:
        node = stack.pop()
        children = _children(node)
        stack += reversed(children)
        for child in children:
            if child.dentry in authors and child.path != node.path:
                yield str(child.path)


def effect_of(watch: Watch[BoundTree]) -> Effect | None:
    """What the override of a route does; None, where there is none or nothing is known."""
    return watch.effect if isinstance(watch, Steered) else None
