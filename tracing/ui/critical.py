"""The critical path of a trace: which span the whole was waiting for at each moment. Pure."""

from tracing.pipeline.model import V2Span
from tracing.pipeline.tree import Node

Piece = tuple[int, int]


def _times(span: V2Span | None) -> Piece | None:
    if span is None or not span.timestamp:
        return None
    return span.timestamp, span.timestamp + (span.duration or 0)


def critical_path(root: Node) -> dict[int, list[Piece]]:
    """The pieces of the path by the identity of the node they lie in, each (start, end).

    Going back from a span's end, the child that ended last is what it waited for; before that
    child began, the one that had ended last by then. What no child covers is the span's own.
    Units: microseconds since 1970. The pieces of a tree never overlap and never leave their span.
    """
    pieces: dict[int, list[Piece]] = {}
    whole = _times(root.span)
    if whole is None:
        return pieces
    stack: list[tuple[Node, int, int]] = [(root, *whole)]
    while stack:
        node, start, until = stack.pop()
        own = pieces.setdefault(id(node), [])
        ended = [(times, child) for child in node.children if (times := _times(child.span))]
        ended.sort(key=lambda pair: pair[0][1], reverse=True)
        for (child_start, child_end), child in ended:
            first, last = max(child_start, start), min(child_end, until)
            if first >= last:
                continue
            if last < until:
                own.append((last, until))
            stack.append((child, first, last))
            until = first
            if until <= start:
                break
        if start < until:
            own.append((start, until))
    return pieces
