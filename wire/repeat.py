"""A head whose lines came before on its connection: only its request line is new, or some values.

Clients on a kept connection mostly say the same header lines again and again. Bytes that llhttp and
`read_request_head` have accepted once are right the next time, and so is all that was decided by
them alone: of such a head the request line is read, and the rest is a comparison of memory. Where
lines differ in values that neither of them looks into, such as a request's id, these are looked at
for what no value may hold, and all that reading found still holds.
"""

from __future__ import annotations

import re
from itertools import compress
from operator import ne
from typing import TYPE_CHECKING, Final

from wire.head import HEAD_END
from wire.marks import is_framing
from wire.response import is_framing as answer_is_framed_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wire.limits import Limits
    from wire.request import RequestHead
    from wire.response import ResponseHead

# Parts of what `read_request_head` takes, and of what llhttp takes: tests hold both.
_LINE: Final = re.compile(rb"([A-Z]+) (/[!\"$-~]*) HTTP/1\.1")
_VALUE: Final = re.compile(rb"[ -~]*")
_LENGTH_LINE: Final = re.compile(rb"[Cc]ontent-[Ll]ength: (0|[1-9][0-9]{0,16})")
# Up to its value, as most clients write a line.
_OPENING: Final = re.compile(rb"[0-9A-Za-z_-]+: ")

# A connection keeps them, and what was made of them, while it is idle: six times this, twelve where
# they are a hundred short ones and have been compared one by one.
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
    size = len(tail) - len(HEAD_END)
    if size > LINES_BYTES_MAX or (
        limits.block_bytes_max is not None and size > limits.block_bytes_max
    ):
        return False
    if not (
        last.front
        and tail.startswith(last.front)
        and tail.endswith(last.back)
        and _VALUE.fullmatch(tail, len(last.front), len(tail) - len(last.back))
    ) and not _compare(last, tail.split(b"\r\n")):
        return False
    last.tail, last.sent = tail, tail[:size]
    if last.cut:
        last.sent = last.sent.replace(last.cut, b"", 1)
    return True


def _compare(last: RequestHead, lines: list[bytes]) -> bool:
    """Whether lines differ only so, one by one; if in one alone, the next time is shorter."""
    if last.lines is None:
        _learn(last)
    known, openings = last.lines, last.openings
    if known is None or len(lines) != len(known):
        return False
    others = _others(lines, known, openings)
    if others is None:
        return False
    last.lines, last.front = lines, b""
    if len(others) == 1:
        [at] = others
        last.front = b"\r\n".join([*lines[:at], openings[at]])
        last.back = b"\r\n".join([b"", *lines[at + 1 :]])
    return True


def _others(
    lines: Sequence[bytes], known: Sequence[bytes], openings: Sequence[bytes]
) -> list[int] | None:
    """Which of as many lines differ; None where one differs in more than a value that may."""
    others = []
    for at in compress(range(len(lines)), map(ne, lines, known)):
        opening = openings[at]
        if (
            not opening
            or not lines[at].startswith(opening)
            or not _VALUE.fullmatch(lines[at], len(opening))
        ):
            return None
        others.append(at)
    return others


def _learn(last: RequestHead) -> None:
    """Tell the lines apart whose values may differ."""
    lines = last.tail.split(b"\r\n")
    openings = []
    for line in lines:
        opening = _OPENING.match(line)
        framing = is_framing(line)
        openings.append(opening[0] if opening and not framing else b"")
        if framing and line[:1] in b"cC" and len(last.sent) < len(last.tail) - len(HEAD_END):
            last.cut = b"\r\n" + line  # Connection, which is read and gone
    last.lines, last.openings = lines, openings


def read_answer_again(last: ResponseHead, data: bytes) -> ResponseHead | None:
    """The head of an answer that differs from the last in its length, or in values that may.

    None: it differs in more, is not whole, or is too long to be compared; then it gets a closer
    look.
    """
    end = data.find(HEAD_END)
    if end < 0 or end > LINES_BYTES_MAX:
        return None
    if last.lines is None:
        _learn_answer(last)
    lines, known = data[:end].split(b"\r\n"), last.lines
    if known is None or len(lines) != len(known):
        return None
    length = _LENGTH_LINE.fullmatch(lines[last.length_at])
    if length is None or _others(lines, known, last.openings) is None:
        return None
    block, sent = data[len(lines[0]) : end], data[: end + len(HEAD_END)]
    response = last.with_other_values(block, sent, int(length[1]))
    response.lines = lines
    return response


def _learn_answer(last: ResponseHead) -> None:
    lines = last.sent[: -len(HEAD_END)].split(b"\r\n")
    openings = [b""]
    for at, line in enumerate(lines[1:], 1):
        opening = _OPENING.match(line)
        if _LENGTH_LINE.fullmatch(line):
            last.length_at = at
        elif answer_is_framed_by(line):
            opening = None
        openings.append(opening[0] if opening else b"")
    last.lines, last.openings = lines, openings
