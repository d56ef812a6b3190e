"""What the pages show, as plain values. Pure."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tracing.pipeline.model import V2Endpoint, V2Span
from tracing.pipeline.skew import correct
from tracing.pipeline.tree import Node, build, merge
from tracing.ui.critical import Piece, critical_path

# How a request was routed, as the edge and the routers tag their spans.
_ROUTE_TAGS = frozenset({"service", "client", "residual", "router.label"})
_ROUTE_PREFIXES = ("dtab.", "edge.", "namer.", "route.")

# Unit, its name, and where the next one takes over: so that no text reads "1e+03 ms".
_UNITS = ((1, "µs", 1_000), (1_000, "ms", 999_500), (1_000_000, "s", 59_950_000))


def show_us(us: int | None) -> str:
    """A duration for people: "870 µs", "12.4 ms", "1.32 s", "2 min 5 s"; "?" when unknown."""
    if us is None:
        return "?"
    for unit_us, unit, below in _UNITS:
        if us < below:
            return f"{us / unit_us:.3g} {unit}" if unit_us > 1 else f"{us} {unit}"
    minutes, seconds = divmod(round(us / 1_000_000), 60)
    return f"{minutes} min {seconds} s"


def hue(service: str | None) -> int:
    """A colour's angle that a service keeps on every page."""
    return zlib.crc32((service or "").encode()) % 360


def is_error(span: V2Span) -> bool:
    """Zipkin's sign of failure: a tag `error`, with any value."""
    return "error" in (span.tags or ())


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of the waterfall.

    Units: left and width, also of the pieces on the critical path, are percent of the trace.
    """

    span: V2Span
    depth: int
    left: float
    width: float
    children: int
    start: str
    took: str
    error: bool
    hue: int
    critical: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...]
    route: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...]
    local: str
    remote: str

    @property
    def title(self) -> str:
        """The service's name, or what stands for one."""
        return self.span.service or self.span.remote_service or "unnamed"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """One trace. Units: start_us is microseconds since 1970, took_us microseconds."""

    trace_id: str
    bars: list[Bar]
    start_us: int
    took_us: int
    depth: int
    services: list[tuple[str, int, int]]
    errors: int
    headless: bool

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places of the time axis."""
        return [(part * 25.0, show_us(self.took_us * part // 4)) for part in range(5)]


def show_endpoint(endpoint: V2Endpoint | None) -> str:
    """An endpoint in one line."""
    if endpoint is None:
        return ""
    place = endpoint.ipv4 or (f"[{endpoint.ipv6}]" if endpoint.ipv6 else "")
    port = f":{endpoint.port}" if endpoint.port else ""
    return " ".join(part for part in (endpoint.service_name or "", place + port) if part)


def _ordered(root: Node) -> list[tuple[Node, int]]:
    """Depth first, without recursion: a trace may be 10,000 spans deep."""
    out: list[tuple[Node, int]] = []
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        if node.span is not None:
            out.append((node, depth))
            depth += 1
        stack.extend((child, depth) for child in reversed(node.children))
    return out


def _bounds(spans: Sequence[V2Span]) -> tuple[int, int]:
    starts = [span.timestamp for span in spans if span.timestamp]
    ends = [span.timestamp + (span.duration or 0) for span in spans if span.timestamp]
    start = min(starts, default=0)
    return start, max(ends, default=start) - start


def waterfall(spans: Sequence[V2Span]) -> Waterfall:
    """A trace's spans as rows, joined, in order of the tree, clocks corrected."""
    root = build(merge(spans))
    correct(root)
    rows = _ordered(root)
    path = critical_path(root)
    found = [node.span for node, _ in rows if node.span is not None]
    start_us, took_us = _bounds(found)
    counted = Counter(span.service or "unnamed" for span in found)
    return Waterfall(
        trace_id=found[0].trace_id if found else spans[0].trace_id,
        bars=[
            _bar(node, node.span, depth, path.get(id(node), []), _Scale(start_us, took_us))
            for node, depth in rows
            if node.span is not None
        ],
        start_us=start_us,
        took_us=took_us,
        depth=1 + max((depth for _, depth in rows), default=0),
        services=[(name, spans_of, hue(name)) for name, spans_of in counted.most_common()],
        errors=sum(map(is_error, found)),
        headless=root.span is None,
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    start_us: int
    took_us: int

    def place(self, at_us: int) -> float:
        """A moment in percent of the trace."""
        part = (at_us - self.start_us) * 100 / max(self.took_us, 1)
        return round(min(max(part, 0.0), 100.0), 3)


def _bar(node: Node, span: V2Span, depth: int, path: list[Piece], scale: _Scale) -> Bar:
    left = scale.place(span.timestamp) if span.timestamp else 0.0
    right = scale.place(span.timestamp + (span.duration or 0)) if span.timestamp else 0.0
    tags = tuple((span.tags or {}).items())
    notes = tuple((note.timestamp, note.value) for note in span.annotations or ())
    return Bar(
        span=span,
        depth=depth,
        left=left,
        width=round(right - left, 3),
        children=len(node.children),
        start=show_us(span.timestamp - scale.start_us) if span.timestamp else "?",
        took=show_us(span.duration),
        error=is_error(span),
        hue=hue(span.service),
        critical=tuple(
            (scale.place(first), round(scale.place(last) - scale.place(first), 3))
            for first, last in path
        ),
        marks=tuple((scale.place(at), value) for at, value in notes),
        route=tuple(tag for tag in tags if is_route_tag(tag[0])),
        tags=tuple(tag for tag in tags if not is_route_tag(tag[0])),
        notes=tuple((show_us(max(at - scale.start_us, 0)), value) for at, value in notes),
        local=show_endpoint(span.local_endpoint),
        remote=show_endpoint(span.remote_endpoint),
    )


def is_route_tag(key: str) -> bool:
    """Whether a tag tells the way a request was routed."""
    return key in _ROUTE_TAGS or key.startswith(_ROUTE_PREFIXES)


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of the search's answer. Units: share is percent of the longest hit's duration."""

    trace_id: str
    service: str
    name: str
    start_us: int
    took_us: int
    took: str
    share: float
    spans: int
    services: list[tuple[str, int, int]]
    errors: int


def hits(traces: Sequence[Sequence[V2Span]]) -> list[Hit]:
    """The found traces as lines, in the order given."""
    bounds = [_bounds(trace) for trace in traces]
    longest = max((took for _, took in bounds), default=0) or 1
    out = []
    for trace, (start_us, took_us) in zip(traces, bounds, strict=True):
        first = next(
            (s for s in trace if s.parent_id is None and not s.shared),
            min(trace, key=lambda s: s.timestamp or (1 << 63)),
        )
        counted = Counter(span.service or "unnamed" for span in trace)
        out.append(
            Hit(
                trace_id=trace[0].trace_id,
                service=first.service or "unnamed",
                name=first.name or "unnamed",
                start_us=start_us,
                took_us=took_us,
                took=show_us(took_us),
                share=round(took_us * 100 / longest, 2),
                spans=len(trace),
                services=[(name, spans, hue(name)) for name, spans in counted.most_common()],
                errors=sum(map(is_error, trace)),
            )
        )
    return out
