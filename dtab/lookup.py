"""The index: which prefixes match a path, at a cost that grows with the answer."""

from collections.abc import Sequence
from typing import Final

from dtab.path import STAR, Path, Prefix

# Below this many prefixes a scan beats building a trie; measured with bench/dtab.py, and a
# request's own table is nearly always this small.
SCAN_MAX: Final = 8


class _Edge:
    """A node of the trie: the entries that end here, and the ways on."""

    __slots__ = ("numbers", "star", "ways")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.ways: dict[bytes, _Edge] = {}
        self.star: _Edge | None = None


class Index:
    """A trie over prefix labels with a wildcard edge; its nodes list entry numbers."""

    __slots__ = ("_prefixes", "_root")

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        self._prefixes: Final = prefixes
        self._root: _Edge | None = None
        if len(prefixes) > SCAN_MAX:
            self._root = _grow(prefixes)

    def matches(self, path: Path) -> list[int]:
        """The numbers of the prefixes that match, highest first."""
        if self._root is None:
            prefixes = self._prefixes
            return [n for n in range(len(prefixes) - 1, -1, -1) if prefixes[n].matches(path)]
        nodes = [self._root]
        found = list(self._root.numbers)
        for label in path.labels:
            ahead: list[_Edge] = []
            for node in nodes:
                way = node.ways.get(label)
                if way is not None:
                    ahead.append(way)
                    found += way.numbers
                way = node.star
                if way is not None:
                    ahead.append(way)
                    found += way.numbers
            if not ahead:
                break
            nodes = ahead
        # Each node's numbers rise, so sorting merges a few runs.
        found.sort(reverse=True)
        return found


def _grow(prefixes: Sequence[Prefix]) -> _Edge:
    root = _Edge()
    for number, prefix in enumerate(prefixes):
        node = root
        for elem in prefix.elems:
            if elem is STAR:
                if node.star is None:
                    node.star = _Edge()
                node = node.star
            else:
                way = node.ways.get(elem)
                if way is None:
                    way = node.ways[elem] = _Edge()
                node = way
        node.numbers.append(number)
    return root
