"""The parts of a trace joined to spans, and the spans to a tree.

Source: Zipkin's rules for dependencies and its page's for display, which are the same.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from copy import copy as _copy
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

from tracing.pipeline.model import V2Endpoint, V2Span
from tracing.pipeline.normalise import sorted_annotations, sorted_tags

_Place = tuple[str | None, str | None, str | None, int | None]


def _place(endpoint: V2Endpoint | None) -> _Place:
    if endpoint is None:
        return (None, None, None, None)
    return (endpoint.service_name, endpoint.ipv4, endpoint.ipv6, endpoint.port)


def _order(span: V2Span) -> tuple[object, ...]:
    """By id; the unshared before the shared, the client first; then by local endpoint."""
    where = span.local_endpoint
    texts = () if where is None else (where.service_name, where.ipv4, where.ipv6)
    return (
        span.id,
        bool(span.shared),
        not span.shared and span.kind != "CLIENT",
        where is not None,
        tuple((text is None, text or "") for text in texts),
    )


_id: Final = attrgetter("id")


def _agree(first: _Place, second: _Place) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(first, second, strict=True))


def _filled(first: _Place, second: _Place) -> _Place:
    a, b = first, second
    return (a[0] or b[0], a[1] or b[1], a[2] or b[2], a[3] or b[3])


def _join_endpoints(first: V2Endpoint | None, second: V2Endpoint | None) -> V2Endpoint | None:
    if first is None or second is None:
        return first or second
    return V2Endpoint(*_filled(_place(first), _place(second)))


def _join(first: V2Span, second: V2Span) -> V2Span:
    """One span of two parts: the first's values, its gaps filled from the second."""
    return V2Span(
        trace_id=first.trace_id,
        parent_id=first.parent_id or second.parent_id,
        id=first.id,
        kind=first.kind or second.kind,
        name=first.name or second.name,
        timestamp=first.timestamp or second.timestamp,
        duration=first.duration or second.duration,
        local_endpoint=_join_endpoints(first.local_endpoint, second.local_endpoint),
        remote_endpoint=_join_endpoints(first.remote_endpoint, second.remote_endpoint),
        annotations=sorted_annotations([*(first.annotations or ()), *(second.annotations or ())]),
        tags=sorted_tags({**(first.tags or {}), **(second.tags or {})}),
        debug=first.debug or second.debug,
        shared=first.shared or second.shared,
    )


def merge(spans: Sequence[V2Span]) -> list[V2Span]:
    """The spans of a trace, their parts joined and missing `shared` flags put right.

    Shape: normalised spans in any order; the answer is ordered by id, a caller before its callee.
    """
    if len(spans) <= 1:
        return list(spans)
    trace_id = next((s.trace_id for s in spans if len(s.trace_id) > 16), spans[0].trace_id)  # noqa: PLR2004
    out: list[V2Span] = []
    known = _place(None)  # the endpoint of the span being joined, of all its parts
    original_shared = False
    # By id first: of 100,000 spans few share one, and whole keys for all of them take 0.3 s.
    parts = sorted(spans, key=_id)
    if len({span.id for span in parts}) < len(parts):
        parts.sort(key=_order)
    for part in parts:
        last = out[-1] if out else None
        same_id = last is not None and last.id == part.id
        place, shared = _place(part.local_endpoint), bool(part.shared)
        if last is not None and same_id and original_shared == shared and _agree(known, place):
            known = _filled(known, place)
            out[-1] = _join(last, part)
            continue
        known, original_shared = place, shared
        span = _copy(part)
        span.trace_id = trace_id
        if last is not None and same_id:
            if last.kind == "CLIENT" and span.kind == "SERVER":
                span.shared = True
            if span.shared and span.parent_id is None:
                span.parent_id = last.parent_id
        out.append(span)
    return out


@dataclass(slots=True, eq=False)
class Node:
    """A place in the tree; the artificial root of a trace without one has no span."""

    span: V2Span | None
    parent: "Node | None" = field(default=None, repr=False)
    children: "list[Node]" = field(default_factory=list)

    def walk(self) -> Iterator["Node"]:
        """Every node from here on, breadth first."""
        queue = deque([self])
        while queue:
            node = queue.popleft()
            queue.extend(node.children)
            yield node


def build(spans: Sequence[V2Span]) -> Node:
    """The tree of merged spans.

    The first span without parent is the root; what has no parent in the trace hangs below it.
    Spans in a cycle of parents hang nowhere.
    """
    nodes = [Node(span) for span in spans]
    unshared: dict[str, Node] = {}
    shared: dict[tuple[str, _Place], Node] = {}
    for node, span in zip(nodes, spans, strict=True):
        if span.shared:
            shared[span.id, _place(span.local_endpoint)] = node
        else:
            unshared[span.id] = node
    root = next((n for n, s in zip(nodes, spans, strict=True) if _is_root(s)), None)
    top = root or Node(None)
    for node, span in zip(nodes, spans, strict=True):
        if node is root:
            continue
        parent: Node | None = None
        if span.shared:
            parent = unshared.get(span.id)
        elif span.parent_id is not None:
            key = (span.parent_id, _place(span.local_endpoint))
            parent = shared.get(key) or unshared.get(span.parent_id)
        node.parent = parent if parent is not None and parent is not node else top
        node.parent.children.append(node)
    for node in nodes:
        node.children.sort(key=_start)
    top.children.sort(key=_start)
    return top


def _is_root(span: V2Span) -> bool:
    return span.parent_id is None and not span.shared


def _start(node: Node) -> int:
    return (node.span.timestamp if node.span else None) or 0
