"""Who calls whom, read from traces. Source: Zipkin's dependency linker as observed."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from tracing.pipeline.model import V2Span
from tracing.pipeline.tree import Row, build, merge


class Link(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    """Calls of one service to another within some window; errors only where there were any."""

    parent: str
    child: str
    call_count: int
    error_count: int = 0


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
        tree = build(merge(spans))
        root = tree.root
        ends: list[V2Span | None] = []  # from the root down: the nearest end of a call
        for row in tree.rows:
            del ends[row.depth :]
            ancestor = ends[-1] if ends else None
            self._add_row(row, ancestor, is_root=row is root)
            ends.append(ancestor if row.span.kind is None else row.span)

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

    def _add_row(self, row: Row, ancestor: V2Span | None, *, is_root: bool) -> None:
        span = row.span
        kind, local, remote = span.kind, span.service, span.remote_service
        if kind == "CLIENT" and row.children:
            return  # the callee speaks for both
        if kind is None:
            if local is None or remote is None:
                return
            kind = "CLIENT"
        called = kind in ("SERVER", "CONSUMER")
        if called and is_root and remote is None:
            return
        parent, child = (remote, local) if called else (local, remote)
        error = "error" in (span.tags or ())
        if kind in ("PRODUCER", "CONSUMER"):
            self._add(parent, child, error=error)
            return
        if ancestor is not None and ancestor.service is not None:
            above = ancestor.service
            if kind == "CLIENT" and local is not None and local != above:
                # Some report the callee's name as their own on a client span.
                self._add(above, local, error=False)
            if kind == "SERVER" or parent is None:
                parent = above
            if ancestor.kind == "CLIENT" and span.parent_id == ancestor.id:
                # The caller's span was passed over above; its error counts here.
                error = error or "error" in (ancestor.tags or ())
        self._add(parent, child, error=error)


def links_of(traces: Iterable[Sequence[V2Span]]) -> list[Link]:
    """The summed links of whole traces."""
    counter = LinkCounter()
    for trace in traces:
        counter.add_trace(trace)
    return counter.links()
