"""Two traces side by side: what one did that the other did not, and what took longer. Pure."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.model import V2Span
from tracing.pipeline.tree import Row
from tracing.ui.names import Name, hue, name_of, short_client, show_us
from tracing.ui.view import Waterfall, is_error

_Step = tuple[str, str, str]
_Difference = tuple[str, str, str]  # a tag, a's value, b's


@dataclass(frozen=True, slots=True)
class Pair:
    """The same step of both traces, or a step of one of them. Units: delta_us is b minus a.

    Shape: `differs` are the route's tags that differ here and did not above.
    """

    a: Row | None
    b: Row | None
    delta_us: int | None
    differs: tuple[_Difference, ...] = ()

    @property
    def either(self) -> Row:
        """The one that is there."""
        row = self.a or self.b
        if row is None:
            raise ValueError("a pair of nothing")
        return row

    @property
    def name(self) -> Name:
        """What it is called."""
        return name_of(self.either.span)

    @property
    def hue(self) -> int:
        """Its colour."""
        return hue(self.name.who)

    @property
    def error(self) -> bool:
        """Whether a side failed."""
        return any(row is not None and is_error(row.span) for row in (self.a, self.b))

    @property
    def delta(self) -> str:
        """The difference for people."""
        if self.delta_us is None:
            return "only in A" if self.b is None else "only in B"
        sign = "+" if self.delta_us > 0 else "-" if self.delta_us < 0 else ""
        return sign + show_us(abs(self.delta_us))


def _step(span: V2Span) -> _Step:
    """What makes two steps the same: of a router's, not the node and not the version it led to."""
    tags = span.tags or {}
    if "router.label" in tags:
        return tags["router.label"], tags.get("service", ""), span.kind or ""
    name = name_of(span)
    return name.who, name.what, span.kind or ""


class _Ways:
    """Numbers for ways from the root, the same for both traces: a trace may be 10,000 deep."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, _Step, int], int] = {}

    def number(self, trace: Waterfall) -> dict[int, Row]:
        """Rows by their way: the step of each, and which of its like."""
        numbered: dict[int, Row] = {}
        above: list[int] = []
        seen: Counter[tuple[int, _Step]] = Counter()
        for row in trace.rows:
            del above[row.depth :]
            parent = above[-1] if above else -1
            like = (parent, _step(row.span))
            way = self._known.setdefault((*like, seen[like]), len(self._known))
            seen[like] += 1
            above.append(way)
            numbered[way] = row
        return numbered


def compare(a: Waterfall, b: Waterfall) -> list[Pair]:
    """The steps of both in order: A's, with what only B has where B has it."""
    ways = _Ways()
    in_a, in_b = ways.number(a), ways.number(b)
    only_b: dict[int, list[int]] = {}
    last = -1
    for way in in_b:
        if way in in_a:
            last = way
        else:
            only_b.setdefault(last, []).append(way)
    order = list(only_b.get(-1, []))
    for way in in_a:
        order.append(way)
        order += only_b.get(way, [])
    told: set[_Difference] = set()
    return [_pair(in_a.get(way), in_b.get(way), told) for way in order]


_TOLD: Final = (
    "client",
    "dtab.version",
    "dtab.local",
    "edge.rule",
    "edge.grant",
    "http.status_code",
)


def _pair(a: Row | None, b: Row | None, told: set[_Difference]) -> Pair:
    if a is None or b is None:
        return Pair(a, b, None)
    ours, theirs = _way(a.span), _way(b.span)
    differs = [(key, ours[key], theirs[key]) for key in ours if ours[key] != theirs[key]]
    fresh = tuple(one for one in differs if one not in told)  # said of a caller, said of all
    told.update(fresh)
    return Pair(a, b, (b.span.duration or 0) - (a.span.duration or 0), fresh)


def _way(span: V2Span) -> dict[str, str]:
    """The way a step took. A client by its short name: which node it is on makes no difference."""
    tags = span.tags or {}
    way = {key: tags.get(key, "none") for key in _TOLD}
    way["client"] = short_client(way["client"])
    return way
