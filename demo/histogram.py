"""Latencies in buckets that grow by two percent. Pure; the memory does not grow with the count."""

from __future__ import annotations

import math
from typing import Final

GROWTH: Final = 1.02  # so a quantile is at most two percent off
_LOG: Final = math.log(GROWTH)
# ln(2**36 us) / ln 1.02: the last bucket holds everything beyond nineteen hours.
BUCKETS: Final = 1_261


class Histogram:
    """Counts of latencies. Units: whole microseconds."""

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.max_us = 0

    def add(self, latency_us: int) -> None:
        """Count one latency; less than a microsecond counts as one."""
        at = int(math.log(latency_us) / _LOG) if latency_us > 1 else 0
        self._counts[min(at, BUCKETS - 1)] += 1
        self.count += 1
        self.max_us = max(self.max_us, latency_us)

    def quantile_us(self, share: float) -> int:
        """Smallest bucket edge that at least `share` (0.0 to 1.0) of all latencies stay below."""
        wanted = math.ceil(share * self.count)
        seen = 0
        for at, count in enumerate(self._counts):
            seen += count
            if seen >= wanted > 0:
                return min(self.max_us, math.ceil(GROWTH ** (at + 1)))
        return self.max_us
