"""Binding: from a service name to bound names, by the table and the namers.

A pure function of the newest states. It walks with a stack of its own, so neither a chain of a
hundred lookups nor a tree nested a thousand deep becomes the depth of ours; and it counts its
steps, because a few dentries can ask for more of them than there are atoms.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, assert_never, cast

from dtab import NEG, ROOT, Alt, Dtab, Empty, Fail, Leaf, NameTree, Neg, Path, Union, Weighted
from dtab.simplify import simplified_union
from naming.bound import Bound
from naming.errors import MaxDepth, NamingError, SizeExceeded, StepsExceeded
from naming.namer import Name, Namer
from naming.state import PENDING, Failed, Ok, Pending, State
from naming.watch import Always, Watch

# Linkerd's limit: a hundred lookups in a row are fine, one more is refused.
DEPTH_MAX: Final = 100
# Thousands of alternatives for one prefix fit; it takes at most some 150 ms to use up.
STEPS_MAX: Final = 10_000
# A tree that names itself in a union unrolls to some 200 nodes; far more carries no traffic.
NODES_MAX: Final = 20_000

BoundTree: TypeAlias = NameTree[Bound]


@dataclass(frozen=True, slots=True)
class Binding:
    """What a name binds to now, and the watches whose change could change that."""

    state: State[BoundTree]
    watches: tuple[Watch[NameTree[Name]], ...]


def bind(
    name: Path | NameTree[Path],
    dtab: Dtab,
    namers: Sequence[Namer],
    *,
    depth_max: int = DEPTH_MAX,
    steps_max: int = STEPS_MAX,
) -> Binding:
    """Rewrite a name through the table and the namers until each leaf is bound.

    Shape: ok trees hold no alts and are simplified: neg, fail, empty, a bound name, or a union
    of empties, bound names and unions. `namers` are in order of preference, system namers last.
    Units: depth_max counts lookups in a row on one branch, steps_max trees visited in all.
    Errors: failed with MaxDepth, StepsExceeded or SizeExceeded, or what a namer answered.
    Source: Finagle's Namer.bind as Linkerd 1.7.5 uses it.
    """
    binder = _Binder(dtab, namers, depth_max, steps_max)
    try:
        state = binder.run(Leaf(name) if isinstance(name, Path) else name)
    except (StepsExceeded, SizeExceeded) as error:
        state = Failed(error)
    return Binding(state, tuple(binder.watches))


# A tree still to bind, and the labels that go behind each of its leafs: grafting them on while
# walking spares the copy of every tree that a lookup touches.
_Item: TypeAlias = tuple[NameTree[Name], Path]


class _Frame(Protocol):
    """Something begun that waits for the outcome of a part."""

    def take(self, binder: "_Binder", outcome: State[BoundTree]) -> State[BoundTree] | None:
        """Use a part's outcome: the whole outcome, or None after asking for the next part."""
        ...

    def catch(self, binder: "_Binder", outcome: Failed) -> bool:
        """Whether an error thrown while a part was begun ends here, as a failed outcome."""
        ...


class _NameFrame:
    """A name whose lookup gave the tree that is being bound."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[Path, int]) -> None:
        self.key: Final = key

    def take(self, binder: "_Binder", outcome: State[BoundTree]) -> State[BoundTree]:
        binder.known[self.key] = outcome
        return outcome

    def catch(self, binder: "_Binder", outcome: Failed) -> bool:
        binder.known[self.key] = outcome
        return True


class _AltFrame:
    """Alternatives: the first outcome that is not neg counts."""

    __slots__ = ("begun", "depth", "items")

    def __init__(self, items: Iterator[_Item], depth: int) -> None:
        self.items: Final = items
        self.depth: Final = depth
        self.begun = 0

    def take(self, binder: "_Binder", outcome: State[BoundTree]) -> State[BoundTree] | None:
        if not (isinstance(outcome, Ok) and isinstance(outcome.value, Neg)):
            return outcome
        item = next(self.items, None)
        if item is None:
            return outcome
        self.begun += 1
        binder.ask(item, self.depth)
        return None

    def catch(self, binder: "_Binder", outcome: Failed) -> bool:
        # The original begins the first child while the name's answer is being made, so an error
        # thrown there is the name's; later children begin inside the alt's own answer.
        del binder, outcome
        return self.begun > 1


class _UnionFrame:
    """Branches: all are bound, the ok ones stay, and if none is ok the first failure counts."""

    __slots__ = ("branches", "depth", "failed", "ok", "pending", "rest")

    def __init__(self, branches: Iterator[Weighted[Name]], rest: Path, depth: int) -> None:
        self.branches: Final = branches
        self.rest: Final = rest
        self.depth: Final = depth
        self.ok: Final[list[Weighted[Bound]]] = []
        self.failed: Failed | None = None
        self.pending: Final[list[float]] = []  # weights of the branches begun, last one on top

    def begin(self, binder: "_Binder") -> bool:
        """Ask for the next branch, if there is one."""
        branch = next(self.branches, None)
        if branch is None:
            return False
        self.pending.append(branch.weight)
        binder.ask((branch.tree, self.rest), self.depth)
        return True

    def take(self, binder: "_Binder", outcome: State[BoundTree]) -> State[BoundTree] | None:
        match outcome:
            case Ok(tree):
                self.ok.append(Weighted(self.pending[-1], tree))
            case Failed():
                self.failed = self.failed or outcome
            case Pending():
                pass
            case _:
                assert_never(outcome)
        if self.begin(binder):
            return None
        if self.ok:
            return Ok(binder.union(self.ok))
        return self.failed or PENDING

    def catch(self, binder: "_Binder", outcome: Failed) -> bool:
        del binder, outcome
        return False


class _Binder:
    """One binding under way."""

    __slots__ = (
        "_depth",
        "_depth_max",
        "_dtab",
        "_item",
        "_namers",
        "_sizes",
        "_stack",
        "_steps_left",
        "_steps_max",
        "known",
        "watches",
    )

    def __init__(self, dtab: Dtab, namers: Sequence[Namer], depth_max: int, steps_max: int) -> None:
        self._dtab: Final = dtab
        self._namers: Final = namers
        self._depth_max: Final = depth_max
        self._steps_max: Final = steps_max
        self._steps_left = steps_max
        self._stack: Final[list[_Frame]] = []
        # The sizes of unions, with the union itself so that its address is not used again.
        self._sizes: Final[dict[int, tuple[int, BoundTree]]] = {}
        self._item: _Item = (NEG, ROOT)
        self._depth = 0
        self.known: Final[dict[tuple[Path, int], State[BoundTree]]] = {}
        self.watches: Final[dict[Watch[NameTree[Name]], None]] = {}

    def ask(self, item: _Item, depth: int) -> None:
        """Have this bound next."""
        self._item = item
        self._depth = depth

    def run(self, tree: NameTree[Path]) -> State[BoundTree]:
        stack = self._stack
        self.ask((tree, ROOT), 0)
        while True:
            if not self._steps_left:
                raise StepsExceeded(self._steps_max)
            self._steps_left -= 1
            try:
                outcome = self._begin()
            except NamingError as error:
                outcome = self._thrown(Failed(error))
            while outcome is not None:
                if not stack:
                    return outcome
                frame = stack[-1]
                outcome = frame.take(self, outcome)
                if outcome is not None:
                    stack.pop()

    def _begin(self) -> State[BoundTree] | None:
        """The outcome of what was asked for, or None after asking for a part of it."""
        tree, rest = self._item
        match tree:
            case Leaf(name):
                if isinstance(name, Bound):
                    return Ok(Leaf(name))
                return self._lookup(name + rest)
            case Neg() | Fail() | Empty():
                return Ok(tree)
            case Alt(trees):
                self._alternatives(iter([(part, rest) for part in trees]), self._depth)
                return None if trees else Ok(NEG)
            case Union(branches):
                if len(branches) == 1:
                    self.ask((branches[0].tree, rest), self._depth)
                    return None
                frame = _UnionFrame(iter(branches), rest, self._depth)
                if not frame.begin(self):
                    return Ok(NEG)
                self._stack.append(frame)
                return None
        assert_never(tree)

    def _alternatives(self, items: Iterator[_Item], depth: int) -> None:
        first = next(items, None)
        if first is not None:
            frame = _AltFrame(items, depth)
            frame.begun = 1
            self._stack.append(frame)
            self.ask(first, depth)

    def _lookup(self, path: Path) -> State[BoundTree] | None:
        """One step: the table, and where it says neg the namers."""
        depth = self._depth
        key = (path, depth)
        known = self.known.get(key)
        if known is not None:
            return known
        entries = self._dtab.matches(path)
        count = len(entries)
        if not count or (count == 1 and isinstance(entries[0].dst, Neg)):
            answer = self._ask_namers(path)
            if not isinstance(answer, Ok):
                return answer
            if depth == self._depth_max:
                return Failed(MaxDepth(depth))
            if isinstance(answer.value, Neg) or (
                isinstance(answer.value, Leaf) and isinstance(answer.value.value, Bound)
            ):
                return cast("Ok[BoundTree]", answer)  # the usual end of the way, short cut
            item: _Item = (answer.value, ROOT)
        else:
            item = (entries[0].dst, path.drop(len(entries[0].prefix)))
        if depth == self._depth_max:
            return Failed(MaxDepth(self._depth_max))
        self._stack.append(_NameFrame(key))
        if count > 1:
            self._alternatives(
                ((entry.dst, path.drop(len(entry.prefix))) for entry in entries), depth + 1
            )
        else:
            self.ask(item, depth + 1)
        return None

    def _ask_namers(self, path: Path) -> State[NameTree[Name]]:
        """The first answer of a namer that is not exactly neg."""
        asked = False
        for namer in self._namers:
            prefix = namer.prefix
            if not path.starts_with(prefix):
                continue
            try:
                watch = namer.lookup(path.drop(len(prefix)))
            except NamingError as error:
                # Behind another namer's neg an error is part of the answer, not thrown.
                if asked:
                    return Failed(error)
                raise
            asked = True
            if not isinstance(watch, Always):
                self.watches[watch] = None
            state = watch.state
            if not (isinstance(state, Ok) and isinstance(state.value, Neg)):
                return state
        return Ok(NEG)

    def _thrown(self, outcome: Failed) -> State[BoundTree]:
        """Unwind to whoever catches; at the bottom the whole binding has failed."""
        stack = self._stack
        while stack:
            if stack.pop().catch(self, outcome):
                break
        return outcome

    def union(self, parts: Sequence[Weighted[Bound]]) -> BoundTree:
        """The simplified union of bound branches, if it is not too large."""
        tree = simplified_union(parts)
        if isinstance(tree, Union) and id(tree) not in self._sizes:
            size = 1
            for part in tree.trees:
                known = self._sizes.get(id(part.tree))
                size += known[0] if known is not None else 1
            if size > NODES_MAX:
                raise SizeExceeded(NODES_MAX)
            self._sizes[id(tree)] = (size, tree)
        return tree
