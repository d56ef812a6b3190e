"""The critical path of a trace: which span the whole was waiting for at each moment. Pure."""

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


_Times = tuple[int, int]
_END: Final = itemgetter(1)


def _times(span: V2Span) -> _Times | None:
    return (span.timestamp, span.timestamp + (span.duration or 0)) if span.timestamp else None


def critical_path(tree: Tree) -> list[Piece]:
    """The pieces of the path, each span's own from its end to its start.

    Going back from a span's end, the child that ended last is what it waited for; before that
    child began, the one that had ended last by then. What no child covers is the span's own. The
    pieces of a tree never overlap and never leave their span.
    """
    pieces: list[Piece] = []
    root = tree.root
    whole = None if root is None else _times(root.span)
    if root is None or whole is None:
        return pieces
    stack: list[tuple[Row, int, int]] = [(root, *whole)]
    while stack:
        row, start, until = stack.pop()
        ended = [(*times, child) for child in tree.children(row) if (times := _times(child.span))]
        if len(ended) > 1:
            ended.sort(key=_END, reverse=True)
        for child_start, child_end, child in ended:
            first, last = max(child_start, start), min(child_end, until)
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
