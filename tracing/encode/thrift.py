"""Span records as Zipkin's v1 thrift structs, one message each, as scribe carries them.

v1 has no kinds: a side of a call is told by its two events, the other side by an address mark.
Source: Zipkin's zipkinCore.thrift as its collectors read it.
"""

import binascii
import ipaddress
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tracing.span import Endpoint, SpanRecord
from tracing.thrift import BOOL, I16, I32, I64, LIST, STRING, STRUCT

_STOP: Final = b"\0"
_TYPE_BOOL: Final = 0  # annotation_type of an address mark
_TYPE_STRING: Final = 6
_ENDPOINTS_MAX: Final = 4096

# By kind: the event of the start, that of the end, and the mark of the other side.
_SIDES: Final = {
    "CLIENT": ("cs", "cr", "sa"),
    "SERVER": ("sr", "ss", "ca"),
    "PRODUCER": ("ms", "", "ma"),
    "CONSUMER": ("mr", "", "ma"),
}
_NO_SIDE: Final = ("", "", "sa")


def _field(kind: int, number: int) -> bytes:
    return struct.pack(">bh", kind, number)


def _i64(number: int, value: int) -> bytes:
    return struct.pack(">bhQ", I64, number, value % (1 << 64))


def text_field(number: int, value: bytes) -> bytes:
    """A string or binary field of a struct."""
    return struct.pack(">bhi", STRING, number, len(value)) + value


def list_field(number: int, structs: list[bytes]) -> bytes:
    """A field that is a list of structs, each with its stop byte."""
    return struct.pack(">bhbi", LIST, number, STRUCT, len(structs)) + b"".join(structs)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")


@lru_cache(_ENDPOINTS_MAX)
def _endpoint(place: Endpoint, number: int) -> bytes:
    """A field with the endpoint; the address goes by its size to one of two members."""
    out = []
    try:
        address = ipaddress.ip_address(place.ip).packed
    except ValueError:
        address = b""  # unknown, or a name
    if len(address) == 4:  # noqa: PLR2004 - an IPv4 address
        out.append(_field(I32, 1) + address)
    if 0 < place.port < 1 << 16:
        out.append(struct.pack(">bhH", I16, 2, place.port))
    out.append(text_field(3, _text(place.service_name)))
    if len(address) == 16:  # noqa: PLR2004 - an IPv6 address
        out.append(text_field(4, address))
    return _field(STRUCT, number) + b"".join(out) + _STOP


def _event(at_us: int, value: str, local: bytes) -> bytes:
    return _i64(1, at_us) + text_field(2, _text(value)) + local + _STOP


def _tag(key: str, value: bytes, kind: int, host: bytes) -> bytes:
    typed = struct.pack(">bhi", I32, 3, kind)
    return text_field(1, _text(key)) + text_field(2, value) + typed + host + _STOP


def encode_span(record: SpanRecord) -> bytes:
    """One Span struct. A shared span has no times of its own: they belong to the caller."""
    start, end, mark = _SIDES.get(record.kind, _NO_SIDE)
    host = _endpoint(record.local, 3)
    events = [_event(at, value, host) for at, value in record.annotations]
    if start:
        events.append(_event(record.start_us, start, host))
    if end and record.elapsed_us > 0:
        events.append(_event(record.start_us + record.elapsed_us, end, host))
    host = _endpoint(record.local, 4)
    tags = record.tags if record.route is None else {**record.route, **record.tags}
    binary = [_tag(key, _text(value), _TYPE_STRING, host) for key, value in tags.items()]
    if not start:
        binary.append(_tag("lc", b"", _TYPE_STRING, host))  # says only whose span it is
    if record.remote is not None:
        binary.append(_tag(mark, b"\1", _TYPE_BOOL, _endpoint(record.remote, 4)))
    parts = [
        _i64(1, int.from_bytes(record.trace_id[-8:])),
        text_field(3, _text(record.name)),
        _i64(4, int.from_bytes(record.span_id)),
    ]
    if record.parent_id is not None:
        parts.append(_i64(5, int.from_bytes(record.parent_id)))
    parts += [list_field(6, events), list_field(8, binary)]
    if record.debug:
        parts.append(_field(BOOL, 9) + b"\1")
    if not record.shared:
        parts.append(_i64(10, record.start_us))
        if record.elapsed_us > 0:
            parts.append(_i64(11, record.elapsed_us))
    if high := int.from_bytes(record.trace_id[:-8]):
        parts.append(_i64(12, high))
    return b"".join(parts) + _STOP


def encode_entries(records: Iterable[SpanRecord], category: bytes) -> list[bytes]:
    """A scribe LogEntry for each record: the category, and the struct's base64 on a line."""
    head = text_field(1, category)
    return [
        head + text_field(2, binascii.b2a_base64(encode_span(record))) + _STOP for record in records
    ]
