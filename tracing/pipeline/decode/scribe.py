"""Scribe's one call, Log, in TBinaryProtocol. Pure: payloads in, payloads out.

Framing (a 4 byte length before each payload) is the connection's business.
"""

import binascii
import re
import struct
from dataclasses import dataclass
from typing import Final

from tracing import utf8
from tracing.thrift import CATEGORY, I32, LIST, STRING, ThriftError, ThriftReader

_VERSION: Final = 0x8001_0000
_VERSION_MASK: Final = 0xFFFF_0000
_REPLY: Final = 2
_EXCEPTION: Final = 3
_ONEWAY: Final = 4
_UNKNOWN_METHOD: Final = 1
_INTERNAL_ERROR: Final = 6
# MIME base64: whatever is foreign to the alphabet is passed over.
_FOREIGN: Final = re.compile(rb"[^A-Za-z0-9+/=]")
_NAME_BYTES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Shape: messages are the texts of the entries of the category asked for; None when the argument
    is missing or bad.
    """

    name: str
    sequence: int
    wants_reply: bool
    messages: list[bytes] | None


def read_call(payload: bytes, category: str = CATEGORY) -> Call:
    """The call of one frame, with the strict header or the old one. Raises: ThriftError."""
    reader = ThriftReader(payload)
    first = reader.i32()
    if first < 0:
        if first & _VERSION_MASK != _VERSION:
            raise ThriftError(f"Malformed: version {first & _VERSION_MASK:#x}")
        kind = first & 0xFF
        name = reader.text()
    else:
        if first > _NAME_BYTES_MAX:
            raise ThriftError("Malformed: a method's name is not that long")
        name = utf8.text(reader.take(first))
        kind = reader.byte()
    sequence = reader.i32()
    messages: list[bytes] | None = None
    if name == "Log":
        try:
            messages = _entries(reader, category)
        except ThriftError:
            messages = None
    return Call(name, sequence, kind != _ONEWAY, messages)


def _entries(reader: ThriftReader, wanted: str) -> list[bytes] | None:
    messages: list[bytes] | None = None
    for number, kind in reader.fields():
        if (number, kind) == (1, LIST):
            entries = reader.structs(_entry)
            messages = [message for category, message in entries if category == wanted]
        else:
            reader.skip(kind)
    return messages


def _entry(reader: ThriftReader) -> tuple[str, bytes]:
    category, message = "", b""
    for number, kind in reader.fields():
        if (number, kind) == (1, STRING):
            category = reader.text()
        elif (number, kind) == (2, STRING):
            message = reader.binary()
        else:
            reader.skip(kind)
    return category, message


def unbase64(message: bytes) -> bytes:
    """The bytes of a message's MIME base64. Raises: ThriftError."""
    digits, _, rest = _FOREIGN.sub(b"", message).partition(b"=")
    if rest.strip(b"=") or not digits or len(digits) % 4 == 1:
        raise ThriftError("Malformed: bad base64")
    return binascii.a2b_base64(digits + b"==")


def _header(call: Call, kind: int) -> bytes:
    name = call.name.encode()
    return struct.pack(">Ii", _VERSION | kind, len(name)) + name + struct.pack(">i", call.sequence)


def result(call: Call, code: int) -> bytes:
    """The reply to Log."""
    return _header(call, _REPLY) + struct.pack(">bhib", I32, 0, code, 0)


def refusal(call: Call) -> bytes:
    """The exception to a call that cannot be done: an unknown method, or bad spans."""
    if call.name == "Log":
        return _header(call, _EXCEPTION) + struct.pack(">bhib", I32, 2, _INTERNAL_ERROR, 0)
    text = f"unknown method: {call.name}".encode()
    return (
        _header(call, _EXCEPTION)
        + struct.pack(">bhi", STRING, 1, len(text))
        + text
        + struct.pack(">bhib", I32, 2, _UNKNOWN_METHOD, 0)
    )
