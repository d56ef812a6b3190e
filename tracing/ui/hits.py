"""Found traces as lines, and as points over time. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.model import V2Span
from tracing.pipeline.skew import correct
from tracing.pipeline.tree import build, merge
from tracing.ui.names import hue, member_of, name_of, show_us
from tracing.ui.view import bounds, is_error, is_route_tag

_FAR: Final = 1 << 63
_SEARCHED: Final = frozenset(("http.method", "http.status_code", "io.buoyant.router.Failure"))
_LONG: Final = frozenset(("dtab.trail",))
_VALUE_CHARS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Hit:
    """A line of the search's answer.

    Shape: `steered` is the request's own table, empty for one that went the way of all.
    Units: share is percent of the longest hit's duration.
    """

    trace_id: str
    who: str
    what: str
    start_us: int
    took_us: int
    took: str
    share: float
    spans: int
    members: list[tuple[str, int, int]]
    errors: int
    status: str
    steered: str


def hits(traces: Sequence[Sequence[V2Span]]) -> list[Hit]:
    """The found traces as lines, in the order given."""
    ends = [_bounds(trace) for trace in traces]
    longest = max((took for _, took in ends), default=0) or 1
    out = []
    for trace, (start_us, took_us) in zip(traces, ends, strict=True):
        first = next(
            (s for s in trace if s.parent_id is None and not s.shared),
            min(trace, key=lambda s: s.timestamp or _FAR),
        )
        counted = Counter(map(member_of, trace))
        who, what = name_of(first)
        out.append(
            Hit(
                trace_id=trace[0].trace_id,
                who=who,
                what=what,
                start_us=start_us,
                took_us=took_us,
                took=show_us(took_us),
                share=round(took_us * 100 / longest, 2),
                spans=len(trace),
                members=[(name, spans, hue(name)) for name, spans in counted.most_common()],
                errors=sum(map(is_error, trace)),
                status=(first.tags or {}).get("http.status_code", ""),
                steered=next(
                    (t["dtab.local"] for s in trace if "dtab.local" in (t := s.tags or {})), ""
                ),
            )
        )
    return out


def _bounds(trace: Sequence[V2Span]) -> tuple[int, int]:
    """As `bounds`, by one clock: a callee's that is behind seems to have begun before the root."""
    start_us, took_us = bounds(trace)
    root = next((s for s in trace if s.parent_id is None and not s.shared and s.timestamp), None)
    if root is None or root.timestamp == start_us:
        return start_us, took_us
    tree = build(merge(trace))
    correct(tree)
    return bounds([row.span for row in tree.rows])


def tags_of(traces: Sequence[Sequence[V2Span]], most: int) -> dict[str, set[str]]:
    """Values of the tags that people search by, of a route and of HTTP, so many of each."""
    found: dict[str, set[str] | None] = {}  # None for a key that nobody searches by
    for trace in traces:
        for span in trace:
            for key, value in (span.tags or {}).items():
                if key not in found:
                    found[key] = set() if _is_searched(key) else None
                values = found[key]
                if values is not None and len(values) < most and len(value) <= _VALUE_CHARS_MAX:
                    values.add(value)
    return {key: values for key, values in found.items() if values}


def _is_searched(key: str) -> bool:
    return key in _SEARCHED or (is_route_tag(key) and key not in _LONG)


@dataclass(frozen=True, slots=True)
class Point:
    """A hit's place. Units: x and y are percent of the plot, y from its top."""

    hit: Hit
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Plot:
    """Hits over time; durations by their logarithm, so that slow ones do not flatten the rest."""

    points: list[Point]
    first_us: int
    last_us: int
    shortest: str
    longest: str


def plot(found: Sequence[Hit]) -> Plot | None:
    """The hits as points; None where there are too few to be a picture."""
    timed = [hit for hit in found if hit.start_us]
    if len(timed) < 2:  # noqa: PLR2004 - one point shows nothing
        return None
    first, last = min(hit.start_us for hit in timed), max(hit.start_us for hit in timed)
    low = math.log(max(min(hit.took_us for hit in timed), 1))
    high = math.log(max(*(hit.took_us for hit in timed), 1))
    points = [
        Point(
            hit,
            round(1 + 98 * (hit.start_us - first) / max(last - first, 1), 2),
            round(92 - 84 * (math.log(max(hit.took_us, 1)) - low) / (high - low or 1.0), 2),
        )
        for hit in timed
    ]
    return Plot(points, first, last, show_us(round(math.exp(low))), show_us(round(math.exp(high))))
