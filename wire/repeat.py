"""A head whose lines came before on its connection: only its request line is new, or some values.

Clients on a kept connection mostly say the same header lines again and again. Bytes that llhttp and
`read_request_head` have accepted once are right the next time, and so is all that was decided by
them alone: of such a head the request line is read, and the rest is a comparison of memory. Where
lines differ in values that neither of them looks into, such as a request's id, these are looked at
for what no value may hold, and all that reading found still holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wire.head import HEAD_END
from wire.request import is_framing

if TYPE_CHECKING:
    from wire.limits import Limits
    from wire.request import RequestHead

# Parts of what `read_request_head` takes, and of what llhttp takes: tests hold both.
_LINE: Final = re.compile(rb"([A-Z]+) (/[!\"$-~]*) HTTP/1\.1")
_VALUE: Final = re.compile(rb"[ -~]*")
# Up to its value, as most clients write a line.
_OPENING: Final = re.compile(rb"[0-9A-Za-z_-]+: ")

# A connection keeps them, and what was made of them, while it is idle: five times this at most.
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
    if len(data) > limits.head_bytes_max:
        return False
    tail = last.tail
    same = data.endswith(tail)
    line = _LINE.match(data)
    if line is None or (same and line.end() != len(data) - len(tail)):
        return False
    method, target = line.groups()
    if method != last.method or len(target) > limits.target_bytes_max:
        return False
    if not same and not _read_values(last, data[line.end() :], limits):
        return False
    last.target = target
    last.block = last.sent
    last.keep_alive = True
    return True


def _read_values(last: RequestHead, tail: bytes, limits: Limits) -> bool:
    """Take over lines that differ from the last ones only in values that reading skips."""
    if last.lines is None:
        _learn(last)
    lines, known = tail.split(b"\r\n"), last.lines
    if known is None or len(lines) != len(known):
        return False
    for line, before, opening in zip(lines, known, last.openings, strict=True):
        if line != before and not (
            opening and line.startswith(opening) and _VALUE.fullmatch(line, len(opening))
        ):
            return False
    size = len(tail) - len(HEAD_END)
    if size > LINES_BYTES_MAX or (
        limits.block_bytes_max is not None and size > limits.block_bytes_max
    ):
        return False
    last.lines, last.tail = lines, tail
    if last.cut:
        kept = [*lines[: last.cut], *lines[last.cut + 1 : -2]]
        last.sent = b"\r\n".join(kept)
    else:
        last.sent = tail[:size]
    return True


def _learn(last: RequestHead) -> None:
    """Tell the lines apart whose values may differ."""
    lines = last.tail.split(b"\r\n")
    openings = []
    for at, line in enumerate(lines):
        opening = _OPENING.match(line)
        framing = is_framing(line)
        openings.append(opening[0] if opening and not framing else b"")
        if framing and line[:1] in b"cC" and len(last.sent) < len(last.tail) - len(HEAD_END):
            last.cut = at  # Connection, which is read and gone
    last.lines, last.openings = lines, openings
