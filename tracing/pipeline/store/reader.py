"""Reading blocks from SQLite, in whatever thread the store runs it."""

import heapq
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from tracing.pipeline.model import V2Span, decode_strict, low_half
from tracing.pipeline.normalise import normalised
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.needles import Needles, needles_of
from tracing.pipeline.store.outbox import EXPORT
from tracing.pipeline.store.port import StoreError, Trace
from tracing.pipeline.store.reading import group, in_order, ranked, unique

_CACHED_BLOCKS_MAX: Final = 64
_LAST_BLOCK: Final = (1 << 63) - 1
# What an exporter takes at once.
_LOG_BLOCKS: Final = 64
_LOG_BYTES: Final = 1 << 20

# The newest span of a trace may lie in another block than the span that the search asked for, and
# up to this much later. Blocks that far back are looked into for a better hit, but only so many:
# under dense traffic nobody can tell the order of traces that ended within the same seconds.
_TRACE_MS_MAX: Final = 5_000
_LATE_BLOCKS_MAX: Final = 16


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
    """Finds traces in the blocks. One thread at a time."""

    def __init__(self, connection: sqlite3.Connection, *, strict: bool) -> None:
        self.db = connection
        self._strict = strict
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
        if time.monotonic() > self._deadline_s:
            raise StoreError("the query takes too long; ask for less time, or for more exactly")

    def block(self, number: int) -> _Block:
        """The spans of one block, as they came; none where it was forgotten meanwhile."""
        block = self._cache.get(number)
        if block is not None:
            self._cache.move_to_end(number)
            return block
        row = self.db.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
        block = _Block([] if row is None else decode_strict(row[0]))
        if row is not None:
            self._cache[number] = block
            if len(self._cache) > _CACHED_BLOCKS_MAX:
                self._cache.popitem(last=False)
        return block

    def parts(self, low: int, to: int | None = None) -> Trace:
        """Every span with this low half, normalised, once each, in order of arrival.

        Shape: to is the last block to look into; None means all.
        """
        rows = self.db.execute(
            "SELECT block FROM trace_block WHERE low = ? AND block <= ? ORDER BY block",
            (low, _LAST_BLOCK if to is None else to),
        )
        return unique(
            normalised(span) for (number,) in rows.fetchall() for span in self.block(number).of(low)
        )

    def trace(self, trace_id: str) -> Trace:
        """The spans of one trace."""
        spans = self.parts(low_half(trace_id))
        return [s for s in spans if s.trace_id == trace_id] if self._strict else spans

    def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Several traces, in the order asked for."""
        found = [trace for trace in map(self.trace, trace_ids) if trace]
        return in_order(found, trace_ids, strict=self._strict)

    def search(self, query: TraceQuery) -> list[Trace]:
        """The newest matching traces.

        Blocks are read from the newest on and only while a later one could still hold a better
        hit; blocks that cannot hold what is asked for are passed over unread or undecoded.
        """
        needles = needles_of(query)
        slack_ms = _TRACE_MS_MAX if needles.selective else 0
        hits: list[tuple[int, Trace]] = []
        best: list[int] = []  # a heap of the `limit` newest times
        seen: set[int] = set()
        late = 0
        for number, newest_ms in self._candidates(query, needles, slack_ms):
            self.check_time()
            if len(best) == query.limit and best[0] >= newest_ms:
                late += 1
                if best[0] >= newest_ms + slack_ms or late > _LATE_BLOCKS_MAX:
                    break
            for low in self._hits_in(number, query, needles, slack_ms):
                if low in seen:
                    continue
                seen.add(low)
                found = ranked(group(self.parts(low), strict=self._strict), query)
                hits += found
                for newest, _ in found:
                    (heapq.heappushpop if len(best) == query.limit else heapq.heappush)(
                        best, newest
                    )
        hits.sort(key=lambda hit: hit[0], reverse=True)
        return [trace for _, trace in hits[: query.limit]]

    def _candidates(
        self, query: TraceQuery, needles: Needles, slack_ms: int
    ) -> Iterator[tuple[int, int]]:
        """Blocks that may hold a hit, the newest first."""
        where = "max_ms >= ? AND min_ms <= ?"
        values: list[object] = [query.start_ms - slack_ms, query.end_ms + slack_ms]
        if query.service is not None:
            row = self.db.execute("SELECT id FROM service WHERE name = ?", (query.service,))
            service = row.fetchone()
            if service is None:
                return
            where += " AND (instr(services, ?) OR instr(services, ',0,'))"
            values.append(f",{service[0]},")
        if query.duration_min is not None:
            where += " AND duration_max >= ?"
            values.append(query.duration_min)
        join = "" if needles.word is None else "LEFT JOIN block_words USING (id)"
        bits = "NULL" if needles.word is None else "bits"
        sql = (
            f"SELECT id, max_ms, {bits} FROM block_facts {join} WHERE {where} ORDER BY max_ms DESC"  # noqa: S608 - fixed texts
        )
        for passed, (number, max_ms, words) in enumerate(self.db.execute(sql, values)):
            if needles.may_be_in(words):
                yield number, max_ms
            elif passed % 256 == 0:
                self.check_time()

    def _hits_in(
        self, number: int, query: TraceQuery, needles: Needles, slack_ms: int
    ) -> Iterable[int]:
        """The traces with a span of this block that could make them a hit."""
        start_us = (query.start_ms - slack_ms) * 1000
        end_us = (query.end_ms + slack_ms + 1) * 1000
        return dict.fromkeys(
            low_half(span.trace_id)
            for span in self.block(number).spans
            if start_us <= (span.timestamp or 0) < end_us and needles.meets(span)
        )

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
