"""The critical path of a trace: which span the whole was waiting for at each moment. Pure."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

import msgspec

from tracing.pipeline.model import V2Span
from tracing.pipeline.tree import Row, Tree


class Piece(msgspec.Struct, frozen=True, gc=False):
    """A time in which the trace waited for the span of one row, by its number.

    Units: microseconds since 1970.
    """

    at: int
    start_us: int
    end_us: int


_END: Final = itemgetter(0)
_Ended = tuple[int, int, Row]  # end, start


def critical_path(tree: Tree) -> list[Piece]:
    """The pieces of the path, each span's own from its end to its start.

    Going back from a span's end, the child that ended last is what it waited for; before that
    child began, the one that had ended last by then. What no child covers is the span's own. The
    pieces of a tree never overlap and never leave their span.
    """
    pieces: list[Piece] = []
    root = tree.root
    if root is None or not root.span.timestamp:
        return pieces
    stack = [(root, root.span.timestamp, _end(root.span))]
    while stack:
        row, start, until = stack.pop()
        for child_end, child_start, child in _ended(tree, row):
            first = child_start if child_start > start else start  # noqa: FURB136 - max() takes
            last = child_end if child_end < until else until  # noqa: FURB136 - four times as long
            if first >= last:
                continue
            if last < until:
                pieces.append(Piece(row.at, last, until))
            stack.append((child, first, last))
            until = first
            if until <= start:
                break
        if start < until:
            pieces.append(Piece(row.at, start, until))
    return pieces


def _end(span: V2Span) -> int:
    return (span.timestamp or 0) + (span.duration or 0)


def _ended(tree: Tree, row: Row) -> Sequence[_Ended]:
    """The children that have a time, the one that ended last first."""
    if not row.children:
        return ()
    if row.children == 1:  # of calls within each other, each has one
        child = tree.rows[row.at + 1]
        begun = child.span.timestamp
        return ((begun + (child.span.duration or 0), begun, child),) if begun else ()
    ended = [
        (_end(child.span), begun, child)
        for child in tree.children(row)
        if (begun := child.span.timestamp)
    ]
    ended.sort(key=_END, reverse=True)
    return ended
