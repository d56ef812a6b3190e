"""Which traces are kept, judged once their spans are together. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from typing import Final, NamedTuple, assert_never

from tracing.pipeline.model import V2Span
from tracing.pipeline.sampling import BoundarySampler

KEPT_TAG: Final = "weir.kept"
UNMATCHED: Final = "unmatched"
_DEBUG: Final = "debug"
_NEVER_US: Final = 1 << 63


class Verdict(NamedTuple):
    """Whether a trace is kept, and the policy that said so."""

    kept: bool
    policy: str


@dataclass(frozen=True, slots=True)
class Errors:
    """Keeps a trace with a span that failed: one with the tag `error`, whatever it says."""

    name: str = "errors"


@dataclass(frozen=True, slots=True)
class Slow:
    """Keeps a trace that lasts so long from its first start to its last end (microseconds)."""

    over_us: int
    name: str = "slow"


@dataclass(frozen=True, slots=True)
class Match:
    """Keeps, or drops, a trace with a span that meets every condition; `*` stands for any text."""

    service: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    keep: bool = True
    name: str = "match"


@dataclass(frozen=True, slots=True)
class Rate:
    """Keeps this share of traces, by their ids, and drops the rest."""

    rate: float
    name: str = "rate"


Policy = Errors | Slow | Match | Rate


class Facts:
    """What the policies must know of a trace; spans are told one by one and not kept.

    Shape: seen has a bit for each policy that a span met; last_row is the waiting room's.
    """

    __slots__ = ("_end_us", "_start_us", "debug", "last_row", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.debug = False
        self.last_row = 0
        self._start_us = _NEVER_US
        self._end_us = 0

    def tell(self, span: V2Span) -> None:
        """Take one span's times and whether it was asked for."""
        if span.debug:
            self.debug = True
        duration = span.duration or 0
        start = span.timestamp or 0
        if start > 0:
            end = start + duration
            self._start_us = min(self._start_us, start)
            self._end_us = max(self._end_us, end)
        elif duration > 0 and not self._end_us:
            self._start_us, self._end_us = 0, duration

    @property
    def took_us(self) -> int:
        """From the first start to the last end."""
        return max(self._end_us - self._start_us, 0)


class Policies:
    """An ordered list; the first that has something to say of a trace decides."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = tuple(policies)
        self._errors = sum(1 << n for n, p in enumerate(policies) if isinstance(p, Errors))
        self._meets = [(1 << n, _Meets(p)) for n, p in enumerate(policies) if isinstance(p, Match)]
        self._samplers = {p: BoundarySampler(p.rate) for p in self._policies if isinstance(p, Rate)}

    def tell(self, facts: Facts, spans: Iterable[V2Span]) -> None:
        """Add spans of one trace to what is known of it: their times, and which policies they meet.

        One loop over locals: most of what a span costs while it waits.
        """
        seen, errors, meets = facts.seen, self._errors, self._meets
        for span in spans:
            facts.tell(span)
            if errors and span.tags and "error" in span.tags:
                seen |= errors
            for bit, met_by in meets:
                if not seen & bit and met_by(span):
                    seen |= bit
        facts.seen = seen

    def facts(self, spans: Iterable[V2Span]) -> Facts:
        """The facts of a whole trace at once."""
        facts = Facts()
        self.tell(facts, spans)
        return facts

    def judge(self, low: int, facts: Facts) -> Verdict:
        """The verdict on the trace with this low half of its id."""
        if facts.debug:
            return Verdict(kept=True, policy=_DEBUG)
        for number, policy in enumerate(self._policies):
            seen = bool(facts.seen >> number & 1)
            match policy:
                case Errors(name):
                    if seen:
                        return Verdict(kept=True, policy=name)
                case Slow(over_us, name):
                    if facts.took_us >= over_us:
                        return Verdict(kept=True, policy=name)
                case Match():
                    if seen:
                        return Verdict(policy.keep, policy.name)
                case Rate():
                    return Verdict(self._samplers[policy].keeps_low(low), policy.name)
                case _:
                    assert_never(policy)
        return Verdict(kept=False, policy=UNMATCHED)


class _Meets:
    """One Match's test of a span."""

    def __init__(self, match: Match) -> None:
        self._service = None if match.service is None else _pattern(match.service)
        self._tags = [(key, _pattern(value)) for key, value in match.tags.items()]

    def __call__(self, span: V2Span) -> bool:
        if self._service is not None and not self._service.fullmatch(span.service or ""):
            return False
        tags = span.tags or {}
        return all(key in tags and known.fullmatch(tags[key]) for key, known in self._tags)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(translate(text), re.IGNORECASE)
