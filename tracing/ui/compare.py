"""Two traces side by side: what one did that the other did not, and what took longer. Pure."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from tracing.pipeline.model import V2Span
from tracing.pipeline.tree import Row
from tracing.ui.names import Name, hue, name_of, short_client, show_us
from tracing.ui.view import Waterfall, is_error

_Step = tuple[str, str, str]
_Difference = tuple[str, str, str]  # a tag, a's value, b's

# The tags of a route, and the status: what makes two ways of the same step two.
_TOLD: Final = (
    "client",
    "dtab.version",
    "dtab.local",
    "edge.rule",
    "edge.grant",
    "http.status_code",
)
# From here on a step that took longer or shorter is a change: one in so many of the whole trace.
_MATTERS_PART: Final = 100
_BITS: Final = 40  # of a number of a span, far more than a trace may have


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


class Sums(NamedTuple):
    """Steps that only one trace has, and steps that failed in only one."""

    only_a: int
    only_b: int
    failed_a: int
    failed_b: int


class Comparison:
    """The steps of two traces in order: A's, with what only B has where B has it."""

    def __init__(self, a: Waterfall, b: Waterfall) -> None:
        ways = _Ways()
        self._in_a, self._in_b = in_a, in_b = ways.number(a), ways.number(b)
        self._matters_us = max(a.took_us, b.took_us, 1) / _MATTERS_PART
        only_b: dict[int, list[int]] = {}
        last = -1
        for way in in_b:
            if way in in_a:
                last = way
            else:
                only_b.setdefault(last, []).append(way)
        self.steps = list(only_b.get(-1, []))
        for way in in_a:
            self.steps.append(way)
            self.steps += only_b.get(way, [])

    def pairs(self, steps: Sequence[int]) -> list[Pair]:
        """Some of the steps as they are shown."""
        return list(self._pairs(steps))

    def changed(self) -> list[int]:
        """The steps that are not the same in both: missing, failed, routed otherwise, or longer or
        shorter by more than a hundredth of the longer trace.
        """
        told = zip(self.steps, self._pairs(self.steps), strict=True)
        return [step for step, pair in told if self._is_change(pair)]

    def sums(self) -> Sums:
        """How much of one is not in the other."""
        failed_a, failed_b = (
            {way for way, row in rows.items() if is_error(row.span)}
            for rows in (self._in_a, self._in_b)
        )
        return Sums(
            len(self._in_a.keys() - self._in_b.keys()),
            len(self._in_b.keys() - self._in_a.keys()),
            len(failed_a - failed_b),
            len(failed_b - failed_a),
        )

    def _pairs(self, steps: Sequence[int]) -> Iterator[Pair]:
        told: set[_Difference] = set()
        for step in steps:
            yield _pair(self._in_a.get(step), self._in_b.get(step), told)

    def _is_change(self, pair: Pair) -> bool:
        if pair.a is None or pair.b is None or pair.delta_us is None or pair.differs:
            return True
        failed_once = is_error(pair.a.span) != is_error(pair.b.span)
        return failed_once or abs(pair.delta_us) > self._matters_us


def _step(span: V2Span) -> _Step:
    """What makes two steps the same: of a router's, not the node and not the version it led to."""
    tags = span.tags or {}
    if "router.label" in tags:
        return tags["router.label"], tags.get("service", ""), span.kind or ""
    name = name_of(span)
    return name.who, name.what, span.kind or ""


class _Ways:
    """Numbers for ways from the root, the same for both traces: a trace may be 100,000 deep."""

    def __init__(self) -> None:
        self._steps: dict[_Step, int] = {}
        self._known: dict[int, int] = {}

    def number(self, trace: Waterfall) -> dict[int, Row]:
        """Rows by their way: the step of each, which of its like, and the way of its caller."""
        numbered: dict[int, Row] = {}
        above: list[int] = []
        seen: Counter[int] = Counter()
        for row in trace.rows:
            del above[row.depth :]
            parent = above[-1] if above else -1
            step = self._steps.setdefault(_step(row.span), len(self._steps))
            # Whole numbers, not tuples: 200,000 of those keep the garbage collector busy.
            like = (parent + 1) << _BITS | step
            way = self._known.setdefault(like << _BITS | seen[like], len(self._known))
            seen[like] += 1
            above.append(way)
            numbered[way] = row
        return numbered


def _pair(a: Row | None, b: Row | None, told: set[_Difference]) -> Pair:
    if a is None or b is None:
        return Pair(a, b, None)
    delta_us = (b.span.duration or 0) - (a.span.duration or 0)
    ours, theirs = a.span.tags or {}, b.span.tags or {}
    if all(ours.get(key) == theirs.get(key) for key in _TOLD):
        return Pair(a, b, delta_us)
    both = [(key, *_sides(key, ours, theirs)) for key in _TOLD]
    differs = [one for one in both if one[1] != one[2]]
    fresh = tuple(one for one in differs if one not in told)  # said of a caller, said of all
    told.update(fresh)
    return Pair(a, b, delta_us, fresh)


def _sides(key: str, ours: dict[str, str], theirs: dict[str, str]) -> tuple[str, str]:
    """A tag's two values. A client by its short name: which node it is on makes no difference."""
    a, b = ours.get(key, "none"), theirs.get(key, "none")
    return (short_client(a), short_client(b)) if key == "client" else (a, b)
