"""Dependency links as sums by slots of ten seconds, so that a day of them is read in a moment.

A trace is counted under the slots in which it has spans. Sums follow the log of blocks: a step
takes the next blocks, takes back what was counted for those of their traces that had older parts,
and counts them anew. What no step has come to yet is counted when somebody asks, and so are the
ends of a window that do not fall between two slots; the answer is always the exact one.

A large trace that goes on and on would be taken back and counted anew with each step. It leaves the
sums instead, and is counted when somebody asks.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from tracing.pipeline.links import Link, LinkCounter, PlainPart
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.index.outbox import LINKS, Outbox
from tracing.pipeline.store.read.reader import BlockReader

_SLOT_US: Final = 10_000_000
_STEP_BLOCKS: Final = 32
_STEP_SPANS: Final = 4_096  # some 30 ms of a thread
_LARGE_SPANS: Final = 2_000


class _Key(NamedTuple):
    """The slots of a trace, since 1970; `slots` names them where some between are missing."""

    first: int
    last: int
    slots: str


class Step(NamedTuple):
    """What to add to the sums for all blocks up to this number.

    Shape: rows are (first, last, slots, parent, child, calls, errors); large are the low halves of
    traces that are in no sum, or will not be any more.
    """

    number: int
    rows: list[tuple[int, int, str, str, str, int, int]]
    large: list[int]


def _times(trace: Iterable[V2Span | PlainPart]) -> list[int]:
    """When a trace happened; a span without a time at 0, as with the real server."""
    return [max(span.timestamp or 0, 0) for span in trace]


def _key(trace: Iterable[V2Span | PlainPart]) -> _Key:
    slots = {time // _SLOT_US for time in _times(trace)}
    first, last = min(slots), max(slots)
    if last - first + 1 == len(slots):
        return _Key(first, last, "")
    return _Key(first, last, ",".join(map(str, sorted(slots))))


def next_step(reader: BlockReader, before_ms: int) -> Step | None:
    """The next of the sums' work, of blocks that were stored before this time; None for none."""
    (cursor,) = reader.db.execute("SELECT cursor FROM follower WHERE name = ?", (LINKS,)).fetchone()
    blocks = reader.db.execute(
        "SELECT id, spans, stored_ms FROM block_facts WHERE id > ? ORDER BY id LIMIT ?",
        (cursor, _STEP_BLOCKS),
    ).fetchall()
    numbers: list[int] = []
    spans = 0
    for number, count, stored_ms in blocks:
        if stored_ms >= before_ms or (numbers and spans + count > _STEP_SPANS):
            break
        numbers.append(number)
        spans += count
    if not numbers:
        return None
    counters: dict[_Key, LinkCounter] = {}
    traces: dict[int, list[PlainPart]] = {}
    for number in numbers:
        for low, parts in reader.plain_parts(number).items():
            traces.setdefault(low, []).extend(parts)
    older = reader.with_parts_before(traces, numbers[0])
    large = sorted(_large(reader).intersection(traces))
    for low in large:
        del traces[low]
    for low, parts in traces.items():
        if low not in older and counters.setdefault(_key(parts), LinkCounter()).add_plain(parts):
            continue
        among = reader.blocks_of(low, numbers[-1])
        before = reader.parts_in(low, [n for n in among if n <= cursor])
        if before:
            counters.setdefault(_key(before), LinkCounter()).add_trace(before, -1)
        if len(before) > _LARGE_SPANS:
            large.append(low)
            continue
        trace = reader.parts_in(low, among)
        counters.setdefault(_key(trace), LinkCounter()).add_trace(trace)
    rows = [
        (*key, parent, child, calls, errors)
        for key, counter in counters.items()
        for parent, child, calls, errors in counter.sums()
        if calls or errors
    ]
    return Step(numbers[-1], rows, large)


def _large(reader: BlockReader) -> set[int]:
    """Of the traces that are in no sum, the low halves of their ids."""
    return {low for (low,) in reader.db.execute("SELECT low FROM link_large")}


def apply(connection: sqlite3.Connection, outbox: Outbox, step: Step, day: int) -> None:
    """Write a step down; one transaction. Units: day is days since 1970."""
    with outbox.transaction():
        connection.executemany(
            "INSERT INTO link_sum VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE"
            " SET calls = calls + ?6, errors = errors + ?7, day = ?8",
            [(*row, day) for row in step.rows],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO link_large VALUES (?, ?)", [(low, day) for low in step.large]
        )
        outbox.links_done(step.number)


def dependencies(reader: BlockReader, end_ms: int, lookback_ms: int) -> list[Link]:
    """The links of the traces with a span in the window, both ends included."""
    return _Asked(reader, max(end_ms - lookback_ms, 0) * 1000, (end_ms + 1) * 1000).links()


class _Asked:
    """One question. Units: start_us belongs to the window, end_us not any more."""

    def __init__(self, reader: BlockReader, start_us: int, end_us: int) -> None:
        self._reader = reader
        self._start_us, self._end_us = start_us, end_us
        # The slots that lie in the window as a whole; none where last is before first.
        self._first, self._last = -(-start_us // _SLOT_US), end_us // _SLOT_US - 1
        row = reader.db.execute("SELECT cursor FROM follower WHERE name = ?", (LINKS,))
        self._cursor: int = row.fetchone()[0]
        self._counter = LinkCounter()
        self._large = _large(reader)

    def links(self) -> list[Link]:
        if self._first <= self._last:
            self._add_sums()
        self._add_edges()
        self._add_unsummed()
        self._add_large()
        return self._counter.links()

    def _add_sums(self) -> None:
        """Whole slots."""
        where = "FROM link_sum WHERE first <= ? AND last >= ?"
        bounds = (self._last, self._first)
        for row in self._reader.db.execute(
            f"SELECT parent, child, sum(calls), sum(errors) {where} AND slots = ''"
            " GROUP BY parent, child",
            bounds,
        ):
            self._counter.add_sum(*row)
        for slots, *row in self._reader.db.execute(
            f"SELECT slots, parent, child, calls, errors {where} AND slots <> ''",
            bounds,
        ):
            if any(self._first <= int(slot) <= self._last for slot in slots.split(",")):
                self._counter.add_sum(*row)

    def _add_edges(self) -> None:
        """Traces that have spans in the window, but none in one of its whole slots."""
        inner_us = self._first * _SLOT_US, (self._last + 1) * _SLOT_US
        if self._first <= self._last:
            edges = [(self._start_us, inner_us[0]), (inner_us[1], self._end_us)]
        else:
            edges = [(self._start_us, self._end_us)]
        lows = {low: None for edge in edges for low in self._lows_between(*edge)}
        for low in lows.keys() - self._large:
            self._reader.check_time()
            trace = self._reader.parts(low, self._cursor)
            times = _times(trace)
            if not _any_in(times, *inner_us) and _any_in(times, self._start_us, self._end_us):
                self._counter.add_trace(trace)

    def _lows_between(self, start_us: int, end_us: int) -> Iterator[int]:
        if start_us >= end_us:
            return
        rows = self._reader.db.execute(
            "SELECT id FROM block_facts WHERE max_ms >= ? AND min_ms <= ? AND id <= ? ORDER BY id",
            (start_us // 1000, end_us // 1000, self._cursor),
        )
        for (number,) in rows.fetchall():
            self._reader.check_time()
            for low, spans in self._reader.block(number).by_low().items():
                if any(start_us <= max(span.timestamp or 0, 0) < end_us for span in spans):
                    yield low

    def _add_unsummed(self) -> None:
        """What the sums do not know yet, and what it changes of what they know."""
        rows = self._reader.db.execute(
            "SELECT id FROM block_facts WHERE id > ? ORDER BY id", (self._cursor,)
        )
        seen = set(self._large)
        for (number,) in rows.fetchall():
            self._reader.check_time()
            for low in self._reader.block(number).by_low().keys() - seen:
                seen.add(low)
                for to, weight in ((self._cursor, -1), (None, 1)):
                    trace = self._reader.parts(low, to)
                    if _any_in(_times(trace), self._start_us, self._end_us):
                        self._counter.add_trace(trace, weight)

    def _add_large(self) -> None:
        """What is in no sum."""
        for low in self._large:
            self._reader.check_time()
            trace = self._reader.parts(low)
            if _any_in(_times(trace), self._start_us, self._end_us):
                self._counter.add_trace(trace)


def _any_in(times: Iterable[int], start_us: int, end_us: int) -> bool:
    return any(start_us <= time < end_us for time in times)
