"""A set of watched directories, known by the labels that lead to them."""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from naming.namers.inotify import GONE, IGNORED, OVERFLOW, Inotify

Labels: TypeAlias = tuple[bytes, ...]

# The kernel's own default bound is 8,192 for all of a user's programs; names below directories
# that are not watched are still swept.
WATCHED_MAX: Final = 1_000


class Directories:
    """Tells at once when something changes in a directory.

    Raises: OSError where the system has no file events.
    """

    def __init__(self, on_change: Callable[[Labels], None]) -> None:
        self._on_change: Final = on_change
        self._loop: Final = asyncio.get_running_loop()
        self._inotify: Final = Inotify()
        self._numbers: Final[dict[Labels, tuple[int, int]]] = {}  # with the inode watched
        self._labels: Final[dict[int, Labels]] = {}
        self._loop.add_reader(self._inotify.fd, self._on_events)

    def add(self, labels: Labels, path: bytes, inode: int) -> None:
        """Watch the directory, if it is not the one that is watched under these labels."""
        known = self._numbers.get(labels)
        if known is not None:
            if known[1] == inode:
                return
            self._drop(known[0])
        if len(self._numbers) >= WATCHED_MAX:
            return
        try:
            number = self._inotify.add(path)
        except OSError:
            return  # gone again, or too many: the sweep must do
        self._drop_label(number)
        self._numbers[labels] = (number, inode)
        self._labels[number] = labels

    def _drop(self, number: int) -> None:
        self._drop_label(number)
        self._inotify.remove(number)

    def _drop_label(self, number: int) -> None:
        labels = self._labels.pop(number, None)
        if labels is not None:
            self._numbers.pop(labels, None)

    def _on_events(self) -> None:
        changed: set[Labels] = set()
        for number, mask in self._inotify.read():
            if mask & OVERFLOW:
                changed.add(())
                continue
            labels = self._labels.get(number)
            if labels is None:
                continue
            changed.add(labels)
            if mask & IGNORED:
                self._drop_label(number)
            elif mask & GONE:
                self._drop(number)
        for labels in changed:
            self._on_change(labels)

    def close(self) -> None:
        """Watch nothing any more."""
        self._loop.remove_reader(self._inotify.fd)
        self._inotify.close()
