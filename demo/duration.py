"""Go's durations: `1h2m3.5s`, `500ms`, `-1.5h`, `0`; whole nanoseconds, as Go keeps them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, NewType

Nanos = NewType("Nanos", int)

SECOND: Final = 1_000_000_000
NONE: Final = Nanos(0)
UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5
    "μs": 1_000,  # U+03BC, which Go takes as well
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3_600 * SECOND,
}
PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
TEXT_MAX: Final = 64  # characters; the longest text of a value that fits has 25
NANOS_MAX: Final = 2**63 - 1  # about 292 years: Go's int64


class DurationError(ValueError):
    """The text is no Go duration, or one that does not fit."""


def parse_duration(text: str) -> Nanos:
    """Read a duration as Go's time.ParseDuration does. Raises: DurationError."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return Nanos(0)
    total, end = Decimal(0), 0
    while end < len(rest) <= TEXT_MAX:
        part = PART.match(rest, end)
        if part is None:
            break
        total += Decimal(part[1]) * UNITS[part[2]]
        end = part.end()
    if not rest or end < len(rest):
        raise DurationError(f"{text[:TEXT_MAX]!r} is no duration; write for example 1m30s or 500ms")
    if total > NANOS_MAX:
        raise DurationError(f"{text[:TEXT_MAX]!r} is longer than 292 years")
    return Nanos(sign * int(total))


def show_duration(nanos: Nanos) -> str:
    """Write a duration as Go prints it: 1m0s, 1.5s, 2ms, 0s."""
    sign, rest = ("-" if nanos < 0 else ""), abs(nanos)
    if rest == 0:
        return "0s"
    for unit, name in ((UNITS["us"], "ns"), (UNITS["ms"], "µs"), (UNITS["s"], "ms")):
        if rest < unit:
            return sign + _decimal(rest, UNITS[name]) + name
    minutes, rest = divmod(rest, UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    whole = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return sign + whole + _decimal(rest, SECOND) + "s"


def seconds(nanos: Nanos) -> float:
    """The duration in seconds, for timers; a negative one does not wait."""
    return max(0, nanos) / SECOND


def _decimal(nanos: int, unit: int) -> str:
    whole, rest = divmod(nanos, unit)
    digits = f"{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
