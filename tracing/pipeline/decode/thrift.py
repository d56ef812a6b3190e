"""TBinaryProtocol, as far as Zipkin's spans and scribe need it. Pure.

The format is fixed and small; a reader of it is shorter than the glue to a thrift library.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from tracing.pipeline import normalise
from tracing.pipeline.decode.v1 import ADDRESSES, V1Event, V1Span, V1Tag, convert
from tracing.pipeline.model import SpanError, V2Endpoint, V2Span

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

# Zipkin's annotation_type: what becomes a tag or an address mark.
_TYPE_BOOL: Final = 0
_TYPE_STRING: Final = 6
_SPAN_BYTES_MIN: Final = 1  # even an empty struct has its stop byte


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
        return self.binary().decode("utf-8", "replace")

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


def decode_list(body: bytes) -> list[V2Span]:
    """Normalised v2 spans of a thrift list. Raises: SpanError, with Zipkin's text."""
    reader = ThriftReader(body)
    try:
        reader.byte()
        return [span for _ in range(reader.count()) for span in convert(_span(reader))]
    except (ThriftError, SpanError) as error:
        raise SpanError(f"{error} reading List<Span> from TBinary") from error


def decode_one(message: bytes) -> list[V2Span]:
    """Normalised v2 spans of a single struct, as scribe carries it. Raises: SpanError."""
    try:
        return convert(_span(ThriftReader(message)))
    except (ThriftError, SpanError) as error:
        raise SpanError(f"{error} reading Span from TBinary") from error


def _span(reader: ThriftReader) -> V1Span:
    numbers: dict[int, int] = {}
    span = V1Span(trace_id="", id="")
    for number, kind in reader.fields():
        if kind == I64 and number in (1, 4, 5, 10, 11, 12):
            numbers[number] = reader.i64()
        elif kind == STRING and number == 3:  # noqa: PLR2004 - Zipkin's field numbers
            span.name = reader.text()
        elif kind == LIST and number == 6:  # noqa: PLR2004
            span.events = [event for event in reader.structs(_event) if event is not None]
        elif kind == LIST and number == 8:  # noqa: PLR2004
            span.tags = [tag for tag in reader.structs(_tag) if tag is not None]
        elif kind == BOOL and number == 9:  # noqa: PLR2004
            span.debug = reader.byte() == 1
        else:
            reader.skip(kind)
    if not numbers.get(1):
        raise SpanError("traceId == 0")
    if not numbers.get(4):
        raise SpanError("id == 0")
    high = numbers.get(12, 0)
    span.trace_id = (_hex(high) if high else "") + _hex(numbers[1])
    span.id = _hex(numbers[4])
    span.parent_id = _hex(numbers[5]) if numbers.get(5) else None
    span.timestamp, span.duration = numbers.get(10, 0), numbers.get(11, 0)
    return span


def _hex(number: int) -> str:
    return f"{number % (1 << 64):016x}"


def _event(reader: ThriftReader) -> V1Event | None:
    at, value, host = 0, None, None
    for number, kind in reader.fields():
        if (number, kind) == (1, I64):
            at = reader.i64()
        elif (number, kind) == (2, STRING):
            value = reader.text()
        elif (number, kind) == (3, STRUCT):
            host = _endpoint(reader)
        else:
            reader.skip(kind)
    return V1Event(at, value, host) if at and value is not None else None


def _tag(reader: ThriftReader) -> V1Tag | None:
    key, value, annotation_type, host = None, None, -1, None
    for number, kind in reader.fields():
        if (number, kind) == (1, STRING):
            key = reader.text()
        elif (number, kind) == (2, STRING):
            value = reader.binary()
        elif (number, kind) == (3, I32):
            annotation_type = reader.i32()
        elif (number, kind) == (4, STRUCT):
            host = _endpoint(reader)
        else:
            reader.skip(kind)
    if key is None or value is None:
        return None
    if annotation_type == _TYPE_STRING:
        return V1Tag(key, value.decode("utf-8", "replace"), host)
    if annotation_type == _TYPE_BOOL and value == b"\1" and key in ADDRESSES and host is not None:
        return V1Tag(key, "", host)
    return None


def _endpoint(reader: ThriftReader) -> V2Endpoint | None:
    ipv4 = ipv6 = name = None
    port = 0
    for number, kind in reader.fields():
        if (number, kind) == (1, I32):
            raw = reader.take(4)
            ipv4 = ".".join(map(str, raw)) if any(raw) else None
        elif (number, kind) == (2, I16):
            port = reader.i16() & 0xFFFF
        elif (number, kind) == (3, STRING):
            name = reader.text()
        elif (number, kind) == (4, STRING):
            mapped4, ipv6 = normalise.address_of_bytes(reader.binary())
            ipv4 = mapped4 or ipv4
        else:
            reader.skip(kind)
    return normalise.endpoint(name, ipv4, ipv6, port)
