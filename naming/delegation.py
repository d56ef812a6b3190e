"""Delegation trees: every way that a name could go, as a closed family of nodes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from dtab import Dentry, Path
from naming.bound import Bound
from naming.errors import NamingError


@dataclass(frozen=True, slots=True)
class Node:
    """A path, and the dentry that led to it, if one did.

    Shape: `literal` is the constant's text where the dentry itself says it.
    """

    path: Path
    dentry: Dentry | None
    literal: str = ""

    @property
    def shown_path(self) -> str:
        """The path, or the constant that was written in its place."""
        return self.literal or str(self.path)


@dataclass(frozen=True, slots=True)
class NegEnd(Node):
    """Nothing here."""


@dataclass(frozen=True, slots=True)
class FailEnd(Node):
    """Nothing here, and binding stops."""


@dataclass(frozen=True, slots=True)
class EmptyEnd(Node):
    """Something with nobody home."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundEnd(Node):
    """A bound name."""

    bound: Bound


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenEnd(Node):
    """A namer's failure, or a limit that was met below an alternative or branch."""

    error: NamingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Node):
    """One entry matched."""

    tree: "Delegation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Node):
    """Several alternatives, in order of preference."""

    trees: "tuple[Delegation, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Node):
    """Branches with their weights."""

    trees: "tuple[tuple[float, Delegation], ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transformation(Node):
    """What a transformer made of a bound name. It bears no dentry; the tree in it does."""

    kind: str
    bound: Bound
    tree: "Delegation"


Delegation: TypeAlias = (
    NegEnd | FailEnd | EmptyEnd | BoundEnd | BrokenEnd | Step | Choice | Split | Transformation
)


def step(path: Path, dentry: Dentry | None, tree: Delegation) -> Delegation:
    """One entry's node, or the node within it where both are for the same path."""
    if tree.path == path and not isinstance(tree, NegEnd | FailEnd | EmptyEnd):
        return replace(tree, dentry=dentry)
    return Step(path, dentry, tree=tree)


def choice(path: Path, dentry: Dentry | None, trees: Sequence[Delegation]) -> Delegation:
    """Alternatives; those of the same path within are spliced in."""
    flat: list[Delegation] = []
    for tree in trees:
        if isinstance(tree, Choice) and tree.path == path:
            flat += tree.trees
        else:
            flat.append(tree)
    return Choice(path, dentry, trees=tuple(flat))
