"""Delegation: every way that a name could go, also those that binding never takes.

Source: linkerd 1.7.5's delegator, by section 16 of the reference. It follows all alternatives
and branches, so a loop costs its whole fan-out; hence the limits, each of which says its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, assert_never

from dtab import ROOT, Alt, Dentry, Dtab, Empty, Fail, Leaf, NameTree, Neg, Path, Union
from dtab.tree import children
from naming.bind import DEPTH_MAX
from naming.bound import Bound
from naming.delegation import (
    BoundEnd,
    BrokenEnd,
    Choice,
    Delegation,
    EmptyEnd,
    FailEnd,
    NegEnd,
    Split,
    Step,
    Transformation,
    choice,
    step,
)
from naming.errors import MaxDepth, NamingError, StepsExceeded
from naming.namer import Name, Namer
from naming.state import PENDING, Failed, Ok, Pending, State
from naming.transformer import Transformer
from naming.walk import Part, need, need_all, walk
from naming.watch import Watch

# One or two megabytes of JSON; what people read has a few dozen nodes.
NODES_MAX: Final = 5_000
# Readers of nested JSON recurse, and so do writers: a hundred lookups of an alt each fit in.
NESTING_MAX: Final = 200


class NestingExceeded(NamingError):
    """The delegation tree would be nested deeper than readers of JSON follow."""

    def __init__(self, nesting_max: int) -> None:
        super().__init__(f"Max delegation nesting: {nesting_max} reached in Namer lookup")


@dataclass(frozen=True, slots=True)
class Delegated:
    """The delegation by the newest states, and the watches that were read for it."""

    state: State[Delegation]
    watches: tuple[Watch[NameTree[Name]], ...]


def delegate(
    path: Path,
    dtab: Dtab,
    namers: Sequence[Namer],
    transformers: Sequence[Transformer] = (),
    *,
    depth_max: int = DEPTH_MAX,
    nodes_max: int = NODES_MAX,
    as_bound: bool = False,
) -> Delegated:
    """Every way the path could go.

    Shape: pending as long as one of the namers met is. `namers` as for binding. With `as_bound`
    a lone entry that says neg is followed by the namers, as in binding; Linkerd's delegator
    shows neg alone.
    Errors: failed with MaxDepth on a lone loop, StepsExceeded or NestingExceeded on a table
    that makes too much, or what a namer threw.
    """
    steps = _Steps(dtab, namers, (depth_max, nodes_max), as_bound=as_bound)
    state: State[Delegation]
    try:
        tree = walk(steps.leaf(path, None, 0))
        if transformers:
            tree = walk(_transformed(tree, transformers))
        state = Ok(tree)
    except _StillPending:
        state = PENDING
    except _Thrown as thrown:
        state = Failed(thrown.error)
    except NamingError as error:
        state = Failed(error)
    return Delegated(state, tuple(steps.watches))


_Part: TypeAlias = Part[Delegation]


class _StillPending(Exception):
    """A namer has not answered yet."""


class _Thrown(Exception):
    """A namer threw: the tree that its name stood in is broken, not only the name."""

    def __init__(self, error: NamingError) -> None:
        super().__init__(error)
        self.error: Final = error


class _Steps:
    """One delegation under way."""

    __slots__ = (
        "_as_bound",
        "_depth_max",
        "_dtab",
        "_namers",
        "_nesting",
        "_nodes_left",
        "_nodes_max",
        "watches",
    )

    def __init__(
        self, dtab: Dtab, namers: Sequence[Namer], maxima: tuple[int, int], *, as_bound: bool
    ) -> None:
        self._as_bound: Final = as_bound
        self._dtab: Final = dtab
        self._namers: Final = namers
        self._depth_max, self._nodes_max = maxima
        self._nodes_left = self._nodes_max
        self._nesting = 0
        self.watches: Final[dict[Watch[NameTree[Name]], None]] = {}

    def leaf(self, path: Path, dentry: Dentry | None, depth: int) -> _Part:
        """The node of a path, to which the dentry led."""
        self._count()
        entries = self._dtab.matches(path)
        if not entries:
            return (yield from need(self._asked(path, dentry, depth)))
        if self._as_bound and len(entries) == 1 and isinstance(entries[0].dst, Neg):
            neg = NegEnd(path, entries[0], entries[0].dst.text)
            answer = yield from need(self._asked(path, dentry, depth))
            return Choice(path, dentry, trees=(neg, answer))
        try:
            return (yield from need(self._matched(path, dentry, entries, depth + 1)))
        except _Thrown as thrown:
            raise thrown.error from thrown

    def _matched(
        self, path: Path, dentry: Dentry | None, entries: Sequence[Dentry], depth: int
    ) -> _Part:
        self._check(depth)
        items = [
            (entry.dst, _Place(path, entry, path.drop(len(entry.prefix)), depth, written=True))
            for entry in entries
        ]
        if len(items) == 1:
            return step(path, dentry, (yield from need(self._tree(*items[0]))))
        parts = [self._guarded(tree, place, dentry) for tree, place in items]
        return choice(path, dentry, (yield from need_all(parts)))

    def _tree(self, tree: NameTree[Name], place: "_Place") -> _Part:
        """The node of a tree that an entry says or a namer answers."""
        path, dentry = place.path, place.dentry
        match tree:
            case Leaf(name):
                if isinstance(name, Bound):
                    return BoundEnd(path, dentry, bound=name)
                return (yield from need(self.leaf(name + place.rest, dentry, place.depth)))
            case Neg():
                return NegEnd(path, dentry, tree.text if place.written else "")
            case Fail():
                return FailEnd(path, dentry, tree.text if place.written else "")
            case Empty():
                return EmptyEnd(path, dentry)
            case Alt() | Union():
                return (yield from need(self._branches(tree, place)))
        assert_never(tree)

    def _branches(self, tree: Alt[Name] | Union[Name], place: "_Place") -> _Part:
        path, dentry = place.path, place.dentry
        trees = children(tree)
        if not trees:
            return NegEnd(path, dentry)
        if len(trees) == 1:
            return step(path, dentry, (yield from need(self._tree(trees[0], place))))
        nodes = yield from need_all([self._guarded(part, place, dentry) for part in trees])
        if isinstance(tree, Alt):
            return choice(path, dentry, nodes)
        weights = [branch.weight for branch in tree.trees]
        return Split(path, dentry, trees=tuple(zip(weights, nodes, strict=True)))

    def _guarded(self, tree: NameTree[Name], place: "_Place", dentry: Dentry | None) -> _Part:
        """A branch: what fails below it is shown in its place."""
        self._count()
        try:
            if self._nesting == NESTING_MAX:
                raise NestingExceeded(NESTING_MAX)
            self._nesting += 1
            try:
                return (yield from need(self._tree(tree, place)))
            finally:
                self._nesting -= 1
        except StepsExceeded:
            raise
        except NamingError as error:
            return BrokenEnd(place.path, dentry, error=error)

    def _asked(self, path: Path, dentry: Dentry | None, depth: int) -> _Part:
        """The node of a path that no entry matched: what the namers answer."""
        asked = False
        for namer in self._namers:
            if not path.starts_with(namer.prefix):
                continue
            try:
                watch = namer.lookup(path.drop(len(namer.prefix)))
            except NamingError as error:
                if asked:
                    return BrokenEnd(path, dentry, error=error)
                raise _Thrown(error) from error
            asked = True
            self.watches[watch] = None
            state = watch.state
            if isinstance(state, Pending):
                raise _StillPending
            if isinstance(state, Failed):
                return BrokenEnd(path, dentry, error=state.error)
            if not isinstance(state.value, Neg):
                return (yield from need(self._answered(state.value, path, dentry, depth + 1)))
        self._check(depth + 1)
        return NegEnd(path, dentry)

    def _answered(
        self, tree: NameTree[Name], path: Path, dentry: Dentry | None, depth: int
    ) -> _Part:
        self._check(depth)
        place = _Place(path, dentry, ROOT, depth, written=False)
        try:
            return (yield from need(self._tree(tree, place)))
        except _Thrown as thrown:
            raise thrown.error from thrown

    def _count(self) -> None:
        """Of both names and branches: a long entry in a loop makes few names and many branches."""
        if not self._nodes_left:
            raise StepsExceeded(self._nodes_max)
        self._nodes_left -= 1

    def _check(self, depth: int) -> None:
        if depth > self._depth_max:
            raise MaxDepth(self._depth_max)


def _transformed(tree: Delegation, transformers: Sequence[Transformer]) -> _Part:
    """The tree with each bound name shown before and after each transformer."""
    match tree:
        case BoundEnd():
            return _before_and_after(tree, transformers)
        case Step():
            return replace(tree, tree=(yield from need(_transformed(tree.tree, transformers))))
        case Choice():
            parts = [_transformed(part, transformers) for part in tree.trees]
            return replace(tree, trees=tuple((yield from need_all(parts))))
        case Split():
            weights = [weight for weight, _ in tree.trees]
            parts = [_transformed(part, transformers) for _, part in tree.trees]
            nodes = yield from need_all(parts)
            return replace(tree, trees=tuple(zip(weights, nodes, strict=True)))
        case NegEnd() | FailEnd() | EmptyEnd() | BrokenEnd() | Transformation():
            return tree
    assert_never(tree)


def _before_and_after(end: BoundEnd, transformers: Sequence[Transformer]) -> Delegation:
    if not transformers:
        return end
    first, *others = transformers
    bound = first.transform(end.bound)
    after = BoundEnd(bound.id, end.dentry, bound=bound)
    return Transformation(
        end.path,
        None,
        kind=first.kind,
        bound=end.bound,
        tree=_before_and_after(after, others),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tree stands: the path it is for, the entry that led there, the labels behind."""

    path: Path
    dentry: Dentry | None
    rest: Path
    depth: int
    written: bool  # whether an entry says this tree, not a namer
