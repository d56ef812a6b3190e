"""Two traces side by side: what one did that the other did not, and what took longer. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tracing.pipeline.model import V2Span
from tracing.ui.view import Bar, Waterfall, show_us, waterfall

_Key = tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """The same step of both traces, or a step of one of them. Units: delta_us is b minus a."""

    depth: int
    a: Bar | None
    b: Bar | None
    delta_us: int | None

    @property
    def either(self) -> Bar:
        """The one that is there."""
        bar = self.a or self.b
        if bar is None:
            raise ValueError("a pair of nothing")
        return bar

    @property
    def delta(self) -> str:
        """The difference for people."""
        if self.delta_us is None:
            return "only in A" if self.b is None else "only in B"
        sign = "+" if self.delta_us > 0 else "-" if self.delta_us < 0 else ""
        return sign + show_us(abs(self.delta_us))


def _keyed(trace: Waterfall) -> dict[_Key, Bar]:
    """Rows by their way from the root: service, name and kind of each, and which of its like."""
    keys: dict[_Key, Bar] = {}
    way: list[tuple[str, str, str, int]] = []
    seen: Counter[tuple[object, ...]] = Counter()
    for bar in trace.bars:
        span = bar.span
        del way[bar.depth :]
        like = (*way, span.service or "", span.name or "", span.kind or "")
        step = (span.service or "", span.name or "", span.kind or "", seen[like])
        seen[like] += 1
        way.append(step)
        keys[tuple(way)] = bar
    return keys


def compare(
    first: Sequence[V2Span], second: Sequence[V2Span]
) -> tuple[Waterfall, Waterfall, list[Pair]]:
    """Both traces, and their steps in order: A's, with what only B has where B has it."""
    a, b = waterfall(first), waterfall(second)
    in_a, in_b = _keyed(a), _keyed(b)
    order = list(in_a)
    at = {key: place for place, key in enumerate(order)}
    only_b: dict[int, list[_Key]] = {}
    last = -1
    for key in in_b:
        if key in at:
            last = at[key]
        else:
            only_b.setdefault(last, []).append(key)
    keys = list(only_b.get(-1, []))
    for place, key in enumerate(order):
        keys.append(key)
        keys += only_b.get(place, [])
    return a, b, [_pair(in_a.get(key), in_b.get(key), len(key) - 1) for key in keys]


def _pair(a: Bar | None, b: Bar | None, depth: int) -> Pair:
    delta = None
    if a is not None and b is not None:
        delta = (b.span.duration or 0) - (a.span.duration or 0)
    return Pair(depth, a, b, delta)
