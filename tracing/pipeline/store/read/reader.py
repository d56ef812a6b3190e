"""Reading blocks from the log by what the index says, in whatever thread the store runs it."""

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from tracing.pipeline.links import PlainPart, decode_plain
from tracing.pipeline.model import V2Span, low_half
from tracing.pipeline.normalise import normalised
from tracing.pipeline.store.index.outbox import EXPORT
from tracing.pipeline.store.index.traces import TraceReader
from tracing.pipeline.store.log.bodies import joined, spans_of
from tracing.pipeline.store.log.segments import LogReader, Place
from tracing.pipeline.store.port import StoreError, Trace
from tracing.pipeline.store.read.ranking import in_order, unique

TOO_LONG: Final = "the query takes too long; ask for less time, or for more exactly"
_CACHED_BYTES_MAX: Final = 16 << 20  # of JSON; decoded it takes several times that
_SPOILT_MAX: Final = 10_000
# What an exporter takes at once.
_LOG_BLOCKS: Final = 64
_LOG_BYTES: Final = 1 << 20


class LogBlock(NamedTuple):
    """One block of the log; body is a v2 JSON list of so many spans, perhaps not normalised."""

    number: int
    spans: int
    body: bytes


class _Block:
    """A decoded block; which trace its spans are of is found out once somebody asks.

    Units: size is the bytes of its JSON.
    """

    def __init__(self, spans: list[V2Span], size: int) -> None:
        self.spans = spans
        self.size = size
        self._by_low: dict[int, list[V2Span]] | None = None

    def of(self, low: int) -> list[V2Span]:
        """The spans of one trace, by the low half of its id."""
        return self.by_low().get(low, [])

    def by_low(self) -> dict[int, list[V2Span]]:
        """All of them."""
        if self._by_low is None:
            self._by_low = {}
            for span in self.spans:
                self._by_low.setdefault(low_half(span.trace_id), []).append(span)
        return self._by_low


class BlockReader:
    """The blocks and what the index knows of them. One thread at a time.

    Shape: spoilt takes the places of blocks that cannot be read whole; all readers share it.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        log: LogReader,
        traces: TraceReader,
        spoilt: set[Place],
        *,
        strict: bool,
    ) -> None:
        self.db = connection
        self._log = log
        self._traces = traces
        self._spoilt = spoilt
        self.strict = strict
        # By place: what lies there never changes.
        self._cache: OrderedDict[Place, _Block] = OrderedDict()
        self._cached_bytes = 0
        self._deadline_s = 0.0

    def allow(self, seconds: float) -> None:
        """The next call may take so long; past it a search ends with StoreError."""
        self._deadline_s = time.monotonic() + seconds

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state: no block moves between finding and opening it."""
        self.db.execute("BEGIN")
        try:
            self._traces.look()
            yield
        finally:
            self.db.execute("COMMIT")

    def check_time(self) -> None:
        """Raises: StoreError past the time that `allow` gave."""
        if self.is_late():
            raise StoreError(TOO_LONG)

    def is_late(self) -> bool:
        """Whether the time that `allow` gave is over."""
        return time.monotonic() > self._deadline_s

    def block(self, number: int) -> _Block:
        """The spans of one block, as they came; none where it was forgotten."""
        place = self._place(number)
        if place is None:
            return _Block([], 0)
        block = self._cache.get(place)
        if block is None:
            block = self._cache[place] = self._read(place)
            self._cached_bytes += block.size
            while self._cached_bytes > _CACHED_BYTES_MAX:
                self._cached_bytes -= self._cache.popitem(last=False)[1].size
        else:
            self._cache.move_to_end(place)
        return block

    def _place(self, number: int) -> Place | None:
        row = self.db.execute(
            "SELECT segment, offset, bytes FROM block_facts WHERE id = ?", (number,)
        ).fetchone()
        return None if row is None else Place(*row)

    def _read(self, place: Place) -> _Block:
        records, whole = self._log.read(place)
        if not whole and len(self._spoilt) < _SPOILT_MAX:
            self._spoilt.add(place)
        parts = [spans_of(record.body) or [] for record in records]
        spans = parts[0] if len(parts) == 1 else [span for part in parts for span in part]
        return _Block(spans, sum(len(record.body) for record in records))

    def parts(self, low: int, to: int | None = None) -> Trace:
        """Every span with this low half, normalised, once each, in order of arrival.

        Shape: to is the last block to look into; None means all.
        """
        return self.parts_in(low, self.blocks_of(low, to))

    def blocks_of(self, low: int, to: int | None = None) -> list[int]:
        """The blocks with spans of this low half, in their order."""
        found: dict[int, None] = {}
        for number in self._traces.blocks_of(low):
            if to is not None and number > to:
                break
            # Blocks that were put together have the number of the first.
            row = self.db.execute(
                "SELECT id FROM block_facts WHERE id <= ? ORDER BY id DESC LIMIT 1", (number,)
            ).fetchone()
            if row is not None:
                found[row[0]] = None
        return list(found)

    def parts_in(self, low: int, numbers: Iterable[int]) -> Trace:
        """As parts, of these blocks."""
        return unique(normalised(span) for number in numbers for span in self.block(number).of(low))

    def plain_parts(self, number: int) -> dict[int, list[PlainPart]]:
        """What links are read from, of one block, by low half; nothing where it is spoilt."""
        place = self._place(number)
        records = [] if place is None else self._log.read(place)[0]
        traces: dict[str, list[PlainPart]] = {}
        for record in records:
            for part in decode_plain(record.body):
                traces.setdefault(part.trace_id, []).append(part)
        found: dict[int, list[PlainPart]] = {}
        for trace_id, parts in traces.items():
            found.setdefault(low_half(trace_id), []).extend(parts)
        return found

    def with_parts_before(self, lows: Iterable[int], number: int) -> set[int]:
        """Those of the lows that may have parts in blocks before this one."""
        return self._traces.before(lows, number)

    def is_alone(self, low: int) -> bool:
        """Whether all spans with this low half lie in one block."""
        return len(self.blocks_of(low)) == 1

    def trace(self, trace_id: str) -> Trace:
        """The spans of one trace."""
        spans = self.parts(low_half(trace_id))
        return [s for s in spans if s.trace_id == trace_id] if self.strict else spans

    def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Several traces, in the order asked for."""
        found = [trace for trace in map(self.trace, trace_ids) if trace]
        return in_order(found, trace_ids, strict=self.strict)

    def log_after_cursor(self, exporter: str) -> list[LogBlock]:
        """The next blocks for an exporter, in the order in which they were stored."""
        rows = self.db.execute(
            "SELECT id, segment, offset, bytes FROM block_facts"
            " WHERE id > (SELECT cursor FROM follower WHERE name = ?)"
            " ORDER BY id LIMIT ?",
            (EXPORT + exporter, _LOG_BLOCKS),
        )
        blocks: list[LogBlock] = []
        size = 0
        for number, *row in rows:
            records, _ = self._log.read(Place(*row))
            body = joined([record.body for record in records])
            size += len(body)
            if blocks and size > _LOG_BYTES:
                break
            blocks.append(LogBlock(number, sum(record.spans for record in records), body))
        return blocks

    def seen(self, kind: str, owner: str) -> list[str]:
        """Names of one kind that an owner was seen with, sorted."""
        rows = self.db.execute(
            "SELECT value FROM seen WHERE kind = ? AND owner = ? AND (value <> '' OR kind = 'tag')",
            (kind, owner),
        )
        return sorted(value for (value,) in rows)

    def services(self) -> list[str]:
        """Local service names."""
        rows = self.db.execute("SELECT DISTINCT owner FROM seen WHERE kind = 'name'")
        return sorted(owner for (owner,) in rows)
