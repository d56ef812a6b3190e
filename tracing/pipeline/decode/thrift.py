"""Zipkin's v1 spans in thrift. Pure."""

from typing import Final

from tracing import utf8
from tracing.pipeline import normalise
from tracing.pipeline.decode.v1 import ADDRESSES, V1Event, V1Span, V1Tag, convert
from tracing.pipeline.model import SpanError, V2Endpoint, V2Span
from tracing.thrift import (
    BOOL,
    I16,
    I32,
    I64,
    LIST,
    STRING,
    STRUCT,
    ThriftError,
    ThriftReader,
)

# Zipkin's annotation_type: what becomes a tag or an address mark.
_TYPE_BOOL: Final = 0
_TYPE_STRING: Final = 6


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
        return V1Tag(key, utf8.text(value), host)
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
