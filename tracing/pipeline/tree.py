"""The parts of a trace joined to spans, and the spans to a tree.

Source: Zipkin's rules for dependencies and its page's for display, which are the same.
"""

from collections.abc import Iterator, Sequence
from copy import copy as _copy
from typing import Final, NamedTuple

import msgspec

from tracing.pipeline.model import V2Annotation, V2Endpoint, V2Span
from tracing.pipeline.normalise import sorted_annotations, sorted_tags

_NOBODY: Final = -1
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


def _agree(first: _Place, second: _Place) -> bool:
    return all(a is None or b is None or a == b for a, b in zip(first, second, strict=True))


def _filled(first: _Place, second: _Place) -> _Place:
    a, b = first, second
    return (a[0] or b[0], a[1] or b[1], a[2] or b[2], a[3] or b[3])


def _join_endpoints(first: V2Endpoint | None, second: V2Endpoint | None) -> V2Endpoint | None:
    if first is None or second is None:
        return first or second
    return V2Endpoint(*_filled(_place(first), _place(second)))


def _join(parts: Sequence[V2Span]) -> V2Span:
    """One span of its parts: the first's values, its gaps filled from those behind it."""
    if len(parts) == 1:
        return parts[0]
    span = _copy(parts[0])
    notes: list[V2Annotation] = []
    tags: dict[str, str] = {}
    for part in parts:
        span.parent_id = span.parent_id or part.parent_id
        span.kind = span.kind or part.kind
        span.name = span.name or part.name
        span.timestamp = span.timestamp or part.timestamp
        span.duration = span.duration or part.duration
        span.local_endpoint = _join_endpoints(span.local_endpoint, part.local_endpoint)
        span.remote_endpoint = _join_endpoints(span.remote_endpoint, part.remote_endpoint)
        span.debug = span.debug or part.debug
        span.shared = span.shared or part.shared
        notes += part.annotations or ()
        tags |= part.tags or {}
    # Once, and not with each part: of one span there may be 100,000.
    span.annotations, span.tags = sorted_annotations(notes), sorted_tags(tags)
    return span


def merge(spans: Sequence[V2Span]) -> list[V2Span]:
    """The spans of a trace, their parts joined and missing `shared` flags put right.

    Shape: normalised spans in any order. In the answer those of one id stand together, a caller
    before its callee. What is given stays as it is; who needs no change is in the answer itself.
    """
    if len(spans) <= 1:
        return list(spans)
    trace_id = next((s.trace_id for s in spans if len(s.trace_id) > 16), spans[0].trace_id)  # noqa: PLR2004
    parts = [span if span.trace_id == trace_id else _with_trace(span, trace_id) for span in spans]
    if len({part.id for part in parts}) == len(parts):
        return parts
    by_id: dict[str, list[V2Span]] = {}
    for part in parts:
        by_id.setdefault(part.id, []).append(part)
    out: list[V2Span] = []
    for same in by_id.values():
        out += same if len(same) == 1 else _joined(sorted(same, key=_order))
    return out


def _with_trace(span: V2Span, trace_id: str) -> V2Span:
    made = _copy(span)
    made.trace_id = trace_id
    return made


def _joined(parts: Sequence[V2Span]) -> list[V2Span]:
    """The spans that share one id, their parts joined. Shape: parts in _order."""
    out: list[V2Span] = []
    same = [parts[0]]  # of the span being joined
    known, shared = _place(parts[0].local_endpoint), bool(parts[0].shared)
    for part in parts[1:]:
        place = _place(part.local_endpoint)
        if shared == bool(part.shared) and _agree(known, place):
            known = _filled(known, place)
            same.append(part)
            continue
        out.append(_join(same))
        same = [_beside(out[-1], part)]
        known, shared = place, bool(part.shared)
    out.append(_join(same))
    return out


def _beside(caller: V2Span, part: V2Span) -> V2Span:
    """A part as it stands behind another span of its id."""
    span = _copy(part)
    if caller.kind == "CLIENT" and span.kind == "SERVER":
        span.shared = True
    if span.shared and span.parent_id is None:
        span.parent_id = caller.parent_id
    return span


# A struct without garbage collection: nothing that a row points at knows of rows, and to collect
# 100,000 objects that point at each other took as long as to make them.
class Row(msgspec.Struct, gc=False):
    """A span's place in a tree that is written down callers first.

    Shape: `at` is its number there; below it are the rows from at + 1 to at + size - 1, of which
    `children` hang from it.
    """

    span: V2Span
    depth: int
    at: int
    size: int
    children: int


class Tree(NamedTuple):
    """Spans in order of a walk that goes deep first, siblings by their start.

    Shape: a trace without a root has several rows of depth 0; `cut_off` hang nowhere, for their
    parents lead in a circle.
    """

    rows: list[Row]
    cut_off: list[V2Span]

    @property
    def root(self) -> Row | None:
        """The row of the span without parent; None where the trace has none."""
        return self.rows[0] if self.rows and _is_root(self.rows[0].span) else None

    def children(self, row: Row) -> Iterator[Row]:
        """The rows that hang from one."""
        at = row.at + 1
        for _ in range(row.children):
            child = self.rows[at]
            at += child.size
            yield child


def build(spans: Sequence[V2Span]) -> Tree:
    """The tree of merged spans.

    Of the spans without parent the one with the lowest id is the root; what has no parent in the
    trace hangs below it.
    """
    roots = [at for at, span in enumerate(spans) if _is_root(span)]
    root = min(roots, key=lambda at: spans[at].id, default=None)
    parents = _parents(spans, len(spans) if root is None else root)
    # Who hangs from one, as a chain: the first, and from each the next. No sort of all spans at
    # once: it would keep every other thread waiting for 60 ms.
    first, following = [_NOBODY] * (len(spans) + 1), [_NOBODY] * len(spans)
    for at in range(len(spans) - 1, -1, -1):
        if at != root:
            following[at] = first[parents[at]]
            first[parents[at]] = at
    rows: list[Row] = []
    owners: list[int] = []
    tops = _siblings(spans, first[-1], following) if root is None else [root]
    stack = [(at, 0, _NOBODY) for at in tops]
    while stack:
        at, depth, owner = stack.pop()
        below = first[at]
        if below != _NOBODY:
            number = len(rows)
            if following[below] == _NOBODY:  # of calls within each other, each has one
                stack.append((below, depth + 1, number))
            else:
                chain = _siblings(spans, below, following)
                stack.extend([(one, depth + 1, number) for one in chain])
        rows.append(Row(spans[at], depth, len(rows), 1, 0))
        owners.append(owner)
    for row, owner in zip(reversed(rows), reversed(owners), strict=True):
        if owner != _NOBODY:
            rows[owner].size += row.size
            rows[owner].children += 1
    if len(rows) == len(spans):
        return Tree(rows, [])
    reached = {id(row.span) for row in rows}
    return Tree(rows, [span for span in spans if id(span) not in reached])


def known(spans: Sequence[V2Span]) -> Sequence[V2Span]:
    """Those merged spans that the real server's dependencies know of.

    It keeps a trace's first span without parent, and beside it one unshared span for each id and
    one shared span for each id and place, the last: other places that contradict each other, as a
    v1 span of two services has them, are not told apart. A span with the root's id hangs nowhere,
    and takes with it what names that id as its parent.
    """
    if len({_key(span) for span in spans}) == len(spans):
        return spans
    in_order = sorted(spans, key=lambda span: span.id)
    root = next(filter(_is_root, in_order), None)
    last = {_key(span): span for span in in_order if span is not root}
    below = list(last.values())
    if root is None:
        return below
    twin = last.get(_key(root))
    gone = set[int]() if twin is None else _with_all_below(below, twin)
    return [root, *(span for at, span in enumerate(below) if at not in gone)]


def _with_all_below(spans: Sequence[V2Span], top: V2Span) -> set[int]:
    """The numbers of a span and of all that hang from it."""
    hanging: dict[int, list[int]] = {}
    for at, parent in enumerate(_parents(spans, _NOBODY)):
        hanging.setdefault(parent, []).append(at)
    gone = set[int]()
    more = [next(at for at, span in enumerate(spans) if span is top)]
    while more:
        at = more.pop()
        if at not in gone:
            gone.add(at)
            more += hanging.get(at, ())
    return gone


def _key(span: V2Span) -> object:
    return (span.id, _place(span.local_endpoint)) if span.shared else span.id


def _siblings(spans: Sequence[V2Span], first: int, following: Sequence[int]) -> list[int]:
    """A chain's numbers, the one that began last first; of one time the higher id first."""
    chain = []
    while first != _NOBODY:
        chain.append(first)
        first = following[first]
    if len(chain) > 1:
        starts = {at: spans[at].timestamp or 0 for at in chain}
        if len(set(starts.values())) < len(chain):
            chain.sort(key=lambda at: spans[at].id)
        chain.sort(key=starts.__getitem__)
        chain.reverse()
    return chain


def _parents(spans: Sequence[V2Span], top: int) -> list[int]:
    """The number of the span that each hangs from; that of `top` where it is not in the trace."""
    unshared = {span.id: at for at, span in enumerate(spans) if not span.shared}
    shared = {
        (span.id, _place(span.local_endpoint)): at for at, span in enumerate(spans) if span.shared
    }
    parents = []
    for at, span in enumerate(spans):
        parent = None
        if span.shared:
            parent = unshared.get(span.id)
        elif span.parent_id is not None:
            if shared:
                parent = shared.get((span.parent_id, _place(span.local_endpoint)))
            if parent is None:
                parent = unshared.get(span.parent_id)
        parents.append(top if parent is None or parent == at else parent)
    return parents


def _is_root(span: V2Span) -> bool:
    return span.parent_id is None and not span.shared
