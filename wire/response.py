"""The head of a response: its status, its framing, and the block of its header lines."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from wire.errors import BadRequest, BadResponse
from wire.head import HOP_BY_HOP, connection_tokens, drop_pattern, without_nominated

if TYPE_CHECKING:
    from collections.abc import Sequence

_STATUS_LINE: Final = re.compile(
    rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([\t -~\x80-\xff]*))?(?=\r\n)"
)
# Lines that framing or a hop looks at, in a block of small letters: for these, values too mean the
# same in small letters, so one pass over the lowered block reads them all.
_MARKS: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection|upgrade|te|trailer|keep-alive"
    rb"|proxy-[a-z-]*|via|server-timing|traceresponse|(?:l5d|weir)[-_.][^:]*)"
    rb"[ \t]*:[ \t]*([^\r\n]*)"
)
_FRAMED: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"upgrade"})
# What tells of the way behind us, besides our own family.
_INSIDE: Final = frozenset({b"via", b"server-timing", b"traceresponse"})
# What servers of HTTP/1.1 say that need not. A whole line: what is left of a longer one would join
# the line before it.
_KEEP_ALIVE_LINE: Final = re.compile(rb"\r\nConnection: keep-alive(?=\r|\Z)")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_DIGITS_MAX: Final = 18
_HOP_BY_HOP_LINES: Final = drop_pattern(*HOP_BY_HOP)
_LENGTH_LINE: Final = drop_pattern(b"content-length")

_REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}

_SWITCHING = 101
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_FIRST_FINAL = 200


class ResponseHead:
    """One response's head, read once.

    Shape: `status`, `line` the status line to send on, `block` the header lines (each led by
    CRLF); exactly one of `content_length`, `chunked`, `bodyless`, or none of them: then the body
    ends where the connection ends.
    """

    content_length: int | None = None
    chunked = False
    bodyless = False
    nominated: Sequence[bytes] = ()
    hops = False  # whether a line must not go further
    cut = False  # whether `block` lacks one that was read, and need not go further
    plain = True  # whether no line tells of the way behind us
    sent = b""  # the bytes it was read from
    # Their lines, once another head was compared with them one by one: what those begin with whose
    # values may differ, and which of them is Content-Length.
    lines: list[bytes] | None = None
    openings: Sequence[bytes] = ()
    length_at = 0

    def __init__(self, status: int, line: bytes, block: bytes, *, keep_alive: bool) -> None:
        self.status = status
        self.line = line
        self.block = block
        self.keep_alive = keep_alive

    @property
    def interim(self) -> bool:
        """Whether another head follows for the same request."""
        return self.status < _FIRST_FINAL and self.status != _SWITCHING

    def end_to_end(self) -> bytes:
        """The block without hop-by-hop and nominated lines."""
        block = self.block
        if self.hops:
            block = _HOP_BY_HOP_LINES.sub(b"", block)
            if self.nominated:
                block = without_nominated(block, self.nominated)
        return block

    def with_other_values(self, block: bytes, sent: bytes, length: int) -> ResponseHead:
        """A head that says the same but for its length, and values that framing skips."""
        if self.cut:
            block = _KEEP_ALIVE_LINE.sub(b"", block)
        other = ResponseHead.__new__(ResponseHead)
        other.__dict__.update(self.__dict__)  # a third of what __init__ and the rest cost
        other.block, other.sent, other.content_length = block, sent, length
        return other

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status}>"


def read_response_head(head: bytes, method: bytes) -> ResponseHead:
    """Read a head that llhttp accepted, blank line included, that answers such a method.

    Raises: BadResponse, when its framing is not beyond doubt.
    """
    line = _STATUS_LINE.match(head)
    if line is None:
        raise BadResponse("the status line is malformed")
    minor, status, reason = line.groups()
    at = line.end()
    if minor == b"1" and reason:
        first = head[:at]
    else:
        first = b"HTTP/1.1 %b %b" % (status, reason or reason_phrase(int(status)))
    response = ResponseHead(int(status), first, head[at:-4], keep_alive=minor == b"1")
    response.sent = head
    _read_framing(response, http_1_0=minor == b"0")
    code = response.status
    # RFC 9112, 6.3: these have no body, whatever their headers say.
    if method == b"HEAD" or code in (_NO_CONTENT, _NOT_MODIFIED) or code < _FIRST_FINAL:
        response.bodyless = True
    return response


def is_framing(line: bytes) -> bool:
    """Whether framing looks at the value of a header line."""
    mark = _MARKS.match(b"\r\n" + line.lower())
    return mark is not None and mark[1] in _FRAMED


def _read_framing(response: ResponseHead, *, http_1_0: bool) -> None:
    connection: list[bytes] = []
    for name, value in _MARKS.findall(response.block.lower()):
        if name == b"content-length" and response.content_length is None and _usual(value):
            response.content_length = int(value)
            continue
        value = value.rstrip(b" \t")  # the pattern is faster greedy, so the blank is cut here
        if name == b"content-length":
            _read_content_length(response, value)
        elif name == b"connection":
            _read_connection(response, value, connection)
        elif name == b"transfer-encoding":
            if http_1_0 or response.chunked or value != b"chunked":
                raise BadResponse("Transfer-Encoding is not exactly chunked")
            response.chunked = response.hops = True
        elif name in _INSIDE or name.startswith((b"l5d", b"weir")):
            response.plain = False
        else:
            response.hops = True
    if connection:
        try:
            response.nominated = connection_tokens(connection)
        except BadRequest as error:
            raise BadResponse(error.reason) from None
    if response.chunked and response.content_length is not None:
        raise BadResponse("Content-Length and Transfer-Encoding exclude each other")


def _read_connection(response: ResponseHead, value: bytes, more: list[bytes]) -> None:
    if value == b"keep-alive":
        response.keep_alive = True
        block = _KEEP_ALIVE_LINE.sub(b"", response.block)
        response.cut = response.cut or len(block) < len(response.block)
        response.hops = response.hops or len(block) == len(response.block)
        response.block = block
        return
    response.hops = True
    if value == b"close":
        response.keep_alive = False
        return
    more.append(value)
    tokens = [token.strip(b" \t") for token in value.split(b",")]
    response.keep_alive = b"close" not in tokens and response.keep_alive


def _usual(length: bytes) -> bool:
    """Whether a length is written as everyone writes it."""
    return length.isdigit() and length[:1] != b"0" and len(length) < _DIGITS_MAX


def _read_content_length(response: ResponseHead, value: bytes) -> None:
    if response.content_length is not None:
        raise BadResponse(
            f"Multiple Content-Length values found: [{response.content_length}, "
            f"{value.decode('latin-1')}]"
        )
    if not _LENGTH.fullmatch(value):
        raise BadResponse("Content-Length is no plain number")
    response.content_length = int(value)
    if value != b"%d" % response.content_length:
        response.block = _LENGTH_LINE.sub(
            b"\r\nContent-Length: %d" % response.content_length, response.block
        )


def reason_phrase(status: int) -> bytes:
    """The status's standard phrase."""
    return _REASONS.get(status, b"")
