"""Simplification and what rests on it: equivalence and evaluation."""

from collections.abc import Sequence
from typing import TypeVar, assert_never

from dtab.dentry import Dentry, Dtab
from dtab.tree import NEG, Alt, Empty, Fail, Leaf, NameTree, Neg, Union, Weighted, fold

T = TypeVar("T")


def simplify(tree: NameTree[T]) -> NameTree[T]:
    """The tree without what can never matter; its outcome is the same.

    Shape: negs drop out of alts, what stands behind a fail too; negs and fails drop out of
    unions. A lone child stays whatever it is, so a union whose only child is fail is fail.
    """
    return fold(tree, Leaf, _simplify_node)


def _simplify_node(tree: NameTree[T], parts: Sequence[NameTree[T]]) -> NameTree[T]:
    match tree:
        case Neg() | Fail() | Empty():
            return tree
        case Leaf():
            return tree
        case Alt():
            return simplified_alt(parts)
        case Union(weighted):
            return simplified_union(
                [
                    Weighted(branch.weight, part)
                    for branch, part in zip(weighted, parts, strict=True)
                ]
            )
    assert_never(tree)


def simplified_alt(parts: Sequence[NameTree[T]]) -> NameTree[T]:
    """An alt over children that are simplified already."""
    if len(parts) == 1:
        return parts[0]
    kept: list[NameTree[T]] = []
    for part in parts:
        if isinstance(part, Neg):
            continue
        kept.append(part)
        if isinstance(part, Fail):
            break
    if not kept:
        return NEG
    return kept[0] if len(kept) == 1 else Alt(tuple(kept))


def simplified_union(parts: Sequence[Weighted[T]]) -> NameTree[T]:
    """A union over branches that are simplified already."""
    if len(parts) == 1:
        return parts[0].tree
    kept = [branch for branch in parts if not isinstance(branch.tree, Neg | Fail)]
    if not kept:
        return NEG
    return kept[0].tree if len(kept) == 1 else Union(tuple(kept))


def equivalent(a: NameTree[T], b: NameTree[T]) -> bool:
    """Equality of the simplified trees."""
    return simplify(a) == simplify(b)


def evaluate(tree: NameTree[T]) -> frozenset[T] | None:
    """The set of values that the tree stands for, or None where it is neg or fail."""
    verdict = fold(tree, lambda value: frozenset((value,)), _evaluate_node)
    return verdict if isinstance(verdict, frozenset) else None


def _evaluate_node(
    tree: NameTree[T], parts: Sequence[frozenset[T] | Neg | Fail]
) -> frozenset[T] | Neg | Fail:
    match tree:
        case Neg() | Fail():
            return tree
        case Empty():
            return frozenset()
        case Alt():
            return next((part for part in parts if not isinstance(part, Neg)), NEG)
        case Union():
            if len(parts) == 1:
                return parts[0]
            found = [part for part in parts if isinstance(part, frozenset)]
            return frozenset().union(*found) if found else NEG
        case Leaf():
            raise TypeError("a leaf is its own value")
    assert_never(tree)


def simplify_dtab(table: Dtab) -> Dtab:
    """Each destination simplified; entries that became neg are gone."""
    kept = [Dentry(entry.prefix, simplify(entry.dst), entry.place) for entry in table]
    return Dtab(entry for entry in kept if not isinstance(entry.dst, Neg))


def equivalent_dtabs(a: Dtab, b: Dtab) -> bool:
    """Same length, equal prefixes, equivalent destinations."""
    return len(a) == len(b) and all(
        x.prefix == y.prefix and equivalent(x.dst, y.dst) for x, y in zip(a, b, strict=True)
    )
