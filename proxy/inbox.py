"""The place that connections read to: one of a size, for all connections of a thread's loop.

A loop fills it and calls its owner in one go, and the owner takes a copy of just the bytes that
came. uvloop's own reads take up to 256,000 bytes at once; whoever bounds what a connection may hold
has to bound what one read brings.
"""

from __future__ import annotations

import threading
from typing import Final

_SMALLEST: Final = 4_096


class _Places(threading.local):
    """Two loops in two threads may read at the same time."""

    def __init__(self) -> None:
        self.by_size: dict[int, memoryview] = {}


_PLACES: Final = _Places()


def inbox(size: int) -> memoryview:
    """The place of this size, at least a page."""
    size = max(size, _SMALLEST)
    found = _PLACES.by_size.get(size)
    if found is None:
        found = _PLACES.by_size.setdefault(size, memoryview(bytearray(size)))
    return found
