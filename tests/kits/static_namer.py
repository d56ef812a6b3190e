"""A namer whose names a test or a bench sets."""

from collections.abc import Mapping
from typing import Final

from dtab import NEG, Leaf, NameTree, Path
from naming.bound import Bound
from naming.endpoint import Addr, ReplicaSet
from naming.namer import Name
from naming.state import Ok
from naming.table import SharedTable
from naming.watch import Source, Watch

PREFIX: Final = Path.of("#", "io.weir.static")


class StaticNamer:
    """Fixed replica sets by name; the longest name that a path starts with counts.

    Shape: `set` replaces all names at once, so that what belongs together changes together.
    """

    def __init__(
        self, prefix: Path = PREFIX, names: Mapping[Path, ReplicaSet] | None = None
    ) -> None:
        self._prefix: Final = prefix
        self._addrs: Final[dict[Path, Source[Addr]]] = {}
        self._watches: Final[SharedTable[Path, Source[NameTree[Name]]]] = SharedTable()
        self._lengths: list[int] = []
        self.set(names or {})

    @property
    def prefix(self) -> Path:
        """Where this namer is asked."""
        return self._prefix

    def set(self, names: Mapping[Path, ReplicaSet]) -> None:
        """The names and their replica sets from now on."""
        self._lengths = sorted({len(name) for name in names}, reverse=True)
        for name in [name for name in self._addrs if name not in names]:
            del self._addrs[name]
        for name, replicas in names.items():
            addr = self._addrs.get(name)
            if addr is None:
                self._addrs[name] = Source(Ok(replicas))
            else:
                addr.set(Ok(replicas))
        for path, watch in self._watches.items():
            watch.set(Ok(self._tree(path)))

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The bound name, or neg."""
        return self._watches.get(path, lambda path: Source(Ok(self._tree(path))))

    def _tree(self, path: Path) -> NameTree[Name]:
        for length in self._lengths:
            name = path.take(length)
            addr = self._addrs.get(name)
            if addr is not None:
                return Leaf(Bound(self._prefix + name, path.drop(length), addr=addr))
        return NEG
