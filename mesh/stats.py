"""Counters and latency histograms as plain integers; text for them is made when somebody asks."""

from __future__ import annotations

from typing import Final

_SUB_BITS: Final = 3  # eight buckets between powers of two: 12.5 % wide at most
_SUB: Final = 1 << _SUB_BITS
_WIDTH: Final = _SUB_BITS + 1
_BUCKETS: Final = 38 * _SUB  # up to 2^40 µs, twelve days
_LARGEST: Final = 1 << 40

QUANTILES: Final = (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0)


class Histogram:
    """Log-linear counts of durations in microseconds."""

    __slots__ = ("count", "counts", "sum_us")

    def __init__(self) -> None:
        self.counts = [0] * _BUCKETS
        self.count = 0
        self.sum_us = 0

    def add(self, value_us: int) -> None:
        """Count one duration."""
        self.count += 1
        self.sum_us += value_us
        shift = value_us.bit_length() - _WIDTH
        if shift < 0:
            self.counts[max(0, value_us)] += 1
        elif value_us < _LARGEST:
            self.counts[(shift << _SUB_BITS) + (value_us >> shift)] += 1
        else:
            self.counts[-1] += 1

    def merge(self, other: Histogram) -> None:
        """Add another's counts."""
        self.count += other.count
        self.sum_us += other.sum_us
        self.counts = [
            mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)
        ]

    def quantile(self, q: float) -> float:
        """The upper edge of the bucket that holds this share of the durations, in microseconds.

        0.0 when empty.
        """
        wanted = max(1, round(q * self.count))
        seen = 0
        for index, count in enumerate(self.counts):
            seen += count
            if seen >= wanted and count:
                return float(upper_edge_us(index))
        return 0.0


def rounded_us(value_us: int) -> int:
    """The duration that a histogram takes this one for: the largest of its bucket."""
    shift = max(0, value_us.bit_length() - _WIDTH)
    return ((value_us >> shift) + 1 << shift) - 1


def upper_edge_us(index: int) -> int:
    """The largest duration that falls into this bucket."""
    if index < _SUB:
        return index
    shift = index // _SUB - 1
    return ((_SUB + index % _SUB + 1) << shift) - 1


class Tally:
    """Ordinary requests of one branch: one attempt, a success.

    Such a request counts for its server, its service and its client alike, so it is counted once
    and added to the three when somebody asks.
    """

    __slots__ = ("latency", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}  # bounded: a status line has three digits
        self.latency = Histogram()

    def add(self, status: int, elapsed_us: int) -> None:
        """Count one request."""
        statuses = self.statuses
        if status in statuses:
            statuses[status] += 1
        else:
            statuses[status] = 1
        self.latency.add(elapsed_us)


class Scope:
    """What is counted of one server, service or client."""

    __slots__ = ("failures", "latency", "pending", "requests", "statuses", "success")

    def __init__(self) -> None:
        self.requests = 0
        self.success = 0
        self.failures = 0
        self.pending = 0
        self.statuses: dict[int, int] = {}  # bounded: a status line has three digits
        self.latency = Histogram()

    def end(self, status: int, elapsed_us: int, *, success: bool) -> None:
        """One request is over; status 0 when there was no answer."""
        self.requests += 1
        if success:
            self.success += 1
        else:
            self.failures += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.latency.add(elapsed_us)

    def absorb(self, tally: Tally) -> None:
        """Add a branch's ordinary requests."""
        latency = tally.latency
        self.requests += latency.count
        self.success += latency.count
        for status, count in tally.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        self.latency.merge(latency)


class ServiceScope(Scope):
    """A service adds its retries."""

    __slots__ = ("budget_exhausted", "retries")

    def __init__(self) -> None:
        super().__init__()
        self.retries = 0
        self.budget_exhausted = 0


class ClientScope(Scope):
    """A client adds what happened below one logical request."""

    __slots__ = ("connect_failures", "requeues")

    def __init__(self) -> None:
        super().__init__()
        self.connect_failures = 0
        self.requeues = 0
