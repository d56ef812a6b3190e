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

# A connection keeps them, and what was made of them, while it is idle: three times this at most.
LINES_BYTES_MAX: Final = 2_048


def remember(request: RequestHead, head: bytes) -> RequestHead | None:
    """A request that was read from this head, if a later one with the same lines means the same.

    None: it has a body, is more than a request, or says too much to keep. What reading made of its
    lines is kept with them.
    """
    if (
        request.minor == 0
        or not request.keep_alive
        or request.content_length is not None
        or request.chunked
        or request.expects_continue
        or request.upgrade is not None
        or len(request.block) > LINES_BYTES_MAX
        or not head.startswith(b"/", len(request.method) + 1)
    ):
        return None
    request.sent, request.tail = request.block, head[head.index(b"\r") :]
    return request


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
