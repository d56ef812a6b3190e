"""Name trees: expressions over leafs of any type.

A tree is one of a closed family, so every function over it is one exhaustive match:

    Leaf(value)   the value itself: a path, or a bound name
    Alt(trees)    the first that is not neg; a fail stops the search
    Union(...)    all at once, each with its share of the traffic
    Neg()   `~`   nothing here, try the next alternative
    Fail()  `!`   nothing here, and stop
    Empty() `$`   something here, with nobody home

Nothing in this room recurses over a tree: trees come from strangers' headers, and their
nesting must not become the depth of our stack.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from math import inf
from typing import Final, Generic, TypeAlias, TypeVar, assert_never

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)


class _Constant:
    """A node without parts. All of one kind are one object, so `is` tells them apart."""

    __slots__ = ()
    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(self.text)


class Neg(_Constant):
    """Nothing here: an enclosing alt goes on with its next child."""

    __slots__ = ()
    text = "~"


class Fail(_Constant):
    """Nothing here: an enclosing alt stops."""

    __slots__ = ()
    text = "!"


class Empty(_Constant):
    """A name that exists and has no address."""

    __slots__ = ()
    text = "$"


NEG: Final = Neg()
FAIL: Final = Fail()
EMPTY: Final = Empty()


@dataclass(frozen=True, slots=True)
class Leaf(Generic[T_co]):
    """One value."""

    value: T_co

    def __str__(self) -> str:
        return str(self.value)


class _Node:
    """What alts and unions share: equality and printing that never recurse."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, _Node):
            return NotImplemented
        return same(self, other)  # type: ignore[arg-type]

    def __hash__(self) -> int:
        return hash(tuple(_flat(self)))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return show_tree(self)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<{self}>)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Alt(_Node, Generic[T_co]):
    """Alternatives in order of preference."""

    trees: "tuple[NameTree[T_co], ...]"


@dataclass(frozen=True, slots=True)
class Weighted(Generic[T_co]):
    """A branch of a union. The weight is a share of the sum, unwritten it is 1."""

    weight: float
    tree: "NameTree[T_co]"

    def __str__(self) -> str:
        return show_weight(self.weight) + str(self.tree)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Union(_Node, Generic[T_co]):
    """Branches that share the traffic by weight."""

    trees: tuple[Weighted[T_co], ...]


NameTree: TypeAlias = Leaf[T_co] | Alt[T_co] | Union[T_co] | Neg | Fail | Empty


def fold(
    tree: NameTree[T],
    leaf: Callable[[T], U],
    node: Callable[[NameTree[T], Sequence[U]], U],
) -> U:
    """The tree computed from the leafs up, without recursion.

    Shape: `node` gets an alt, a union or a constant, and the results of its children in order.
    """
    if isinstance(tree, Leaf):
        return leaf(tree.value)
    results: list[U] = []
    stack: list[tuple[NameTree[T], Iterator[NameTree[T]], list[U]]] = []
    current: NameTree[T] = tree
    todo = iter(children(tree))
    while True:
        for child in todo:
            if isinstance(child, Leaf):
                results.append(leaf(child.value))
            else:
                stack.append((current, todo, results))
                current, todo, results = child, iter(children(child)), []
                break
        else:
            value = node(current, results)
            if not stack:
                return value
            current, todo, results = stack.pop()
            results.append(value)


def children(tree: NameTree[T]) -> Sequence[NameTree[T]]:
    """The trees right below, in order, without their weights."""
    match tree:
        case Alt(trees):
            return trees
        case Union(weighted):
            return [branch.tree for branch in weighted]
        case Leaf() | Neg() | Fail() | Empty():
            return ()
    assert_never(tree)


def with_children(tree: NameTree[T], trees: Sequence[NameTree[U]]) -> NameTree[U]:
    """The same node over other children; weights stay where they are."""
    match tree:
        case Alt():
            return Alt(tuple(trees))
        case Union(weighted):
            return Union(
                tuple([Weighted(w.weight, t) for w, t in zip(weighted, trees, strict=True)])
            )
        case Neg() | Fail() | Empty():
            return tree
        case Leaf():
            raise TypeError("a leaf has no children")
    assert_never(tree)


def map_leafs(tree: NameTree[T], change: Callable[[T], U]) -> NameTree[U]:
    """The tree with every leaf's value changed; shape, weights and constants stay."""
    if isinstance(tree, Leaf):
        return Leaf(change(tree.value))
    return fold(tree, lambda value: Leaf(change(value)), with_children)


def leafs(tree: NameTree[T]) -> Iterator[T]:
    """Every leaf's value from left to right, repeats included."""
    stack = [tree]
    while stack:
        top = stack.pop()
        if isinstance(top, Leaf):
            yield top.value
        else:
            stack.extend(reversed(children(top)))


def same(a: NameTree[object], b: NameTree[object]) -> bool:
    """Structural equality; weights are compared as floats, order counts."""
    stack: list[tuple[NameTree[object], NameTree[object]]] = [(a, b)]
    while stack:
        left, right = stack.pop()
        if left is right:
            continue
        if type(left) is not type(right):
            return False
        if isinstance(left, Leaf) and isinstance(right, Leaf):
            if left.value != right.value:
                return False
            continue
        if _weights(left) != _weights(right):
            return False
        mine, theirs = children(left), children(right)
        if len(mine) != len(theirs):
            return False
        stack.extend(zip(mine, theirs, strict=True))
    return True


def _weights(tree: NameTree[object]) -> list[float]:
    return [branch.weight for branch in tree.trees] if isinstance(tree, Union) else []


def _flat(tree: NameTree[T]) -> Iterator[object]:
    """A sequence of hashable marks; equal trees give equal sequences."""
    stack = [tree]
    while stack:
        top = stack.pop()
        match top:
            case Leaf(value):
                yield value
            case Alt(trees):
                yield len(trees)
                stack.extend(trees)
            case Union(weighted):
                for branch in weighted:
                    yield branch.weight
                    stack.append(branch.tree)
            case Neg() | Fail() | Empty():
                yield top.text
            case _:
                assert_never(top)


def show_weight(weight: float) -> str:
    """`W*` before a union's child, or nothing for exactly 1.

    Source: two decimals, rounded half up on the shortest decimal form of the double; a float's
    repr is that form in both languages.
    """
    if weight == 1.0:
        return ""
    if weight == inf:
        return "Infinity*"
    return f"{Decimal(repr(weight)).quantize(_CENT, context=_WIDE):f}*"


_CENT: Final = Decimal("0.01")
# The largest double has 309 digits before the point.
_WIDE: Final = Context(prec=320, rounding=ROUND_HALF_UP)


def show_tree(tree: NameTree[object]) -> str:
    """Canonical text: ` | ` and ` & ` with blanks, parentheses only where they are needed."""
    return fold(tree, lambda value: (str(value), Leaf), _show_node)[0]


# A shown tree: its text, and the kind of node that the text stands for. A node with one child
# prints as that child, so the kind is the child's.
_Shown: TypeAlias = tuple[str, type]


def _show_node(tree: NameTree[object], shown: Sequence[_Shown]) -> _Shown:
    match tree:
        case Alt():
            if len(shown) == 1:
                return shown[0]
            return " | ".join([f"({text})" if kind is Alt else text for text, kind in shown]), Alt
        case Union(weighted):
            if len(shown) == 1:
                return shown[0]
            return " & ".join(
                [
                    show_weight(branch.weight) + (f"({text})" if kind in (Alt, Union) else text)
                    for branch, (text, kind) in zip(weighted, shown, strict=True)
                ]
            ), Union
        case Neg() | Fail() | Empty():
            return tree.text, type(tree)
        case Leaf():
            raise TypeError("a leaf is shown by its value")
    assert_never(tree)
