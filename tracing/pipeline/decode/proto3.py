"""Zipkin's proto3 list of spans. Pure; a protobuf library would be larger than the format."""

import struct
from collections.abc import Iterator
from typing import Final

from tracing.pipeline import normalise
from tracing.pipeline.model import Kind, SpanError, V2Annotation, V2Endpoint, V2Span

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_VARINT_BYTES_MAX: Final = 10
_HEX_BYTES_MAX: Final = 32
_KINDS: Final[dict[int, Kind]] = {1: "CLIENT", 2: "SERVER", 3: "PRODUCER", 4: "CONSUMER"}
_SIGN64: Final = 1 << 63
_SIGN32: Final = 1 << 31

Field = tuple[int, int, int, bytes]


def decode_list(body: bytes) -> list[V2Span]:
    """Normalised spans. Raises: SpanError, with Zipkin's text where that is its own."""
    try:
        return [
            _span(value)
            for number, wire, _, value in _fields(body)
            if (number, wire) == (1, _BYTES)
        ]
    except SpanError as error:
        raise SpanError(f"{error} reading List<Span> from proto3") from error


def _varint(data: bytes, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 7 * _VARINT_BYTES_MAX, 7):
        if at >= len(data):
            raise SpanError("Truncated: length 1 > bytes available 0")
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the last byte has no continuation bit
            return result % (1 << 64), at
    raise SpanError("Malformed: varint too long")


def _fields(data: bytes) -> Iterator[Field]:
    """(number, wire type, integer, bytes) of each field; only one of the last two is set."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value, b""
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise SpanError(f"Malformed: invalid wireType {wire}")
        if size > end - at:
            raise SpanError(f"Truncated: length {size} > bytes available {end - at}")
        raw = data[at : at + size]
        at += size
        fixed = struct.unpack("<Q", raw)[0] if wire == _FIXED64 else 0
        yield number, wire, fixed, raw


def _signed(number: int, sign: int = _SIGN64) -> int:
    number %= sign << 1
    return number - (sign << 1) if number >= sign else number


def _hex(raw: bytes) -> str | None:
    if len(raw) > _HEX_BYTES_MAX:
        raise SpanError(f"hex field greater than {_HEX_BYTES_MAX} chars long: {len(raw)}")
    return raw.hex() or None


def _flag(number: int) -> bool:
    if number > 1:
        raise SpanError("Malformed")
    return number == 1


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _span(data: bytes) -> V2Span:  # noqa: C901, PLR0912 - a branch a field
    span = V2Span("")
    notes: list[V2Annotation] = []
    tags: dict[str, str] = {}
    for number, wire, integer, raw in _fields(data):
        match number, wire:
            case 1, 2:
                span.trace_id = _hex(raw) or ""
            case 2, 2:
                span.parent_id = _hex(raw)
            case 3, 2:
                span.id = _hex(raw) or ""
            case 4, 0:
                span.kind = _KINDS.get(integer)
            case 5, 2:
                span.name = _text(raw)
            case 6, 1:
                span.timestamp = _signed(integer)
            case 7, 0:
                span.duration = _signed(integer)
            case 8, 2:
                span.local_endpoint = _endpoint(raw)
            case 9, 2:
                span.remote_endpoint = _endpoint(raw)
            case 10, 2:
                note = _annotation(raw)
                if note is not None:
                    notes.append(note)
            case 11, 2:
                key, value = _pair(raw)
                if key:
                    tags[key] = value
            case 12, 0:
                span.debug = _flag(integer)
            case 13, 0:
                span.shared = _flag(integer)
            case _:
                pass  # an unknown field, or a known one of another type: passed over
    missing = [name for name, text in (("traceId", span.trace_id), ("id", span.id)) if not text]
    if missing:
        raise SpanError(f"Missing : {' '.join(missing)}")
    span.annotations, span.tags = notes, tags
    return normalise.normalised(span)


def _endpoint(data: bytes) -> V2Endpoint | None:
    name, ipv4, ipv6, port = "", None, None, 0
    for number, wire, integer, raw in _fields(data):
        match number, wire:
            case 1, 2:
                name = _text(raw)
            case ((2 | 3), 2):
                read4, read6 = normalise.address_of_bytes(raw)
                ipv4, ipv6 = read4 or ipv4, read6 or ipv6
            case 4, 0:
                port = _signed(integer, _SIGN32)
            case _:
                pass
    return normalise.endpoint(name, ipv4, ipv6, port)


def _annotation(data: bytes) -> V2Annotation | None:
    at, value = 0, ""
    for number, wire, integer, raw in _fields(data):
        if (number, wire) == (1, _FIXED64):
            at = _signed(integer)
        elif (number, wire) == (2, _BYTES):
            value = _text(raw)
    return V2Annotation(at, value) if at and value else None


def _pair(data: bytes) -> tuple[str, str]:
    key = value = ""
    for number, wire, _, raw in _fields(data):
        if (number, wire) == (1, _BYTES):
            key = _text(raw)
        elif (number, wire) == (2, _BYTES):
            value = _text(raw)
    return key, value
