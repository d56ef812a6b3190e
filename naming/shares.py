"""How the traffic of a bound tree is shared out."""

from collections.abc import Mapping
from dataclasses import dataclass

from dtab import Leaf, NameTree, Path, Union, Weighted
from naming.bound import Bound


@dataclass(frozen=True, slots=True)
class Target:
    """Where a share goes: a client name and the residual that it is given."""

    id: Path
    residual: Path

    def __str__(self) -> str:
        return f"{self.id} with residual {self.residual}" if self.residual.labels else str(self.id)


def parts(branches: tuple[Weighted[Bound], ...]) -> list[float]:
    """Each branch's part of its union: weight by sum of weights, equal parts if all are 0."""
    total = sum(branch.weight for branch in branches)
    if not total:
        return [1 / len(branches)] * len(branches)
    return [branch.weight / total for branch in branches]


def shares(tree: NameTree[Bound]) -> Mapping[Target | None, float]:
    """The share of each target, None for what can only fail. The shares add up to 1."""
    found: dict[Target | None, float] = {}
    todo: list[tuple[NameTree[Bound], float]] = [(tree, 1.0)]
    while todo:
        node, share = todo.pop()
        if isinstance(node, Union) and node.trees:
            branches = zip(node.trees, parts(node.trees), strict=True)
            todo.extend([(branch.tree, share * part) for branch, part in reversed([*branches])])
            continue
        target = Target(node.value.id, node.value.residual) if isinstance(node, Leaf) else None
        found[target] = found.get(target, 0.0) + share
    return found
