"""Clock skew between a caller and its callee, taken out for display only. Pure.

Source: Zipkin's page. The stored spans and the API's answers are never changed.
"""

from typing import Final

import msgspec

from tracing.pipeline.model import V2Annotation, V2Endpoint, V2Span
from tracing.pipeline.tree import Tree

_NONE: Final = 0


def _same_host(first: V2Endpoint | None, second: V2Endpoint | None) -> bool:
    """True where no skew can be told: an address is missing on a side, or they are equal."""
    if first is None or second is None:
        return True
    if first.ipv6 is not None and second.ipv6 is not None:
        return first.ipv6 == second.ipv6
    if first.ipv4 is not None and second.ipv4 is not None:
        return first.ipv4 == second.ipv4
    return first.ipv4 is None and first.ipv6 is None


def _skew(client: V2Span, server: V2Span) -> int:
    """How far the server's clock is ahead of the client's (negative: behind), in microseconds."""
    if not client.timestamp or not server.timestamp or server.timestamp > client.timestamp:
        return _NONE
    if client.local_endpoint is None or server.local_endpoint is None:
        return _NONE
    if _same_host(client.local_endpoint, server.local_endpoint):
        return _NONE
    if not client.duration or not server.duration or client.duration < server.duration:
        return server.timestamp - client.timestamp - 1
    latency = (client.duration - server.duration) // 2
    return server.timestamp - latency - client.timestamp


def _shifted(span: V2Span, skew: int) -> V2Span:
    notes = span.annotations
    return msgspec.structs.replace(
        span,
        timestamp=span.timestamp - skew if span.timestamp else None,
        annotations=None
        if notes is None
        else [V2Annotation(note.timestamp - skew, note.value) for note in notes],
    )


def correct(tree: Tree) -> None:
    """Move the spans of each callee whose clock stands behind its caller's, in place.

    Nothing is moved in a trace without a root, or with a second one: then nobody knows whose
    clock counts.
    """
    root = tree.root
    if root is None or any(
        child.span.parent_id is None and not child.span.shared for child in tree.children(root)
    ):
        return
    # From the root down to where the walk is: a span, and the skew with the host it holds for, from
    # the nearest callee above.
    above: list[tuple[V2Span, int, V2Endpoint | None]] = []
    for row in tree.rows:
        del above[row.depth :]
        span = row.span
        parent, skew, host = above[-1] if above else (span, _NONE, None)
        if span.kind == "SERVER" and parent.kind == "CLIENT":
            own = _skew(parent, span)
            if own:
                skew, host = own, span.local_endpoint
        if skew and _same_place(host, span.local_endpoint):
            row.span = _shifted(span, skew)
        elif skew:
            skew, host = _NONE, None
        above.append((row.span, skew, host))


def _same_place(host: V2Endpoint | None, other: V2Endpoint | None) -> bool:
    return other is not None and host is not None and _same_host(host, other)
