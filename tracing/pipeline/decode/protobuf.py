"""The protobuf wire format, as far as lists of spans need it. Pure.

A protobuf library would be larger than the formats: four wire types, and two of them are numbers.
Source: protobuf.dev, Encoding.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final

from tracing.pipeline.model import SpanError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_VARINT_BYTES_MAX: Final = 10
MORE: Final = 0x80  # the bit of a varint's byte that says that it goes on
_FIXED64: Final = struct.Struct("<Q")
_SIGN64: Final = 1 << 63
_SIGN32: Final = 1 << 31
_BITS32: Final = 1 << 32

Field = tuple[int, int, int, bytes]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned 64-bit number at a place, and the place after it. Raises: SpanError."""
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


def int32(number: int) -> int:
    """A varint of a field that has 32 bits; Zipkin refuses longer ones, negative ones among them.

    Raises: SpanError.
    """
    if number >= _BITS32:
        raise SpanError("Greater than 32-bit varint")
    return signed(number, _SIGN32)


def fields(  # noqa: PLR0912 - a branch a wire type, and no calls in between
    data: bytes, wires: Mapping[int, int] | None = None
) -> Iterator[Field]:
    """(number, wire type, integer, bytes) of each field; a varint has no bytes.

    Shape: wires are the fields that are wanted with their wire types; others are passed over, and
    a wanted one of another type is refused, as generated readers do. The integer of a FIXED64 is
    unsigned, little-endian. Keys and lengths of one byte, which nearly all are, are read in place.
    Raises: SpanError on data that ends early, and on groups, which proto3 has not.
    """
    at, end = 0, len(data)
    while at < end:
        key = data[at]
        at += 1
        if key >= MORE:
            key, at = varint(data, at - 1)
        number, wire = key >> 3, key & 7
        value, raw = 0, b""
        if wire == VARINT:
            value, at = varint(data, at)
        else:
            if wire == BYTES:
                size = data[at] if at < end else MORE
                if size < MORE:
                    at += 1
                else:
                    size, at = varint(data, at)
            elif wire in (FIXED64, FIXED32):
                size = 8 if wire == FIXED64 else 4
            else:
                raise SpanError("Malformed")
            if size > end - at:
                raise SpanError(f"Truncated: length {size} > bytes available {end - at}")
            raw = data[at : at + size]
            at += size
            if wire == FIXED64:
                (value,) = _FIXED64.unpack(raw)
        if wires is not None:
            wanted = wires.get(number)
            if wanted != wire:
                if wanted is not None or number == 0:
                    raise SpanError(f"Malformed: field {number} has the wire type {wire}")
                continue
        yield number, wire, value, raw


def signed(number: int, sign: int = _SIGN64) -> int:
    """A two's complement number; sign is the bit that makes it negative."""
    number %= sign << 1
    return number - (sign << 1) if number >= sign else number


def write_varint(number: int) -> bytes:
    """An unsigned number as it stands on the wire."""
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def write_field(number: int, value: int | bytes) -> bytes:
    """One field: a varint or bytes with their length."""
    if isinstance(value, int):
        return write_varint(number << 3 | VARINT) + write_varint(value)
    return write_varint(number << 3 | BYTES) + write_varint(len(value)) + value
