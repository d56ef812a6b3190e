"""Who calls whom, read from traces. Source: Zipkin's dependency linker as observed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tracing.pipeline.model import Kind, V2Span
from tracing.pipeline.tree import build, known, merge


class Link(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """Calls of one service to another within some window; errors only where there were any."""

    parent: str
    child: str
    call_count: int
    error_count: int = 0


class _Place(msgspec.Struct, rename="camel", gc=False):
    service_name: str | None = None


class _Tags(msgspec.Struct, gc=False):
    error: str | None = None


class PlainPart(msgspec.Struct, rename="camel", gc=False):
    """Of a stored span only what links are read from; the names as they came.

    Units: timestamp is microseconds.
    """

    trace_id: str
    id: str
    parent_id: str | None = None
    kind: Kind | None = None
    timestamp: int | None = None
    shared: bool | None = None
    local_endpoint: _Place | None = None
    remote_endpoint: _Place | None = None
    tags: _Tags | None = None

    @property
    def is_top(self) -> bool:
        """Whether it names no other span as its parent."""
        return self.parent_id is None or self.parent_id == self.id

    @property
    def service(self) -> str | None:
        """The local service's name."""
        return _name(self.local_endpoint)

    @property
    def remote_service(self) -> str | None:
        """The remote service's name."""
        return _name(self.remote_endpoint)

    @property
    def failed(self) -> bool:
        """Whether it has the tag `error`."""
        return self.tags is not None and self.tags.error is not None


decode_plain: Final = msgspec.json.Decoder(list[PlainPart]).decode


def _name(place: _Place | None) -> str | None:
    return place.service_name.lower() if place is not None and place.service_name else None


class LinkCounter:
    """Adds up the links of whole traces."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], int] = {}
        self._errors: dict[tuple[str, str], int] = {}
        self._weight = 1

    def add_sum(self, parent: str, child: str, calls: int, errors: int) -> None:
        """Count calls that were counted elsewhere."""
        pair = parent, child
        self._calls[pair] = self._calls.get(pair, 0) + calls
        self._errors[pair] = self._errors.get(pair, 0) + errors

    def sums(self) -> Iterator[tuple[str, str, int, int]]:
        """(parent, child, calls, errors), which may be negative or zero after taking back."""
        for pair, calls in self._calls.items():
            yield *pair, calls, self._errors.get(pair, 0)

    def add_trace(self, spans: Sequence[V2Span], weight: int = 1) -> None:
        """Count one trace, given as its normalised spans; a weight of -1 takes it back."""
        self._weight = weight
        tree = build(known(merge(spans)))
        root = tree.root
        ends: list[V2Span | None] = []  # from the root down: the nearest end of a call
        for row in tree.rows:
            del ends[row.depth :]
            ancestor = ends[-1] if ends else None
            self._add_call(row.span, ancestor, callees=row.children > 0, is_root=row is root)
            ends.append(ancestor if row.span.kind is None else row.span)

    def add_plain(self, parts: Sequence[PlainPart]) -> bool:
        """Count one trace without making its tree: the same, at a third of the cost.

        False, and nothing is counted, where that cannot be done: parts that share an id must be
        joined first, and spans in a circle of parents are not counted.
        """
        by_id = {part.id: part for part in parts}
        if len(by_id) < len(parts):
            return False
        root = min((part.id for part in parts if part.is_top), default=None)
        top = None if root is None else by_id[root]
        parents: dict[str, PlainPart | None] = {}
        for part in parts:
            if part.shared:
                return False
            above = top if part.is_top else by_id.get(part.parent_id or "")
            parents[part.id] = None if part is top else above or top
        ends = _ends(parents)
        if ends is None:
            return False
        callers = {parent.id for parent in parents.values() if parent is not None}
        self._weight = 1
        for part in parts:
            self._add_call(part, ends[part.id], callees=part.id in callers, is_root=part is top)
        return True

    def links(self) -> list[Link]:
        """The sums so far, by caller and callee."""
        return [
            Link(parent, child, calls, self._errors.get((parent, child), 0))
            for (parent, child), calls in sorted(self._calls.items())
            if calls > 0
        ]

    def _add(self, parent: str | None, child: str | None, *, error: bool) -> None:
        if parent is None or child is None:
            return
        self._calls[parent, child] = self._calls.get((parent, child), 0) + self._weight
        if error:
            self._errors[parent, child] = self._errors.get((parent, child), 0) + self._weight

    def _add_call(
        self,
        part: V2Span | PlainPart,
        ancestor: V2Span | PlainPart | None,
        *,
        callees: bool,
        is_root: bool,
    ) -> None:
        """Count one span; the ancestor is the nearest span above that is one end of a call."""
        kind, local, remote = part.kind, part.service, part.remote_service
        if kind == "CLIENT" and callees:
            return  # the callee speaks for both
        if kind is None:
            if local is None or remote is None:
                return
            kind = "CLIENT"
        called = kind in ("SERVER", "CONSUMER")
        if called and is_root and remote is None:
            return
        parent, child = (remote, local) if called else (local, remote)
        error = part.failed
        if kind in ("PRODUCER", "CONSUMER"):
            self._add(parent, child, error=error)
            return
        above = None if ancestor is None else ancestor.service
        if ancestor is not None and above is not None:
            if kind == "CLIENT" and local is not None and local != above:
                # Some report the callee's name as their own on a client span.
                self._add(above, local, error=False)
            if kind == "SERVER" or parent is None:
                parent = above
            if ancestor.kind == "CLIENT" and part.parent_id == ancestor.id:
                # The caller's span was passed over above; its error counts here.
                error = error or ancestor.failed
        self._add(parent, child, error=error)


def _ends(parents: Mapping[str, PlainPart | None]) -> dict[str, PlainPart | None] | None:
    """The nearest end of a call above each span; None where parents lead in a circle."""
    ends: dict[str, PlainPart | None] = {}
    for start in parents:
        at = start
        path: list[tuple[str, PlainPart]] = []
        while at not in ends:
            above = parents[at]
            if above is None:
                ends[at] = None
                break
            if len(path) > len(parents):
                return None
            path.append((at, above))
            at = above.id
        for one, above in reversed(path):
            ends[one] = ends[above.id] if above.kind is None else above
    return ends


def links_of(traces: Iterable[Sequence[V2Span]]) -> list[Link]:
    """The summed links of whole traces."""
    counter = LinkCounter()
    for trace in traces:
        counter.add_trace(trace)
    return counter.links()
