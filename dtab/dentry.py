"""Delegation tables: ordered dentries, of which later ones are preferred."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple, overload

from dtab.lookup import Index
from dtab.path import Path, Prefix
from dtab.tree import NEG, Alt, Leaf, NameTree, map_leafs


class Place(NamedTuple):
    """Where a dentry was read: line and column count from 1, in code points."""

    line: int
    col: int
    file: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.col}" if self.file else f"{self.line}:{self.col}"


@dataclass(frozen=True, slots=True)
class Dentry:
    """`prefix => dst`. Where it was read takes no part in equality."""

    prefix: Prefix
    dst: NameTree[Path]
    place: Place | None = field(default=None, compare=False, repr=False)

    def rewrite(self, path: Path) -> NameTree[Path]:
        """The destination for a path that the prefix matches: the rest goes behind every leaf."""
        return graft(self.dst, path.drop(len(self.prefix.elems)))

    def __str__(self) -> str:
        return f"{self.prefix}=>{self.dst}"


def graft(tree: NameTree[Path], rest: Path) -> NameTree[Path]:
    """The tree with `rest` behind every leaf; constants, weights and shape stay."""
    if not rest.labels:
        return tree
    if isinstance(tree, Leaf):
        return Leaf(tree.value + rest)
    return map_leafs(tree, lambda path: path + rest)


# Any odd multiplier and large prime do: the hash of a joined table must be computable from the
# hashes of its parts, because a request joins its own few dentries to a base of thousands.
_FACTOR: Final = 1_000_003
_PRIME: Final = (1 << 61) - 1


class Dtab:
    """A sequence of dentries; immutable, hashable, order matters and repeats are kept.

    `base + local` is all of base, then all of local, so local overrides. It keeps both parts
    and their indexes, so joining costs nothing that grows with either.
    """

    __slots__ = ("_entries", "_hash", "_indexed", "_parts", "_size")

    def __init__(self, entries: Iterable[Dentry] = ()) -> None:
        self._entries: tuple[Dentry, ...] | None = tuple(entries)
        self._size = len(self._entries)
        self._parts: tuple[Dtab, ...] = ()  # none: this table is its own only part
        self._indexed: tuple[tuple[Dentry, ...], Index] | None = None
        self._hash: int | None = None

    @property
    def entries(self) -> tuple[Dentry, ...]:
        """All dentries in written order."""
        if self._entries is None:
            self._entries = tuple([entry for part in self._parts for entry in part.entries])
        return self._entries

    def matches(self, path: Path) -> list[Dentry]:
        """The dentries whose prefix matches the path, last written first."""
        found: list[Dentry] = []
        for part in self._parts[::-1] or (self,):
            entries, index = part._own()  # noqa: SLF001 - a part is a table like this one
            numbers = index.matches(path)
            if numbers:
                found += [entries[number] for number in numbers]
        return found

    def _own(self) -> tuple[tuple[Dentry, ...], Index]:
        """A part's dentries and their index, made when first asked for."""
        own = self._indexed
        if own is None:
            entries = self.entries
            own = self._indexed = (entries, Index([entry.prefix for entry in entries]))
        return own

    def lookup(self, path: Path) -> NameTree[Path]:
        """One rewriting step.

        Shape: neg for no match, the tree of a lone match, else an alt of the matches' trees,
        last written first. Nothing is simplified.
        """
        trees = [entry.rewrite(path) for entry in self.matches(path)]
        if not trees:
            return NEG
        return trees[0] if len(trees) == 1 else Alt(tuple(trees))

    def __add__(self, other: "Dtab") -> "Dtab":
        if not other._size:
            return self
        if not self._size:
            return other
        joined = Dtab()
        joined._entries = None
        joined._size = self._size + other._size
        joined._parts = (self._parts or (self,)) + (other._parts or (other,))
        return joined

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Dentry]:
        return iter(self.entries)

    @overload
    def __getitem__(self, at: int) -> Dentry: ...
    @overload
    def __getitem__(self, at: slice) -> "Dtab": ...
    def __getitem__(self, at: int | slice) -> "Dentry | Dtab":
        return Dtab(self.entries[at]) if isinstance(at, slice) else self.entries[at]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Dtab) or self._size != other._size:
            return False
        if self._parts and self._parts == other._parts:
            return True
        return self.entries == other.entries

    def __hash__(self) -> int:
        if self._hash is None:
            value = 0
            if self._parts:
                for part in self._parts:
                    value = value * pow(_FACTOR, len(part), _PRIME) + hash(part)
            else:
                for entry in self.entries:
                    value = (value * _FACTOR + hash(entry)) % _PRIME
            self._hash = value % _PRIME
        return self._hash

    def __str__(self) -> str:
        return ";".join([str(entry) for entry in self.entries])

    def __repr__(self) -> str:
        return f"Dtab({str(self)!r})"
