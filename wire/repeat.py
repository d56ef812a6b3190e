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
_END: Final = 4  # the blank line, CRLF twice


def may_repeat(request: RequestHead) -> bool:
    """Whether a later head with the same lines means the same: no body, nothing but a request."""
    return (
        request.minor == 1
        and request.keep_alive
        and request.content_length is None
        and not request.chunked
        and not request.expects_continue
        and request.upgrade is None
        and request.target[:1] == b"/"
    )


def read_again(last: RequestHead, head: bytes, limits: Limits) -> bool:
    """Make `last`, a request that may repeat, the one of this head, blank line included.

    False: its lines, its method or the form of its target are others, and nothing is changed. The
    caller answers for `last` being over.
    """
    block = last.block
    if not head.endswith(block, 0, -_END):
        return False
    line = _LINE.fullmatch(head, 0, len(head) - _END - len(block))
    if line is None:
        return False
    method, target = line.groups()
    if method != last.method or len(target) > limits.target_bytes_max:
        return False
    last.target = target
    last.keep_alive = True
    return True
