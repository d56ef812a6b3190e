"""How the traffic of a bound tree is shared out: a plain model, only for comparing."""

from collections import defaultdict
from typing import Any

from dtab import Leaf, NameTree, Union
from naming.bound import Bound


def shares(tree: NameTree[Bound]) -> list[dict[str, Any]]:
    """The share of each bound name and residual; id None for what can only fail."""
    total: dict[tuple[str, str] | None, float] = defaultdict(float)
    todo: list[tuple[NameTree[Bound], float]] = [(tree, 1.0)]
    while todo:
        node, share = todo.pop()
        if isinstance(node, Leaf):
            total[str(node.value.id), str(node.value.residual)] += share
        elif isinstance(node, Union):
            weight = sum(branch.weight for branch in node.trees)
            for branch in node.trees:
                part = branch.weight / weight if weight else 1 / len(node.trees)
                todo.append((branch.tree, share * part))
        else:
            total[None] += share
    return [
        {"id": None, "share": share}
        if name is None
        else {"id": name[0], "residual": name[1], "share": share}
        for name, share in total.items()
    ]
