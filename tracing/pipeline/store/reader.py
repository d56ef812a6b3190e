"""Reading blocks from SQLite, in whatever thread the store runs it."""

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from tracing.pipeline.model import V2Span, low_half
from tracing.pipeline.normalise import normalised
from tracing.pipeline.store.bodies import spans_of
from tracing.pipeline.store.outbox import EXPORT
from tracing.pipeline.store.port import StoreError, Trace
from tracing.pipeline.store.reading import in_order, unique

TOO_LONG: Final = "the query takes too long; ask for less time, or for more exactly"
_CACHED_BLOCKS_MAX: Final = 64
_SPOILT_MAX: Final = 10_000
_LAST_BLOCK: Final = (1 << 63) - 1
# What an exporter takes at once.
_LOG_BLOCKS: Final = 64
_LOG_BYTES: Final = 1 << 20


class LogBlock(NamedTuple):
    """One block of the log; body is a v2 JSON list of so many spans, perhaps not normalised."""

    number: int
    spans: int
    body: bytes


class _Block:
    """A decoded block; which trace its spans are of is found out once somebody asks."""

    def __init__(self, spans: list[V2Span]) -> None:
        self.spans = spans
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

    Shape: spoilt takes the numbers of blocks that cannot be read; all readers share it.
    """

    def __init__(self, connection: sqlite3.Connection, spoilt: set[int], *, strict: bool) -> None:
        self.db = connection
        self._spoilt = spoilt
        self.strict = strict
        self._cache: OrderedDict[int, _Block] = OrderedDict()
        self._compacted: tuple[int] | None = None
        self._deadline_s = 0.0

    def allow(self, seconds: float) -> None:
        """The next call may take so long; past it a search ends with StoreError."""
        self._deadline_s = time.monotonic() + seconds

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All reads inside see one state: no block moves between finding and opening it."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN")
        try:
            self._drop_stale()
            yield
        finally:
            self.db.execute("COMMIT")

    def _drop_stale(self) -> None:
        """A compaction gives numbers that are known to other blocks."""
        row = self.db.execute("SELECT spans FROM ledger WHERE entry = 'compacted'").fetchone()
        if row != self._compacted:
            self._compacted = row
            self._cache.clear()

    def check_time(self) -> None:
        """Raises: StoreError past the time that `allow` gave."""
        if self.is_late():
            raise StoreError(TOO_LONG)

    def is_late(self) -> bool:
        """Whether the time that `allow` gave is over."""
        return time.monotonic() > self._deadline_s

    def block(self, number: int) -> _Block:
        """The spans of one block, as they came; none where it was forgotten, or spoilt."""
        block = self._cache.get(number)
        if block is not None:
            self._cache.move_to_end(number)
            return block
        row = self.db.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
        spans = None if row is None else spans_of(row[0])
        if row is not None and spans is None and len(self._spoilt) < _SPOILT_MAX:
            self._spoilt.add(number)
        block = _Block(spans or [])
        if row is not None:
            self._cache[number] = block
            if len(self._cache) > _CACHED_BLOCKS_MAX:
                self._cache.popitem(last=False)
        return block

    def parts(self, low: int, to: int | None = None) -> Trace:
        """Every span with this low half, normalised, once each, in order of arrival.

        Shape: to is the last block to look into; None means all.
        """
        return self.parts_in(low, self.blocks_of(low, to))

    def blocks_of(self, low: int, to: int | None = None) -> list[int]:
        """The blocks with spans of this low half, in their order."""
        rows = self.db.execute(
            "SELECT block FROM trace_block WHERE low = ? AND block <= ? ORDER BY block",
            (low, _LAST_BLOCK if to is None else to),
        )
        return [number for (number,) in rows.fetchall()]

    def parts_in(self, low: int, numbers: Iterable[int]) -> Trace:
        """As parts, of these blocks."""
        return unique(normalised(span) for number in numbers for span in self.block(number).of(low))

    def is_alone(self, low: int) -> bool:
        """Whether all spans with this low half lie in one block."""
        rows = self.db.execute("SELECT 1 FROM trace_block WHERE low = ? LIMIT 2", (low,))
        return len(rows.fetchall()) == 1

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
            "SELECT f.id, f.spans, b.body FROM block_facts f JOIN block b USING (id)"
            " WHERE f.id > (SELECT cursor FROM follower WHERE name = ?)"
            " ORDER BY f.id LIMIT ?",
            (EXPORT + exporter, _LOG_BLOCKS),
        )
        blocks: list[LogBlock] = []
        size = 0
        for row in rows:
            block = LogBlock(*row)
            size += len(block.body)
            if blocks and size > _LOG_BYTES:
                break
            blocks.append(block)
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
