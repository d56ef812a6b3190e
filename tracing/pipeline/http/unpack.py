"""Request bodies unpacked, never past a cap. Pure."""

import sys
import zlib
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from tracing.pipeline.model import SpanError

# The real server unpacks without a limit; a bomb of 10 MiB would become 10 GiB there.
UNPACKED_BYTES_MAX: Final = 64 << 20
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_EITHER_WINDOW: Final = 32 + zlib.MAX_WBITS
# RFC 8878, 3.1.1: what every frame begins with.
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# RFC 9659: a window of 8 MB is the most that a content-coding may ask a reader to hold.
_ZSTD_OPTIONS: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}


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
    """The unpacked bytes of one whole gzip member, zlib stream or zstd frame, by its coding.

    Half a protobuf message may be a message too, so what is truncated is refused.

    Raises: SpanError, BombError past the cap.
    """
    if coding in (b"", b"identity"):
        return body
    unpacker: zlib._Decompress | zstd.ZstdDecompressor
    if coding == b"zstd":
        unpacker = zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
    elif coding in (b"gzip", b"deflate"):
        unpacker = zlib.decompressobj(_EITHER_WINDOW)
    else:
        raise SpanError("content-encoding: gzip, deflate, zstd and identity are read")
    try:
        out = unpacker.decompress(body, bytes_max + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise SpanError("Cannot unpack the body") from error
    if len(out) > bytes_max:
        raise BombError
    if not unpacker.eof:
        raise SpanError("Cannot unpack the body: it is truncated")
    return out
