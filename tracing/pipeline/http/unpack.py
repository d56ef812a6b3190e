"""Request bodies unpacked, never past a cap. Pure."""

import zlib
from typing import Final

from tracing.pipeline.model import SpanError

# The real server unpacks without a limit; a bomb of 10 MiB would become 10 GiB there.
UNPACKED_BYTES_MAX: Final = 64 << 20
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_EITHER_WINDOW: Final = 32 + zlib.MAX_WBITS


class BombError(Exception):
    """The body unpacks to more than the cap."""


def gunzip(body: bytes, bytes_max: int = UNPACKED_BYTES_MAX) -> bytes:
    """The unpacked bytes of one gzip member; what is there of a truncated one.

    Raises: SpanError when nothing comes out or a checksum is wrong, BombError past the cap.
    """
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        out = unpacker.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise SpanError("Cannot gunzip spans") from error
    if len(out) > bytes_max:
        raise BombError
    if not out:
        raise SpanError("Cannot gunzip spans")
    return out


def inflate(body: bytes, coding: bytes, bytes_max: int = UNPACKED_BYTES_MAX) -> bytes:
    """The unpacked bytes of one whole gzip member or zlib stream, by its content-coding.

    Half a protobuf message may be a message too, so what is truncated is refused.

    Raises: SpanError, BombError past the cap.
    """
    if coding in (b"", b"identity"):
        return body
    if coding not in (b"gzip", b"deflate"):
        raise SpanError("content-encoding: gzip, deflate and identity are read")
    unpacker = zlib.decompressobj(_EITHER_WINDOW)
    try:
        out = unpacker.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise SpanError("Cannot unpack the body") from error
    if len(out) > bytes_max:
        raise BombError
    if not unpacker.eof:
        raise SpanError("Cannot unpack the body: it is truncated")
    return out
