"""What the collector asks of a store; tests/kits/span_store.py says what each promises."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tracing.pipeline.batch import Batch
from tracing.pipeline.links import Link
from tracing.pipeline.model import V2Span
from tracing.pipeline.search import TraceQuery

Trace = list[V2Span]


class StoreBusyError(Exception):
    """The queue before the store is full; nothing of the batch was taken."""


class StoreError(Exception):
    """The store could not do it; the text says why."""


@dataclass(frozen=True, slots=True)
class TailCounts:
    """The ledger of spans that wait for a verdict before they are stored, or not.

    Shape: accepted, kept and dropped count from the store's creation on, each by itself, and
    accepted == waiting + kept + the sum of dropped; the others since this process
    began, which read some back.
    """

    accepted: int
    kept: int
    waiting: int
    dropped: dict[str, int]
    read_back: int
    dropped_now: dict[str, int]


@dataclass(frozen=True, slots=True)
class Flow:
    """Where the spans are that a store was handed since this process began, or found owed.

    Shape: read_back is what another process left queued; dropped is by reason. At every moment
    read_back + appended == stored + exported + queued + the sum of dropped, each of them counted
    by itself. A span is stored once nobody waits for it any more, exported once every exporter
    has taken it, queued before its commit, its verdict or its export.
    """

    read_back: int
    stored: int
    exported: int
    queued: int
    dropped: dict[str, int]


class Standing(NamedTuple):
    """Spans by what became of them once they were stored; their sum is all that were.

    Shape: kept is owed to nobody (no exporter, or one that will not have them); exported is what
    every exporter has taken; lost was forgotten before that; owed waits for an exporter.
    """

    kept: int
    exported: int
    lost: int
    owed: int


@dataclass(frozen=True, slots=True)
class StoreCounts:
    """A store's own ledger since it was created, restarts included.

    Shape: spoilt counts the blocks that this process could not read.
    Units: spans. held = stored - evicted, and stored is what stands anywhere.
    """

    flow: Flow
    stored: int
    evicted: int
    blocks: int = 0
    size_bytes: int = 0
    spoilt: int = 0
    tail: TailCounts | None = None
    standing: Standing | None = None


class SpanStore(Protocol):
    """Keeps spans and finds traces.

    Spans come back raw: the parts as they arrived, normalised, exactly equal ones once. A trace
    id means its low 64 bits unless the store was made strict.
    """

    name: str

    async def append(self, batch: Batch) -> None:
        """Keep a batch; returns once it is durable. Raises: StoreBusyError, StoreError."""
        ...

    async def trace(self, trace_id: str) -> Trace:
        """The spans of one trace (normalised id); empty when unknown."""
        ...

    async def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Several traces in the order asked for, unknown ones left out."""
        ...

    async def search(self, query: TraceQuery) -> list[Trace]:
        """The newest matching traces."""
        ...

    async def services(self) -> list[str]:
        """Local service names, sorted."""
        ...

    async def span_names(self, service: str) -> list[str]:
        """Span names of a local service, sorted."""
        ...

    async def remote_services(self, service: str) -> list[str]:
        """Remote service names that a local service saw, sorted."""
        ...

    async def tag_values(self, key: str) -> list[str]:
        """Values seen for a configured autocomplete key, sorted."""
        ...

    async def dependencies(self, end_ms: int, lookback_ms: int) -> list[Link]:
        """The links of the traces with a span in the window, both ends included."""
        ...

    async def check(self) -> None:
        """Raises: StoreError when the store cannot be used."""
        ...

    def counts(self) -> StoreCounts:
        """The ledger of this moment."""
        ...

    async def aclose(self) -> None:
        """Write what is queued and let go."""
        ...
