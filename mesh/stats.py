"""Counters and latency histograms as plain integers; text for them is made when somebody asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUB_BITS: Final = 3  # eight buckets between powers of two: 12.5 % wide at most
_SUB: Final = 1 << _SUB_BITS
_BUCKETS: Final = 41 * _SUB  # up to 2^40 µs, twelve days

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
        if value_us < _SUB:
            self.counts[max(value_us, 0)] += 1
            return
        shift = value_us.bit_length() - 1 - _SUB_BITS
        self.counts[min((shift + 1) * _SUB + ((value_us >> shift) & (_SUB - 1)), _BUCKETS - 1)] += 1

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

    def filled(self) -> Iterator[tuple[int, int]]:
        """(upper edge in microseconds, count) of every bucket that is not empty, rising."""
        for index, count in enumerate(self.counts):
            if count:
                yield upper_edge_us(index), count


def upper_edge_us(index: int) -> int:
    """The largest duration that falls into this bucket."""
    if index < _SUB:
        return index
    shift = index // _SUB - 1
    return ((_SUB + index % _SUB + 1) << shift) - 1


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
