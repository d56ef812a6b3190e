"""Searching the blocks for traces, in whatever thread the store runs it.

Blocks are read from the newest on and only while a later one could still hold a better hit; blocks
that cannot hold what is asked for are passed over unread or undecoded.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Final

from tracing.pipeline.model import low_half
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.index.names import OTHERS
from tracing.pipeline.store.index.words import condition
from tracing.pipeline.store.port import Trace
from tracing.pipeline.store.read.needles import Needles, needles_of, rarest
from tracing.pipeline.store.read.ranking import group, rank, ranked
from tracing.pipeline.store.read.reader import BlockReader

# The newest span of a trace may lie in another block than the span that the search asked for, and
# up to this much later. Blocks that far back are looked into for a better hit, but only so many:
# under dense traffic nobody can tell the order of traces that ended within the same seconds.
_TRACE_MS_MAX: Final = 5_000
_LATE_BLOCKS_MAX: Final = 16
# What was asked for may also lie outside the window, in a long trace, or have no time at all. While
# too few hits are found, so many blocks more are looked into on each side, up to this far away.
_FAR_MS: Final = 3_600_000
_FAR_BLOCKS_MAX: Final = 128
_SAMPLE_BLOCKS: Final = 64


def find(reader: BlockReader, query: TraceQuery) -> list[Trace]:
    """The newest matching traces. Raises: StoreError when it takes too long."""
    return _Search(reader, query).traces()


class _Search:
    """One search. `best` is a heap of the `limit` newest times."""

    def __init__(self, reader: BlockReader, query: TraceQuery) -> None:
        self._reader = reader
        self._query = query
        self._needles = self._choose(needles_of(query))
        self._slack_ms = _TRACE_MS_MAX if self._needles.selective else 0
        self._hits: list[tuple[int, Trace]] = []
        self._best: list[int] = []
        self._seen: set[int] = set()

    def _choose(self, needles: list[Needles]) -> Needles:
        """The condition that opens the fewest of the newest blocks."""
        if len(needles) == 1:
            return needles[0]
        rows = self._reader.db.execute(
            "SELECT words FROM block_facts LEFT JOIN block_words USING (id)"
            " WHERE max_ms >= ? AND min_ms <= ? ORDER BY max_ms DESC LIMIT ?",
            (self._query.start_ms, self._query.end_ms, _SAMPLE_BLOCKS),
        )
        return rarest(needles, [words for (words,) in rows])

    def traces(self) -> list[Trace]:
        limit = self._query.limit
        self._look_near()
        if self._needles.selective and len(self._best) < limit:
            self._look_far()
        self._hits.sort(key=rank, reverse=True)
        return [trace for _, trace in self._hits[:limit]]

    def _look_near(self) -> None:
        """Blocks with spans in the window."""
        slack_ms = self._slack_ms
        start_ms, end_ms = self._query.start_ms - slack_ms, self._query.end_ms + slack_ms
        # What was asked for may be outside the window, in a trace of the window.
        bounds = None if self._needles.selective else (start_ms * 1000, (end_ms + 1) * 1000)
        late = 0
        for number, newest_ms in self._blocks(
            "max_ms >= ? AND min_ms <= ?", (start_ms, end_ms), "max_ms DESC", -1
        ):
            if len(self._best) == self._query.limit and self._best[0] > newest_ms:
                late += 1
                if self._best[0] > newest_ms + slack_ms or late > _LATE_BLOCKS_MAX:
                    break
            # A trace that lies in a late block alone cannot be a better hit.
            self._look_into(number, bounds, alone=not late)

    def _look_far(self) -> None:
        start_ms = self._query.start_ms - self._slack_ms
        end_ms = self._query.end_ms + self._slack_ms
        for where, values, order in (
            ("max_ms = 0", (), "id DESC"),
            ("max_ms >= ? AND max_ms < ?", (start_ms - _FAR_MS, start_ms), "max_ms DESC"),
            (
                "max_ms > ? AND min_ms > ? AND min_ms < ?",
                (end_ms, end_ms, end_ms + _FAR_MS),
                "max_ms",
            ),
        ):
            for number, _ in self._blocks(where, values, order, _FAR_BLOCKS_MAX):
                self._look_into(number, None, alone=True)

    def _blocks(
        self, where: str, values: tuple[int, ...], order: str, most: int
    ) -> Iterator[tuple[int, int]]:
        """Blocks that may hold a hit, with their newest millisecond."""
        db, query, needles = self._reader.db, self._query, self._needles
        more: list[object] = []
        if query.service is not None:
            rows = db.execute(
                "SELECT id FROM service WHERE name = ? OR id = ?", (query.service, OTHERS)
            ).fetchall()
            if not rows:
                return
            where += f" AND ({' OR '.join('instr(services, ?)' for _ in rows)})"
            more += [f",{number}," for (number,) in rows]
        if needles.duration_min is not None:
            where += " AND duration_max >= ?"
            more.append(needles.duration_min)
        join = ""
        if needles.word is not None:
            join = "LEFT JOIN block_words USING (id)"
            may_hold, its_digest = condition(needles.word)
            where += f" AND {may_hold}"
            more.append(its_digest)
        sql = (
            f"SELECT id, max_ms FROM block_facts {join} WHERE {where}"  # noqa: S608 - fixed texts
            f" ORDER BY {order} LIMIT ?"
        )
        for number, max_ms in db.execute(sql, (*values, *more, most)):
            self._reader.check_time()
            yield number, max_ms

    def _look_into(self, number: int, bounds_us: tuple[int, int] | None, *, alone: bool) -> None:
        reader, query = self._reader, self._query
        for low in self._lows_in(number, bounds_us):
            if low in self._seen:
                continue
            self._seen.add(low)
            if not alone and reader.is_alone(low):
                continue
            found = ranked(group(reader.parts(low), strict=reader.strict), query)
            self._hits += found
            for newest, _ in found:
                full = len(self._best) == query.limit
                (heapq.heappushpop if full else heapq.heappush)(self._best, newest)

    def _lows_in(self, number: int, bounds_us: tuple[int, int] | None) -> Iterable[int]:
        """The traces with a span of this block, and of these times, that could make them a hit."""
        meets = self._needles.meets
        start_us, end_us = bounds_us or (0, 0)
        return dict.fromkeys(
            low_half(span.trace_id)
            for span in self._reader.block(number).spans
            if (bounds_us is None or start_us <= (span.timestamp or 0) < end_us) and meets(span)
        )
