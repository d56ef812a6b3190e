"""`io.l5d.const` and `io.l5d.replace`: one fixed path in the place of what was bound."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from dtab import Dtab, Leaf, Path, Union, map_leafs, simplify
from dtab.tree import fold, with_children
from naming.bind import Binding, BoundTree, bind
from naming.bound import Bound
from naming.namer import Namer
from naming.state import Ok


class ConstTransformer:
    """Ignores the tree, neg included, and binds its path instead."""

    def __init__(self, path: Path, prefix: Path | None = None) -> None:
        self._path: Final = path
        self._prefix: Final = prefix or Path.of("%", "io.l5d.const")

    def substitute(self, binding: Binding, namers: Sequence[Namer]) -> Binding:
        """The binding of the path, by an empty table."""
        del binding
        return _renamed(bind(self._path, Dtab(), namers), self._prefix)


class ReplaceTransformer:
    """Puts the binding of its path in the place of each bound name; constants stay."""

    def __init__(self, path: Path, prefix: Path | None = None) -> None:
        self._path: Final = path
        self._prefix: Final = prefix or Path.of("%", "io.l5d.replace")

    def substitute(self, binding: Binding, namers: Sequence[Namer]) -> Binding:
        """The binding with its bound names replaced."""
        if not isinstance(binding.state, Ok):
            return binding
        other = _renamed(bind(self._path, Dtab(), namers), self._prefix)
        watches = (*binding.watches, *other.watches)
        tree = binding.state.value
        if not isinstance(tree, Leaf | Union):
            return Binding(binding.state, watches)
        if not isinstance(other.state, Ok):
            return Binding(other.state, watches)
        instead = other.state.value

        def leaf(_: Bound) -> BoundTree:
            return instead

        def node(tree: BoundTree, trees: Sequence[BoundTree]) -> BoundTree:
            return with_children(tree, trees)

        return Binding(Ok(simplify(fold(tree, leaf, node))), watches)


def _renamed(binding: Binding, prefix: Path) -> Binding:
    if not isinstance(binding.state, Ok):
        return binding
    tree = map_leafs(binding.state.value, lambda bound: replace(bound, id=prefix + bound.id))
    return Binding(Ok(tree), binding.watches)
