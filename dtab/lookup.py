"""The index: which prefixes match a path, at a cost that grows with the answer."""

from collections.abc import Sequence
from typing import Final

from dtab.path import STAR, Path, Prefix, Wildcard

# Below this many prefixes a scan beats building a trie; measured with bench/dtab.py, and a
# request's own table is nearly always this small.
SCAN_MAX: Final = 4


class _Edge:
    """A node of the trie: the entries that end here, and the ways on."""

    __slots__ = ("numbers", "star", "ways")

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.ways: dict[bytes, _Edge] = {}
        self.star: _Edge | None = None


class Index:
    """A trie over prefix labels with a wildcard edge; its nodes list entry numbers.

    Shape: tables without wildcards, which are most of them, take a shorter way; a handful of
    prefixes is compared one by one.
    """

    __slots__ = ("_plain", "_prefixes", "_root", "_starred")

    def __init__(self, prefixes: Sequence[Prefix]) -> None:
        self._prefixes: Final = prefixes
        self._starred: Final = any(prefix.stars for prefix in prefixes)
        self._root: _Edge | None = None
        # Number, size and elements, highest number first; for a scan without wildcards.
        self._plain: list[tuple[int, int, tuple[bytes | Wildcard, ...]]] = []
        if len(prefixes) > SCAN_MAX:
            self._root = _grow(prefixes)
        elif not self._starred:
            plain = [(n, len(prefix.elems), prefix.elems) for n, prefix in enumerate(prefixes)]
            self._plain = plain[::-1]

    def matches(self, path: Path) -> list[int]:
        """The numbers of the prefixes that match, highest first."""
        labels = path.labels
        root = self._root
        if root is None:
            if self._starred:
                prefixes = self._prefixes
                return [n for n in range(len(prefixes) - 1, -1, -1) if prefixes[n].matches(path)]
            return [n for n, size, elems in self._plain if labels[:size] == elems]
        found = self._spread(root, labels) if self._starred else self._descend(root, labels)
        if len(found) > 1:
            # Each node's numbers rise, so sorting merges a few runs.
            found.sort(reverse=True)
        return found

    def _descend(self, node: _Edge, labels: tuple[bytes, ...]) -> list[int]:
        """The one way down that the labels name."""
        found = node.numbers[:]
        for label in labels:
            way = node.ways.get(label)
            if way is None:
                break
            found += way.numbers
            node = way
        return found

    def _spread(self, root: _Edge, labels: tuple[bytes, ...]) -> list[int]:
        """All ways down: at each label the one that it names, and the wildcard's."""
        found = root.numbers[:]
        nodes = [root]
        for label in labels:
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
