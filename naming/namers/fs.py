"""`io.l5d.fs`: a watched directory in which each file holds the addresses of a name.

A change is noticed by the kernel's file events, by a slow sweep where those do not reach, and
by a look at the file whenever a name is looked up.
"""

# Labels are bytes, and pathlib's paths are text.
# ruff: noqa: PTH116, PTH118

import os
import stat
from pathlib import Path as File
from typing import Final, Self

from dtab import NEG, Leaf, NameTree, Path
from naming.bound import Bound
from naming.namer import Name
from naming.namers.address_file import AddressFile
from naming.namers.directories import Labels
from naming.namers.inet import InetResolver
from naming.namers.lookout import SWEEP_S, Lookout
from naming.resolver import Resolver
from naming.state import Ok
from naming.table import SharedTable
from naming.watch import Source, Watch

PREFIX: Final = Path.of("#", "io.l5d.fs")
# The cadence without file events. A look at 50 names costs some 0.2 ms.
ALONE_S: Final = 0.05


class FsNamer:
    """Names are files below a directory, labels beyond the file are residual.

    Shape: a missing file is neg, an empty one is an empty set, one bad line makes the whole
    file a failed address. Changes are noticed live between `start` and `aclose`; at other times
    when a name is looked up.
    """

    def __init__(
        self,
        root: File,
        prefix: Path = PREFIX,
        resolver: Resolver | None = None,
        *,
        alone_s: float = ALONE_S,
    ) -> None:
        self._root: Final = os.fsencode(os.path.realpath(root))
        self._prefix: Final = prefix
        self._resolver: Final = resolver or InetResolver()
        self._names: Final[SharedTable[Labels, _NameWatch]] = SharedTable()
        self._files: Final[SharedTable[Labels, AddressFile]] = SharedTable()
        self._lookout: Final = Lookout(self._on_change, sweep_s=SWEEP_S, alone_s=alone_s)

    @property
    def prefix(self) -> Path:
        """Where this namer is asked."""
        return self._prefix

    async def start(self) -> None:
        """Begin to notice changes. The directory need not exist yet."""
        self._lookout.start()
        self._on_change(())

    async def aclose(self) -> None:
        """Notice changes no more. Watches keep what they have."""
        await self._lookout.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def lookup(self, path: Path) -> Watch[NameTree[Name]]:
        """The bound name of the file that the first labels name, as it stands now, or neg."""
        watch = self._names.get(path.labels, _NameWatch)
        self._look(watch)
        return watch

    def _on_change(self, below: Labels) -> None:
        """Something changed in this directory: look at all files and names below it."""
        for file in self._files.values():
            if file.labels[: len(below)] == below:
                self._read(file)
        for watch in self._names.values():
            if watch.labels[: len(below)] == below:
                self._look(watch)

    def _look(self, watch: "_NameWatch") -> None:
        labels = self._find(watch.labels)
        if labels is None:
            watch.set(Ok(NEG))
            return
        file = self._files.get(labels, self._open)
        self._read(file)
        residual = Path(watch.labels[len(labels) :])
        watch.set(Ok(Leaf(Bound(self._prefix + Path(labels), residual, addr=file.addr))))

    def _read(self, file: AddressFile) -> None:
        if not file.look():
            self._lookout.again(file.labels)

    def _open(self, labels: Labels) -> AddressFile:
        return AddressFile(labels, self._root, self._resolver)

    def _find(self, labels: Labels) -> Labels | None:
        """The labels that lead to a regular file, which is the end of the name."""
        path = self._root
        for count in range(len(labels) + 1):
            try:
                found = os.stat(path)
            except (OSError, ValueError):  # ValueError: a NUL, which no path holds
                return None
            if stat.S_ISREG(found.st_mode):
                return labels[:count]
            if not stat.S_ISDIR(found.st_mode) or count == len(labels):
                return None
            # Before looking inside, so that what comes after the look is told.
            self._lookout.add(labels[:count], path, found.st_ino)
            label = labels[count]
            if label in (b".", b"..") or b"/" in label:
                return None
            path = os.path.join(path, label)
        return None


class _NameWatch(Source[NameTree[Name]]):
    """What a path binds to."""

    __slots__ = ("labels",)

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.labels: Final = labels
