"""A head whose lines came before on its connection: only its request line is new.

Clients on a kept connection mostly say the same header lines again and again. Bytes that llhttp and
`read_request_head` have accepted once are right the next time, and so is all that was decided by
them alone: of such a head the request line is read, and the rest is a comparison of memory.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wire.limits import Limits
    from wire.request import RequestHead

# A part of what `read_request_head` takes, and of what llhttp takes: tests hold both.
_LINE: Final = re.compile(rb"([A-Z]+) (/[!\"$-~]*) HTTP/1\.1")


def remember(request: RequestHead) -> RequestHead | None:
    """A request that has just been read, if a later head with the same lines means the same.

    None: it has a body, or is more than a request.
    """
    if (
        request.minor == 1
        and request.keep_alive
        and request.content_length is None
        and not request.chunked
        and not request.expects_continue
        and request.upgrade is None
        and request.target[:1] == b"/"
    ):
        request.sent = request.block
        request.tail = request.block + b"\r\n\r\n"
        return request
    return None


def read_again(last: RequestHead, data: bytes, limits: Limits) -> bool:
    """Make `last`, a remembered request, the one of these bytes.

    False: they are no whole head, or one with other lines, another method or an odd target; then
    nothing is changed. The caller answers for `last` being over.
    """
    tail = last.tail
    if not data.endswith(tail) or len(data) > limits.head_bytes_max:
        return False
    line = _LINE.fullmatch(data, 0, len(data) - len(tail))
    if line is None:
        return False
    method, target = line.groups()
    if method != last.method or len(target) > limits.target_bytes_max:
        return False
    last.target = target
    last.block = last.sent
    last.keep_alive = True
    return True
