"""Spans in memory, the oldest traces giving way: Zipkin's own default store."""

import heapq
from collections.abc import Iterable, Sequence

from tracing.pipeline.batch import Batch
from tracing.pipeline.links import Link, links_of
from tracing.pipeline.model import V2Span, low_half
from tracing.pipeline.normalise import normalised
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.port import Flow, StoreCounts, Trace
from tracing.pipeline.store.read.ranking import group, in_order, ranked, unique

_TAG_VALUES_MAX = 10_000  # of one key; names go with their traces, these do not


class MemoryStore:
    """Whole traces in a dict; nothing survives the process.

    Units: spans_max counts spans. Before a batch is kept, whole traces (equal low halves) go, the
    one with the oldest span first, until it fits; a span without a time is older than any other.
    """

    name = "InMemoryStorage{}"

    def __init__(
        self, *, strict: bool = True, spans_max: int = 500_000, keys: Iterable[str] = ()
    ) -> None:
        self._strict = strict
        self._spans_max = spans_max
        self._traces: dict[int, Trace] = {}
        self._oldest: dict[int, int] = {}
        self._ages: list[tuple[int, int]] = []  # a heap of (oldest, low); outdated pairs linger
        self._held = self._stored = self._evicted = 0
        self._users: dict[str, set[int]] = {}  # the traces that name a service
        self._names: dict[str, set[str]] = {}
        self._remotes: dict[str, set[str]] = {}
        self._values: dict[str, set[str]] = {key: set() for key in keys}

    async def append(self, batch: Batch) -> None:
        """Keep a batch, at the cost of the oldest traces."""
        spans = [normalised(span) for span in batch.spans]
        while self._traces and self._held + len(spans) > self._spans_max:
            self._evict_oldest()
        for span in spans:
            self._add(span)
        self._held += len(spans)
        self._stored += len(spans)

    def _add(self, span: V2Span) -> None:
        low = low_half(span.trace_id)
        self._traces.setdefault(low, []).append(span)
        age = span.timestamp or 0
        if age < self._oldest.get(low, age + 1):
            self._oldest[low] = age
            heapq.heappush(self._ages, (age, low))
        if (service := span.service) is not None:
            self._users.setdefault(service, set()).add(low)
            if span.name is not None:
                self._names.setdefault(service, set()).add(span.name)
            if span.remote_service is not None:
                self._remotes.setdefault(service, set()).add(span.remote_service)
        for key, values in self._values.items():
            if span.tags and key in span.tags and len(values) < _TAG_VALUES_MAX:
                values.add(span.tags[key])

    def _evict_oldest(self) -> None:
        age, low = heapq.heappop(self._ages)
        if self._oldest.get(low) != age:
            return  # outdated: the trace is older than this, or gone
        spans = self._traces.pop(low)
        del self._oldest[low]
        self._held -= len(spans)
        self._evicted += len(spans)
        for service in {span.service for span in spans if span.service is not None}:
            users = self._users[service]
            users.discard(low)
            if not users:
                del self._users[service]
                self._names.pop(service, None)
                self._remotes.pop(service, None)

    def _grouped(self) -> Iterable[Trace]:
        for spans in self._traces.values():
            yield from group(unique(spans), strict=self._strict)

    async def trace(self, trace_id: str) -> Trace:
        """The spans of one trace."""
        spans = self._traces.get(low_half(trace_id), [])
        return unique(s for s in spans if not self._strict or s.trace_id == trace_id)

    async def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Several traces, in the order asked for."""
        found = [await self.trace(trace_id) for trace_id in trace_ids]
        return in_order([trace for trace in found if trace], trace_ids, strict=self._strict)

    async def search(self, query: TraceQuery) -> list[Trace]:
        """The newest matching traces."""
        return [trace for _, trace in ranked(self._grouped(), query)]

    async def services(self) -> list[str]:
        """Local service names."""
        return sorted(self._users)

    async def span_names(self, service: str) -> list[str]:
        """Span names of a service."""
        return sorted(self._names.get(service, ()))

    async def remote_services(self, service: str) -> list[str]:
        """Remote names a service saw."""
        return sorted(self._remotes.get(service, ()))

    async def tag_values(self, key: str) -> list[str]:
        """Values of a configured key."""
        return sorted(self._values.get(key, ()))

    async def dependencies(self, end_ms: int, lookback_ms: int) -> list[Link]:
        """Links of the traces in the window; ids count by their low halves."""
        start_ms = end_ms - lookback_ms
        return links_of(
            unique(spans)
            for spans in self._traces.values()
            if any(start_ms <= (span.timestamp or 0) // 1000 <= end_ms for span in spans)
        )

    async def check(self) -> None:
        """Memory is always there."""

    def counts(self) -> StoreCounts:
        """The ledger."""
        flow = Flow(read_back=0, stored=self._stored, exported=0, queued=0, dropped={})
        return StoreCounts(flow, stored=self._stored, evicted=self._evicted)

    async def aclose(self) -> None:
        """Nothing to let go."""
