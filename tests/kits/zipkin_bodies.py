"""Spans in the formats that Zipkin ever spoke, written as plainly as their definitions.

No encoder of ours, which could share a mistake with a decoder of ours.
"""

import base64
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

_BOOL, _I16, _I32, _I64, _STRING, _STRUCT, _LIST = 2, 6, 8, 10, 11, 12, 15


# ── thrift: v1 spans as TBinaryProtocol writes them ──────────────────────────────────────────


def thrift_list(spans: Sequence[Json]) -> bytes:
    """A message of v1 spans, given in the words of v1 JSON."""
    return struct.pack(">bi", _STRUCT, len(spans)) + b"".join(map(thrift_span, spans))


def thrift_span(span: Json) -> bytes:
    """One span; binary annotations are strings, or true for an address."""
    trace_id = str(span["traceId"]).rjust(32, "0")[-32:]
    out = _field(_I64, 1, bytes.fromhex(trace_id[16:]))
    if len(str(span["traceId"])) > 16:
        out += _field(_I64, 12, bytes.fromhex(trace_id[:16]))
    out += _field(_I64, 4, bytes.fromhex(str(span["id"]).rjust(16, "0")))
    if span.get("parentId") is not None:
        out += _field(_I64, 5, bytes.fromhex(str(span["parentId"]).rjust(16, "0")))
    if span.get("name") is not None:
        out += _field(_STRING, 3, _text(span["name"]))
    notes = [_annotation(note) for note in span.get("annotations", ())]
    out += _field(_LIST, 6, _list(notes)) if notes else b""
    tags = [_binary_annotation(tag) for tag in span.get("binaryAnnotations", ())]
    out += _field(_LIST, 8, _list(tags)) if tags else b""
    if span.get("debug") is not None:
        out += _field(_BOOL, 9, struct.pack(">?", span["debug"]))
    for number, name in ((10, "timestamp"), (11, "duration")):
        if span.get(name) is not None:
            out += _field(_I64, number, struct.pack(">q", span[name]))
    return out + b"\0"


def scribe_log(spans: Iterable[bytes], category: str = "zipkin", sequence: int = 1) -> bytes:
    """The payload of one call of Log with these thrift spans, without its frame."""
    entries = [
        _field(_STRING, 1, _text(category))
        + _field(_STRING, 2, _text(base64.b64encode(span).decode()))
        + b"\0"
        for span in spans
    ]
    head = struct.pack(">I", 0x8001_0001) + _text("Log") + struct.pack(">i", sequence)
    return head + _field(_LIST, 1, _list(entries)) + b"\0"


def _field(kind: int, number: int, value: bytes) -> bytes:
    return struct.pack(">bh", kind, number) + value


def _list(structs: Sequence[bytes]) -> bytes:
    return struct.pack(">bi", _STRUCT, len(structs)) + b"".join(structs)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack(">i", len(raw)) + raw


def _annotation(note: Json) -> bytes:
    out = _field(_I64, 1, struct.pack(">q", note["timestamp"]))
    out += _field(_STRING, 2, _text(note["value"]))
    return out + _host(note, 3) + b"\0"


def _binary_annotation(tag: Json) -> bytes:
    value = tag["value"]
    out = _field(_STRING, 1, _text(tag["key"]))
    if value is True:
        out += _field(_STRING, 2, struct.pack(">i", 1) + b"\1") + _field(_I32, 3, bytes(4))
    else:
        out += _field(_STRING, 2, _text(value)) + _field(_I32, 3, struct.pack(">i", 6))
    return out + _host(tag, 4) + b"\0"


def _host(of: Json, number: int) -> bytes:
    place = of.get("endpoint")
    if place is None:
        return b""
    out = b""
    if "ipv4" in place:
        out += _field(_I32, 1, socket.inet_aton(place["ipv4"]))
    if "port" in place:
        out += _field(_I16, 2, struct.pack(">H", place["port"]))
    if "serviceName" in place:
        out += _field(_STRING, 3, _text(place["serviceName"]))
    if "ipv6" in place:
        raw = socket.inet_pton(socket.AF_INET6, place["ipv6"])
        out += _field(_STRING, 4, struct.pack(">i", len(raw)) + raw)
    return _field(_STRUCT, number, out + b"\0")


# ── proto3: v2 spans ─────────────────────────────────────────────────────────────────────────

_KINDS = ("", "CLIENT", "SERVER", "PRODUCER", "CONSUMER")


def proto3_list(spans: Sequence[Json]) -> bytes:
    """A message of v2 spans, given in the words of v2 JSON."""
    return b"".join(_bytes(1, proto3_span(span)) for span in spans)


def proto3_span(span: Json) -> bytes:
    """One span; members that are absent are left out."""
    trace_id = str(span["traceId"])
    out = _bytes(1, bytes.fromhex(trace_id.rjust(32 if len(trace_id) > 16 else 16, "0")))
    if span.get("parentId") is not None:
        out += _bytes(2, bytes.fromhex(span["parentId"].rjust(16, "0")))
    out += _bytes(3, bytes.fromhex(span["id"].rjust(16, "0")))
    if span.get("kind") is not None:
        out += _varint(4 << 3) + _varint(_KINDS.index(span["kind"]))
    if span.get("name") is not None:
        out += _bytes(5, span["name"].encode())
    if span.get("timestamp") is not None:
        out += _varint(6 << 3 | 1) + struct.pack("<q", span["timestamp"])
    if span.get("duration") is not None:
        out += _varint(7 << 3) + _varint(span["duration"])
    for number, name in ((8, "localEndpoint"), (9, "remoteEndpoint")):
        if span.get(name) is not None:
            out += _bytes(number, _place(span[name]))
    for note in span.get("annotations") or ():
        raw = _varint(1 << 3 | 1) + struct.pack("<q", note["timestamp"])
        out += _bytes(10, raw + _bytes(2, note["value"].encode()))
    for key, value in (span.get("tags") or {}).items():
        out += _bytes(11, _bytes(1, key.encode()) + _bytes(2, value.encode()))
    for number, name in ((12, "debug"), (13, "shared")):
        if span.get(name) is not None:
            out += _varint(number << 3) + _varint(int(span[name]))
    return out


def _place(place: Json) -> bytes:
    out = b""
    if "serviceName" in place:
        out += _bytes(1, place["serviceName"].encode())
    if "ipv4" in place:
        out += _bytes(2, socket.inet_aton(place["ipv4"]))
    if "ipv6" in place:
        out += _bytes(3, socket.inet_pton(socket.AF_INET6, place["ipv6"]))
    if "port" in place:
        out += _varint(4 << 3) + _varint(place["port"])
    return out


def _bytes(number: int, raw: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(raw)) + raw


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
