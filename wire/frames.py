"""Frames of a link: many byte streams on one connection between two weirs. Sans-io.

A frame is eight bytes, then its payload (network byte order):

    kind (1)  zero (1)  payload's size (2)  stream (4)  payload

Kinds: DATA carries bytes of a stream; END says that its sender writes no more on it; RESET ends it
at once; WINDOW (payload: 4 bytes) allows so many bytes more on it; AWAY (stream 0) asks for no new
streams.
docs/link.md has the whole conversation.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

DATA: Final = 0
END: Final = 1
RESET: Final = 2
WINDOW: Final = 3
AWAY: Final = 4

# One frame of a large body holds up the others for no longer than this takes to write.
PAYLOAD_BYTES_MAX: Final = 16_384
# What may be under way on a stream unread: its bound of memory at the receiver.
WINDOW_BYTES: Final = 65_536
STREAM_MAX: Final = (1 << 32) - 1

_HEADER: Final = Struct("!BBHI")
_GRANT: Final = Struct("!I")
_SIZE: Final = _HEADER.size
_PAYLOAD_OF: Final = {END: 0, RESET: 0, WINDOW: _GRANT.size, AWAY: 0}

Frame = tuple[int, int, bytes]  # kind, stream, payload


class BadFrame(Exception):
    """Bytes that are no frame, or one that may not come now. The link ends with it."""


def data_frame(stream: int, payload: bytes) -> bytes:
    """A DATA frame. Shape: 1 to PAYLOAD_BYTES_MAX bytes."""
    return _HEADER.pack(DATA, 0, len(payload), stream) + payload


def control_frame(kind: int, stream: int) -> bytes:
    """An END, RESET or AWAY frame."""
    return _HEADER.pack(kind, 0, 0, stream)


def window_frame(stream: int, more: int) -> bytes:
    """A WINDOW frame: `more` bytes may be sent beyond what was allowed before."""
    return _HEADER.pack(WINDOW, 0, _GRANT.size, stream) + _GRANT.pack(more)


def read_grant(payload: bytes) -> int:
    """The bytes that a WINDOW frame allows. Raises: BadFrame, when it allows none, or too many."""
    (more,) = _GRANT.unpack(payload)
    if not 0 < more <= WINDOW_BYTES:
        raise BadFrame("a window that is no window")
    return int(more)


class FrameReader:
    """Cuts bytes into frames, however they come."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that are whole now. Raises: BadFrame."""
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at, end = 0, len(data)
        while end - at >= _SIZE:
            kind, zero, size, stream = _HEADER.unpack_from(data, at)
            if kind == DATA:
                if zero or not stream or not 0 < size <= PAYLOAD_BYTES_MAX:
                    raise BadFrame("a frame of data is malformed")
            elif zero or _PAYLOAD_OF.get(kind) != size or (stream == 0) is not (kind == AWAY):
                raise BadFrame("a frame is malformed, or of no known kind")
            first = at + _SIZE
            if end - first < size:
                break
            at = first + size
            frames.append((kind, stream, data[first:at]))
        self._rest = data[at:]
        return frames
