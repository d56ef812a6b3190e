"""What came of the requests that the load generator sent."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from demo.histogram import Histogram


@dataclass(slots=True)
class Tally:
    """Counts and latencies. A request ends in exactly one of `status` and `errors`."""

    status: Counter[int] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)  # a closed set of reasons
    latency: Histogram = field(default_factory=Histogram)
    elapsed_s: float = 0.0

    @property
    def answers(self) -> int:
        """Requests that were answered, whatever the status."""
        return self.status.total()

    @property
    def requests(self) -> int:
        """Requests that ended."""
        return self.answers + self.errors.total()

    def line(self) -> str:
        """One line for a terminal."""
        states = "  ".join(f"{status}: {count:,}" for status, count in sorted(self.status.items()))
        errors = f"  errors: {self.errors.total():,}" if self.errors else ""
        done = f"{self.requests:,} requests  {self._rate():,.0f}/s"
        return f"{done}  {states}{errors}  {self._latencies()}"

    def summary(self) -> str:
        """Everything, a line each."""
        lines = [
            f"requests  {self.requests:,} in {self.elapsed_s:.1f}s ({self._rate():,.1f}/s)",
            f"status    {_counts(self.status) or 'no answer'}",
            f"latency   {self._latencies()}",
        ]
        if self.errors:
            lines.append(f"errors    {_counts(self.errors)}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """The same as one JSON object. Units: seconds, milliseconds, requests a second."""
        return json.dumps(
            {
                "requests": self.requests,
                "answers": self.answers,
                "duration_s": round(self.elapsed_s, 3),
                "rate": round(self._rate(), 3),
                "status": {str(status): count for status, count in sorted(self.status.items())},
                "errors": dict(sorted(self.errors.items())),
                "latency_ms": {name: us / 1_000 for name, us in self._quantiles().items()},
            }
        )

    def _rate(self) -> float:
        return self.requests / self.elapsed_s if self.elapsed_s else 0.0

    def _quantiles(self) -> dict[str, int]:
        named = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        found = {name: self.latency.quantile_us(share) for name, share in named.items()}
        return found | {"max": self.latency.max_us}

    def _latencies(self) -> str:
        return "  ".join(f"{name} {us / 1_000:.1f}ms" for name, us in self._quantiles().items())


def _counts(counts: Counter[int] | Counter[str]) -> str:
    return "  ".join(f"{name}: {count:,}" for name, count in sorted(counts.items()))
