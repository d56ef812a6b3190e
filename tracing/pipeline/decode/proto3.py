"""Zipkin's proto3 list of spans. Pure.

A field that comes twice counts as it came last; a default value counts as not come.
"""

from typing import Final

from tracing.pipeline import normalise
from tracing.pipeline.decode.protobuf import BYTES, FIXED64, fields, int32, signed
from tracing.pipeline.model import Kind, SpanError, V2Annotation, V2Endpoint, V2Span
from tracing.utf8 import text

_HEX_BYTES_MAX: Final = 32
_KINDS: Final[dict[int, Kind]] = {1: "CLIENT", 2: "SERVER", 3: "PRODUCER", 4: "CONSUMER"}


def decode_list(body: bytes) -> list[V2Span]:
    """Normalised spans; an empty one is passed over.

    Raises: SpanError, with Zipkin's text where that is its own.
    """
    try:
        return [
            _span(value)
            for number, wire, _, value in fields(body)
            if (number, wire) == (1, BYTES) and value
        ]
    except SpanError as error:
        raise SpanError(f"{error} reading List<Span> from proto3") from error


def _hex(raw: bytes, name: str) -> str:
    if len(raw) > _HEX_BYTES_MAX:
        raise SpanError(f"hex field greater than {_HEX_BYTES_MAX} chars long: {len(raw)}")
    if not raw:
        raise SpanError(f"{name} == null")
    return raw.hex()


def _flag(number: int) -> bool:
    if number > 1:
        raise SpanError("Malformed")
    return number == 1


def _span(data: bytes) -> V2Span:  # noqa: C901, PLR0912 - a branch a field
    span = V2Span("")
    notes: list[V2Annotation] = []
    tags: dict[str, str] = {}
    for number, wire, integer, raw in fields(data):
        match number, wire:
            case 1, 2:
                span.trace_id = _hex(raw, "traceId")
            case 2, 2:
                span.parent_id = _hex(raw, "parentId") if raw else None
            case 3, 2:
                span.id = _hex(raw, "id")
            case 4, 0:
                span.kind = _KINDS.get(int32(integer), span.kind)
            case 5, 2:
                span.name = text(raw) or span.name
            case 6, 1:
                span.timestamp = signed(integer) or span.timestamp
            case 7, 0:
                span.duration = signed(integer) or span.duration
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
                span.debug = _flag(integer) or span.debug
            case 13, 0:
                span.shared = _flag(integer) or span.shared
            case _:
                pass  # an unknown field, or a known one of another type: passed over
    missing = [name for name, text in (("traceId", span.trace_id), ("id", span.id)) if not text]
    if missing:
        raise SpanError(f"Missing : {' '.join(missing)}")
    span.annotations, span.tags = notes, tags
    return normalise.normalised(span)


def _endpoint(data: bytes) -> V2Endpoint | None:
    name, ipv4, ipv6, port = "", None, None, 0
    for number, wire, integer, raw in fields(data):
        match number, wire:
            case 1, 2:
                name = text(raw) or name
            case ((2 | 3), 2):
                read4, read6 = normalise.address_of_bytes(raw)
                ipv4, ipv6 = read4 or ipv4, read6 or ipv6
            case 4, 0:
                port = int32(integer) or port
            case _:
                pass
    return normalise.endpoint(name, ipv4, ipv6, port)


def _annotation(data: bytes) -> V2Annotation | None:
    at, value = 0, ""
    for number, wire, integer, raw in fields(data):
        if (number, wire) == (1, FIXED64):
            at = signed(integer) or at
        elif (number, wire) == (2, BYTES):
            value = text(raw) or value
    return V2Annotation(at, value) if at and value else None


def _pair(data: bytes) -> tuple[str, str]:
    key = value = ""
    for number, wire, _, raw in fields(data):
        if (number, wire) == (1, BYTES):
            key = text(raw) or key
        elif (number, wire) == (2, BYTES):
            value = text(raw) or value
    return key, value
