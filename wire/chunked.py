"""Reading a chunked body, strictly: RFC 9112, 7.1, every CRLF in its place, every part bounded.

llhttp reads the same bytes beside it; the two must agree on where the body ends, or the message is
refused. What goes on to the next hop is framed anew, so extensions and odd sizes stop here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wire.errors import BadRequest
from wire.head import TOKEN

if TYPE_CHECKING:
    from wire.limits import Limits

# 15 digits stay under 2^60; llhttp allows thousands of leading zeros.
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})((?:[ \t]*;[!-~ \t]*)?)")
_TRAILER_LINE: Final = re.compile(TOKEN + rb":[ \t]*[!-~\x80-\xff \t]*")
_SIZE_LINE_ROOM: Final = 64  # digits and blanks, before extensions count against their own bound


class ChunkedReader:
    """Takes body bytes as they come and gives the data in them; one for each body.

    `done` is true once the last CRLF was read; `rest` then holds what came behind it; `trailers` is
    the block of trailer lines, each led by CRLF.
    """

    __slots__ = (
        "_extensions",
        "_left",
        "_limits",
        "_pending",
        "_size",
        "_state",
        "done",
        "rest",
        "trailers",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pending = b""
        self._left = 0
        self._size = 0
        self._state = _SIZE
        self._extensions = 0
        self.done = False
        self.rest = b""
        self.trailers = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of body data in these bytes, in order.

        Raises: BadRequest, with 413 when the body is over its bound.
        """
        if self._pending:
            data = self._pending + data
            self._pending = b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                self._keep(data[at:])
                return pieces
            line = data[at:end]
            at = end + 2
            self._on_line(line)
        if self.done:
            self.rest = data[at:]
        return pieces

    def _on_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._on_size(line)
        elif self._state == _DATA_END:
            if line:
                raise BadRequest("a chunk is longer than its size")
            self._state = _SIZE
        elif line:
            self._on_trailer(line)
        else:
            self.done = True

    def _on_size(self, line: bytes) -> None:
        found = _SIZE_LINE.fullmatch(line)
        if found is None:
            raise BadRequest("a chunk size is malformed")
        digits, extension = found.groups()
        self._extensions += len(extension)
        if self._extensions > self._limits.chunk_extension_bytes_max:
            raise BadRequest("chunk extensions are too long")
        self._left = int(digits, 16)
        self._size += self._left
        if self._limits.body_bytes_max is not None and self._size > self._limits.body_bytes_max:
            raise BadRequest("the body is too large", 413)
        self._state = _DATA if self._left else _TRAILERS

    def _on_trailer(self, line: bytes) -> None:
        if not _TRAILER_LINE.fullmatch(line):
            raise BadRequest("a trailer line is malformed")
        self.trailers += b"\r\n" + line
        if len(self.trailers) > self._limits.trailer_bytes_max:
            raise BadRequest("trailers are too long", 431)

    def _keep(self, part: bytes) -> None:
        """Hold the beginning of a line until its end comes.

        A line that cannot end well is refused now.
        """
        if self._state == _DATA_END and part != b"\r":
            raise BadRequest("a chunk is longer than its size")
        bound = _SIZE_LINE_ROOM + (
            self._limits.trailer_bytes_max
            if self._state == _TRAILERS
            else self._limits.chunk_extension_bytes_max
        )
        if len(part) > bound or b"\n" in part or b"\r" in part[:-1]:
            raise BadRequest("a line of the chunked body is malformed")
        self._pending = part


_SIZE: Final = 0
_DATA: Final = 1
_DATA_END: Final = 2
_TRAILERS: Final = 3
