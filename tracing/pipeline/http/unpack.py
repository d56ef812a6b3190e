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

# Of one body: what is left is copied once for each.
_MEMBERS_MAX: Final = 64


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
    """The unpacked bytes of whole gzip members, zlib streams or zstd frames, by their coding.

    Half a protobuf message may be a message too, so what is truncated is refused; what comes behind
    a whole member is another one (RFC 1952, 2.2; RFC 8878, 3.1), as Go's senders write them.

    Raises: SpanError, BombError past the cap.
    """
    if coding in (b"", b"identity"):
        return body
    if coding not in (b"zstd", b"gzip", b"deflate"):
        raise SpanError("content-encoding: gzip, deflate, zstd and identity are read")
    parts: list[bytes] = []
    left = body
    for _ in range(_MEMBERS_MAX):
        unpacker = _unpacker(coding)
        try:
            parts.append(unpacker.decompress(left, bytes_max + 1))
        except (zlib.error, zstd.ZstdError) as error:
            raise SpanError("Cannot unpack the body") from error
        bytes_max -= len(parts[-1])
        if bytes_max < 0:
            raise BombError
        if not unpacker.eof:
            raise SpanError("Cannot unpack the body: it is truncated")
        left = unpacker.unused_data
        if not left:
            return b"".join(parts)  # which copies nothing where it is one
    raise SpanError(f"Cannot unpack the body: it has more than {_MEMBERS_MAX} parts")


def _unpacker(coding: bytes) -> "zlib._Decompress | zstd.ZstdDecompressor":
    if coding == b"zstd":
        return zstd.ZstdDecompressor(options=_ZSTD_OPTIONS)
    return zlib.decompressobj(_EITHER_WINDOW)
