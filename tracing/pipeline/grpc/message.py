"""gRPC's framing of one message, its status codes and its texts. Pure.

Source: grpc/doc/PROTOCOL-HTTP2.md.
"""

import struct
from enum import IntEnum
from typing import Final
from urllib.parse import quote

from tracing.pipeline.http.unpack import BombError, inflate
from tracing.pipeline.model import SpanError

PREFIX: Final = struct.Struct(">BI")  # compressed or not, length
# What a message may be packed with; "identity" is always there.
CODINGS: Final = b"gzip,deflate,zstd"
_PACKED: Final = 1


class Code(IntEnum):
    """The status codes in use here, by their numbers in gRPC."""

    OK = 0
    INVALID_ARGUMENT = 3
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


class GrpcError(Exception):
    """A call that failed; the text is what the caller gets to read."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


def frame(message: bytes) -> bytes:
    """One message as it stands in a body."""
    return PREFIX.pack(0, len(message)) + message


def unframe(body: bytes, coding: bytes) -> bytes:
    """The one message of a unary call's body; coding is its grpc-encoding. Raises: GrpcError."""
    if len(body) < PREFIX.size:
        raise GrpcError(Code.INTERNAL, "the call has no message")
    packed, size = PREFIX.unpack_from(body)
    if packed > _PACKED or len(body) != PREFIX.size + size:
        raise GrpcError(Code.INTERNAL, "expected one whole message")
    message = body[PREFIX.size :]
    if not packed:
        return message
    if coding not in CODINGS.split(b","):
        known = CODINGS.decode().replace(",", ", ")
        raise GrpcError(Code.UNIMPLEMENTED, f"grpc-encoding: {known} are read")
    try:
        return inflate(message, coding)
    except SpanError as error:
        raise GrpcError(Code.INTERNAL, str(error)) from error
    except BombError as error:
        raise GrpcError(Code.RESOURCE_EXHAUSTED, "the message is too large unpacked") from error


def trailers(code: Code, text: str = "") -> list[tuple[bytes, bytes]]:
    """The lines that end a call."""
    lines = [(b"grpc-status", str(int(code)).encode())]
    if text:
        # Printable ASCII but the per cent sign stands for itself.
        lines.append((b"grpc-message", quote(text, safe=_PLAIN).encode()))
    return lines


_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
