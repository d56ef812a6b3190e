"""TBinaryProtocol, as far as Zipkin's spans and scribe need it, for both ends. Pure.

The format is fixed and small; a reader of it is shorter than the glue to a thrift library.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from tracing import utf8

_T = TypeVar("_T")

STOP: Final = 0
BOOL: Final = 2
I16: Final = 6
I32: Final = 8
I64: Final = 10
STRING: Final = 11
STRUCT: Final = 12
MAP: Final = 13
SET: Final = 14
LIST: Final = 15
_SIZES: Final = {BOOL: 1, 3: 1, 4: 8, I16: 2, I32: 4, I64: 8}
_DEPTH_MAX: Final = 64  # of skipped containers; nothing in these formats nests deeper than four

# Scribe: the category of Zipkin's entries, and the answers to Log.
CATEGORY: Final = "zipkin"
OK: Final = 0
TRY_LATER: Final = 1


class ThriftError(ValueError):
    """The bytes end early or say what thrift cannot."""


class ThriftReader:
    """A place in a buffer. Every read checks that the bytes are there. Raises: ThriftError."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        start = self._at
        end = start + size
        if size < 0 or end > len(self._data):
            left = len(self._data) - start
            raise ThriftError(f"Truncated: length {size} > bytes available {left}")
        self._at = end
        return self._data[start:end]

    def byte(self) -> int:
        """An unsigned byte."""
        return self.take(1)[0]

    def i16(self) -> int:
        """A signed 16-bit number."""
        return int(struct.unpack(">h", self.take(2))[0])

    def i32(self) -> int:
        """A signed 32-bit number."""
        return int(struct.unpack(">i", self.take(4))[0])

    def i64(self) -> int:
        """A signed 64-bit number."""
        return int(struct.unpack(">q", self.take(8))[0])

    def binary(self) -> bytes:
        """A length and as many bytes."""
        return self.take(self.i32())

    def text(self) -> str:
        """A string; bad UTF-8 becomes U+FFFD."""
        return utf8.text(self.binary())

    def fields(self) -> Iterator[tuple[int, int]]:
        """(id, type) of each field of a struct; the caller reads or skips every value."""
        while (kind := self.byte()) != STOP:
            yield self.i16(), kind

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over one value."""
        if depth > _DEPTH_MAX:
            raise ThriftError("Malformed: nested too deep")
        if kind in _SIZES:
            self.take(_SIZES[kind])
        elif kind == STRING:
            self.binary()
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in (LIST, SET):
            inner, count = self.byte(), self.count()
            for _ in range(count):
                self.skip(inner, depth + 1)
        elif kind == MAP:
            key, value, count = self.byte(), self.byte(), self.count()
            for _ in range(count):
                self.skip(key, depth + 1)
                self.skip(value, depth + 1)
        else:
            raise ThriftError(f"Malformed: unknown type {kind}")

    def count(self) -> int:
        """A container's size; no element takes less than a byte, so a lie shows at once."""
        count = self.i32()
        left = len(self._data) - self._at
        if not 0 <= count <= left:
            raise ThriftError(f"Truncated: length {count} > bytes available {left}")
        return count

    def structs(self, read: Callable[["ThriftReader"], _T]) -> list[_T]:
        """A list of structs; one of anything else is passed over."""
        kind, count = self.byte(), self.count()
        if kind == STRUCT:
            return [read(self) for _ in range(count)]
        for _ in range(count):
            self.skip(kind)
        return []
