"""Content codings as senders apply them."""

import gzip
import sys
import zlib
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Packer(Protocol):
    """What all of them have."""

    def compress(self, data: bytes, /) -> bytes:
        """What of the packed form is there so far."""

    def flush(self) -> bytes:
        """The rest."""


def pack(data: bytes, coding: str) -> bytes:
    """The data in a coding: gzip, deflate or zstd."""
    if coding == "gzip":
        return gzip.compress(data)
    return zlib.compress(data) if coding == "deflate" else zstd.compress(data)


def pack_zeros(size: int, coding: str) -> bytes:
    """So many zeros, which are never there all at once. Units: size is bytes, whole mebibytes."""
    packer: Packer
    match coding:
        case "gzip":
            packer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        case "deflate":
            packer = zlib.compressobj(1)
        case _:
            packer = zstd.ZstdCompressor()
    piece = bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()
