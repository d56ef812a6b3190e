"""The last recorded request of each service and latency bucket, for metrics to point at. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from mesh.stats import rounded_us
from tracing.exchange import ExchangeRecord

if TYPE_CHECKING:
    from tracing.exchange import Record

# Seconds; Prometheus' own default buckets, with two more below for a proxy's answers.
EDGES_S: Final = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
SERVICES_MAX: Final = 1_000  # as many as are counted

# Trace id, duration (µs), begin (µs since 1970).
Exemplar = tuple[str, int, int]


class Exemplars:
    """Kept when a request is recorded, so traces that are not sampled cost nothing."""

    def __init__(self) -> None:
        self.by_service: dict[str, dict[int, Exemplar]] = {}

    def note(self, record: Record) -> None:
        """Remember a server span, or an exchange, which has one."""
        if isinstance(record, ExchangeRecord):
            service, trace_id = record.route.tags.get("service"), record.trace.trace_id
        else:
            service, trace_id = (record.route or {}).get("service"), record.trace_id
        if service is None:
            return  # it reached no service
        found = self.by_service.get(service)
        if found is None:
            if len(self.by_service) >= SERVICES_MAX:
                return
            found = self.by_service[service] = {}
        bucket = bucket_of(rounded_us(record.elapsed_us))
        found[bucket] = (trace_id.hex(), record.elapsed_us, record.start_us)


def bucket_of(elapsed_us: int) -> int:
    """The number of the bucket that a duration falls into; the last one has no end."""
    return bisect_left(EDGES_S, elapsed_us / 1e6)
