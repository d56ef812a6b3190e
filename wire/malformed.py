"""What is wrong with bytes that are no request head, or will never be one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wire.errors import BadRequest

if TYPE_CHECKING:
    from wire.limits import Limits

_ANY_VERSION: Final = re.compile(rb"[^\r\n]* HTTP/([0-9]+)\.([0-9]+)\r\n")
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)")


def bad_request_line(head: bytes) -> BadRequest:
    """What is wrong with a first line: its version (505), or something else (400)."""
    version = _ANY_VERSION.match(head)
    if version is not None and version.groups() not in {(b"1", b"0"), (b"1", b"1")}:
        return BadRequest("only HTTP/1.0 and HTTP/1.1 are spoken here", 505)
    return BadRequest("the request line is malformed")


def check_partial_head(data: bytes, limits: Limits) -> None:
    """Refuse early what cannot become a head we take."""
    if _BARE.search(data):
        raise BadRequest("a line ends in a bare line feed or carriage return")
    line_end = data.find(b"\r\n")
    if (line_end if line_end >= 0 else len(data)) > limits.target_bytes_max + 64:
        raise BadRequest("the request line is too long", 414)
    if len(data) + 4 > limits.head_bytes_max:
        raise BadRequest("the request head is too large", 431)
