"""One trace as rows of a waterfall. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.model import V2Span
from tracing.pipeline.skew import correct
from tracing.pipeline.tail.policy import KEPT_TAG
from tracing.pipeline.tree import Row, build, merge
from tracing.ui.critical import Piece, critical_path
from tracing.ui.names import Name, hue, member_of, name_of, show_endpoint, show_us

# How a request was routed, as the edge and the routers tag their spans, in the order of the way.
_ROUTE_TAGS: Final = (
    "edge.host",
    "edge.rule",
    "edge.grant",
    "edge.grant.refused",
    "edge.override",
    "edge.override.effect",
    "edge.answer",
    "router.label",
    "service",
    "dtab.version",
    "dtab.local",
    "dtab.trail",
    "client",
    "residual",
)
_IS_ROUTE: Final = frozenset(_ROUTE_TAGS)
_STEERING: Final = (
    "edge.rule",
    "edge.grant",
    "edge.grant.refused",
    "edge.override",
    "edge.override.effect",
    "dtab.local",
)
_FREED_AT_ONCE: Final = 1_000
_STEERING_ROWS_MAX: Final = 1_000  # whoever steers does so where the request comes in
_ROUTE_PREFIXES: Final = ("dtab.", "edge.", "namer.", "route.")
_PATH_PIECES_MAX: Final = 200  # drawn of one span
_MARKS_MAX: Final = 50
_BETWEEN: Final = "\0"  # nobody types it


def is_error(span: V2Span) -> bool:
    """Zipkin's sign of failure: a tag `error`, with any value."""
    return "error" in (span.tags or ())


def is_route_tag(key: str) -> bool:
    """Whether a tag tells the way a request was routed."""
    return key in _IS_ROUTE or key.startswith(_ROUTE_PREFIXES)


def bounds(spans: Sequence[V2Span]) -> tuple[int, int]:
    """When the first of them began (µs since 1970), and how long all lasted (µs)."""
    starts = [span.timestamp for span in spans if span.timestamp]
    ends = [span.timestamp + (span.duration or 0) for span in spans if span.timestamp]
    start = min(starts, default=0)
    return start, max(ends, default=start) - start


def holds(span: V2Span, text: str) -> bool:
    """Whether the text, in small letters, stands anywhere in the span."""
    tags = span.tags or {}
    texts = [*name_of(span), span.id, span.service or "", span.name or ""]
    texts += [span.remote_service or "", *tags, *tags.values()]
    texts += [note.value for note in span.annotations or ()]
    return text in _BETWEEN.join(texts).lower()


@dataclass(frozen=True, slots=True)
class Bar:
    """A row as it is drawn.

    Units: left and width, also of the pieces on the critical path, are percent of the trace.
    """

    span: V2Span
    name: Name
    depth: int
    left: float
    width: float
    children: int
    start: str
    took: str
    error: bool
    orphan: bool
    hue: int
    critical: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...]
    route: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    local: str
    remote: str

    @property
    def anchor(self) -> str:
        """The row's id on its page: the two ends of a shared span have one id between them."""
        return self.span.id + ("-s" if self.span.shared else "")


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One trace, joined, in order of the tree, clocks corrected.

    Shape: `cut_off` counts spans whose parents lead in a circle; they stand at the end; `orphans`
    are the parents that spans name and that are not here; `kept` is the tail's policy.
    Units: start_us is microseconds since 1970, took_us microseconds.
    """

    trace_id: str
    rows: list[Row]
    path: list[Piece]
    start_us: int
    took_us: int
    depth: int
    members: list[tuple[str, int, int]]
    errors: int
    headless: bool
    cut_off: int
    orphans: frozenset[str]
    kept: str

    def free(self) -> None:
        """Let go of the rows, some at a time: all of 100,000 at once stop every thread for 80 ms.

        Nobody may look at the trace any more.
        """
        while self.rows:
            del self.rows[-_FREED_AT_ONCE:]

    @property
    def steering(self) -> Sequence[tuple[str, str]]:
        """What made the request go its own way: tags of the first row that has any of them."""
        for row in self.rows[:_STEERING_ROWS_MAX]:
            tags = row.span.tags or {}
            told = [(key, tags[key]) for key in _STEERING if key in tags]
            if told:
                return told
        return ()

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places of the time axis."""
        return [(part * 25.0, show_us(self.took_us * part // 4)) for part in range(5)]

    def bars(self, rows: Sequence[Row]) -> list[Bar]:
        """Some of the rows as they are drawn."""
        scale = _Scale(self.start_us, self.took_us)
        path: dict[int, list[Piece]] = {row.at: [] for row in rows}
        for piece in self.path:
            if piece.at in path:
                path[piece.at].append(piece)
        return [
            _bar(row, path[row.at], scale, orphan=row.span.parent_id in self.orphans)
            for row in rows
        ]

    def index(self, span_id: str) -> int | None:
        """The number of a span's first row."""
        return next((row.at for row in self.rows if row.span.id == span_id), None)

    def below(self, span_id: str) -> list[Row]:
        """A span and everything under it, its depth the first; empty when it is not here."""
        first = self.index(span_id)
        if first is None:
            return []
        top = self.rows[first]
        return [
            Row(row.span, row.depth - top.depth, row.at, row.size, row.children)
            for row in self.rows[first : first + top.size]
        ]


def waterfall(spans: Sequence[V2Span]) -> Waterfall:
    """A trace's spans as rows. Shape: at least one span."""
    tree = build(merge(spans))
    correct(tree)
    rows = tree.rows + [
        Row(span, 0, at, 1, 0) for at, span in enumerate(tree.cut_off, len(tree.rows))
    ]
    shown = [row.span for row in rows]
    start_us, took_us = bounds(shown)
    ids = {span.id for span in shown}
    named = {span.parent_id for span in shown if not span.shared} - {None}
    counted = Counter(map(member_of, shown))
    return Waterfall(
        trace_id=shown[0].trace_id,
        rows=rows,
        path=critical_path(tree),
        start_us=start_us,
        took_us=took_us,
        depth=1 + max(row.depth for row in rows),
        members=[(name, number, hue(name)) for name, number in counted.most_common()],
        errors=sum(map(is_error, shown)),
        headless=tree.root is None,
        cut_off=len(tree.cut_off),
        orphans=frozenset(one for one in named if one is not None and one not in ids),
        kept=next((told for span in shown if (told := (span.tags or {}).get(KEPT_TAG))), ""),
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start_us: int
    took_us: int

    def place(self, at_us: int) -> float:
        """A moment in percent of the trace."""
        part = (at_us - self.start_us) * 100 / max(self.took_us, 1)
        return round(min(max(part, 0.0), 100.0), 3)


def _bar(row: Row, path: Sequence[Piece], scale: _Scale, *, orphan: bool) -> Bar:
    span = row.span
    name = name_of(span)
    left = scale.place(span.timestamp) if span.timestamp else 0.0
    right = scale.place(span.timestamp + (span.duration or 0)) if span.timestamp else 0.0
    tags = span.tags or {}
    notes = tuple((note.timestamp, note.value) for note in span.annotations or ())
    known = [key for key in _ROUTE_TAGS if key in tags]
    further = [key for key in tags if key.startswith(_ROUTE_PREFIXES) and key not in _IS_ROUTE]
    return Bar(
        span=span,
        name=name,
        depth=row.depth,
        left=left,
        width=round(right - left, 3),
        children=row.children,
        start=show_us(span.timestamp - scale.start_us) if span.timestamp else "?",
        took=show_us(span.duration),
        error=is_error(span),
        orphan=orphan,
        hue=hue(name.who),
        critical=tuple(
            (first := scale.place(piece.start_us), round(scale.place(piece.end_us) - first, 3))
            for piece in path[:_PATH_PIECES_MAX]
        ),
        marks=tuple((scale.place(at), value) for at, value in notes[:_MARKS_MAX]),
        route=tuple((key, tags[key]) for key in known + further),
        tags=tuple(tag for tag in tags.items() if not is_route_tag(tag[0])),
        notes=tuple((show_us(max(at - scale.start_us, 0)), value) for at, value in notes),
        local=show_endpoint(span.local_endpoint),
        remote=show_endpoint(span.remote_endpoint),
    )
