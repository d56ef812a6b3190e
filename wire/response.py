"""The head of a response: its status, its framing, and the block of its header lines."""

from __future__ import annotations

import re
from typing import Final

from wire.errors import BadRequest, BadResponse
from wire.head import HOP_BY_HOP, connection_tokens, drop_pattern, without_nominated

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: ([^\r\n]*))?(?=\r\n)")
_FRAMING: Final = re.compile(
    rb"\r\n(content-length|transfer-encoding|connection|upgrade)[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_HOP_BY_HOP_LINES: Final = drop_pattern(*HOP_BY_HOP)
_LENGTH_LINE: Final = drop_pattern(b"content-length")

_SWITCHING = 101
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_FIRST_FINAL = 200


class ResponseHead:
    """One response's head, read once.

    Shape: `status`, `reason` as sent, `block` the header lines (each led by CRLF); exactly one of
    `content_length`, `chunked`, `bodyless`, or none of them: then the body ends where the
    connection ends.
    """

    __slots__ = (
        "block",
        "bodyless",
        "chunked",
        "content_length",
        "keep_alive",
        "nominated",
        "reason",
        "status",
        "upgrade",
    )

    def __init__(self, status: int, reason: bytes, block: bytes, *, keep_alive: bool) -> None:
        self.status = status
        self.reason = reason
        self.block = block
        self.content_length: int | None = None
        self.chunked = False
        self.bodyless = False
        self.keep_alive = keep_alive
        self.upgrade: bytes | None = None
        self.nominated: list[bytes] = []

    @property
    def interim(self) -> bool:
        """Whether another head follows for the same request."""
        return self.status < _FIRST_FINAL and self.status != _SWITCHING

    def end_to_end(self) -> bytes:
        """The block without hop-by-hop and nominated lines."""
        block = _HOP_BY_HOP_LINES.sub(b"", self.block)
        return without_nominated(block, self.nominated) if self.nominated else block

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
    response = ResponseHead(
        int(status), reason or b"", head[line.end() : -4], keep_alive=minor == b"1"
    )
    _read_framing(response, http_1_0=minor == b"0")
    code = response.status
    # RFC 9112, 6.3: these have no body, whatever their headers say.
    if method == b"HEAD" or code in (_NO_CONTENT, _NOT_MODIFIED) or code < _FIRST_FINAL:
        response.bodyless = True
    return response


def _read_framing(response: ResponseHead, *, http_1_0: bool) -> None:
    connection: list[bytes] = []
    for name, value in _FRAMING.findall(response.block):
        key = name.lower()
        value = value.rstrip(b" \t")
        if key == b"content-length":
            _read_content_length(response, value)
        elif key == b"transfer-encoding":
            if http_1_0 or response.chunked or value.lower() != b"chunked":
                raise BadResponse("Transfer-Encoding is not exactly chunked")
            response.chunked = True
        elif key == b"connection":
            lowered = value.lower()
            if lowered == b"close":
                response.keep_alive = False
            elif lowered == b"keep-alive":
                response.keep_alive = True
            else:
                connection.append(value)
                tokens = [token.strip(b" \t") for token in lowered.split(b",")]
                response.keep_alive = b"close" not in tokens and response.keep_alive
        else:
            response.upgrade = value
    if connection:
        try:
            response.nominated = connection_tokens(connection)
        except BadRequest as error:
            raise BadResponse(error.reason) from None
    if response.chunked and response.content_length is not None:
        raise BadResponse("Content-Length and Transfer-Encoding exclude each other")


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
