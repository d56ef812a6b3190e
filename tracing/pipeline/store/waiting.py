"""The spans that wait for a verdict, in SQLite beside the index.

A message is in the table of rows before it is acknowledged, and leaves it in the transaction that
writes down what is kept of it. That arrives in the log, under its number, before it leaves the
table of arrivals: whenever the process dies, each span is in one place. What a process left waiting
is read back by the next one and judged when its time is over, as if nothing had been.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final, NamedTuple

from tracing.pipeline.batch import Batch, batch_of, grouped
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.bodies import spans_of
from tracing.pipeline.store.packing import Packer, unpack
from tracing.pipeline.store.port import TailCounts
from tracing.pipeline.tail.policy import KEPT_TAG, Match, Policies, Verdict
from tracing.pipeline.tail.window import Row, Settled, TailWindow, by_trace

_ROWS_AT_ONCE: Final = 32  # some 10 ms for which senders wait
_NO_TAIL: Final = "no_tail"  # the policy of spans that nobody judges any more
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS waiting (
    id INTEGER PRIMARY KEY, held_ms INTEGER NOT NULL, size INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS verdict (
    low INTEGER PRIMARY KEY, kept INTEGER NOT NULL, policy TEXT NOT NULL, last_row INTEGER NOT NULL
);
"""
_VERDICT: Final = "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?)"
_ARRIVE: Final = "INSERT INTO arrival VALUES (?, ?)"
_COUNT: Final = (
    "INSERT INTO ledger VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET spans = spans + ?2"
)
_ACCEPTED: Final = "tail.accepted"
_KEPT: Final = "tail.kept"
_DROPPED: Final = "tail.dropped."
_SPOILT: Final = "spoilt"


Statement = tuple[str, tuple[object, ...]]


class Arrival(NamedTuple):
    """What was kept of a row, on its way to the log."""

    number: int
    batch: Batch


class _Judged(NamedTuple):
    """A row that waits no longer, and what becomes of its spans."""

    row: Row
    settled: Settled
    kept: list[V2Span]
    dropped: Counter[str]


class WaitingRoom:
    """Holds messages for the window's time, then hands over what is kept of them.

    Belongs to the store's writer thread; counts may be read from anywhere.
    """

    def __init__(self, connection: sqlite3.Connection, window: TailWindow) -> None:
        self._db = connection
        self._window = window
        connection.executescript(_TABLES)
        self._dropped_now: dict[str, int] = {}
        ledger = dict(connection.execute("SELECT entry, spans FROM ledger").fetchall())
        self._accepted: int = ledger.get(_ACCEPTED, 0)
        self._kept: int = ledger.get(_KEPT, 0)
        self._dropped: dict[str, int] = {
            entry.removeprefix(_DROPPED): spans
            for entry, spans in ledger.items()
            if entry.startswith(_DROPPED)
        }
        self._packer = Packer()
        self._next = 1
        self._next_arrival = 1
        self._read_back()
        self._read = window.spans

    def _read_back(self) -> None:
        """Take over what another process left."""
        verdicts = self._db.execute("SELECT low, kept, policy FROM verdict")
        self._window.recall({low: Verdict(bool(kept), policy) for low, kept, policy in verdicts})
        rows = self._db.execute("SELECT * FROM waiting ORDER BY id")
        for number, held_ms, size, packed in rows:
            spans = _spans_of(packed, size)
            row = Row(number, held_ms, len(packed), len(spans))
            self._window.hold(row, by_trace(spans))
            self._next = number + 1
        spoilt = self._accepted - self._kept - sum(self._dropped.values()) - self._window.spans
        if spoilt:
            self._db.execute(_COUNT, (_DROPPED + _SPOILT, spoilt))
            self._dropped[_SPOILT] = self._dropped.get(_SPOILT, 0) + spoilt

    def hold(self, batches: Sequence[Batch], now_ms: int) -> None:
        """Let messages wait; returns once they are committed, all or none."""
        rows = [(self._packer.pack(body), len(body), spans) for body, spans in grouped(batches)]
        if not rows:
            return
        total = sum(len(spans) for _, _, spans in rows)
        first = self._next
        statements: list[Statement] = [
            ("INSERT INTO waiting VALUES (?, ?, ?, ?)", (number, now_ms, size, packed))
            for number, (packed, size, _) in enumerate(rows, first)
        ]
        traces = [by_trace(spans) for _, _, spans in rows]
        # A late part of a trace needs its verdict until it is settled, by whatever process.
        for number, parts in enumerate(traces, first):
            judged = self._window.judged(parts)
            statements += [(_VERDICT, (low, v.kept, v.policy, number)) for low, v in judged.items()]
        self._commit([*statements, (_COUNT, (_ACCEPTED, total))])
        self._next += len(rows)
        self._accepted += total
        for number, ((packed, _, spans), parts) in enumerate(zip(rows, traces, strict=True), first):
            self._window.hold(Row(number, now_ms, len(packed), len(spans)), parts)

    def arrivals(self) -> list[Arrival]:
        """What was kept and may not have reached the log; for the start of a process."""
        rows = self._db.execute("SELECT id, body FROM arrival ORDER BY id").fetchall()
        self._next_arrival = 1 + max((number for number, _ in rows), default=0)
        return [Arrival(number, Batch(body, spans_of(body) or [])) for number, body in rows]

    def settle(self, now_ms: int) -> list[Arrival] | None:
        """Judge and empty the oldest rows that are due, some at once; None when there are none.

        One transaction. What is kept must be in the log before it leaves the table of arrivals.
        """
        judged: list[_Judged] = []
        while len(judged) < _ROWS_AT_ONCE:
            row = self._window.next_due(now_ms)
            if row is None:
                break
            judged.append(self._judge(row))
        if not judged:
            return None
        last = judged[-1].row.number
        dropped: Counter[str] = Counter()
        awaited: list[Statement] = []
        for one in judged:
            dropped.update(one.dropped)
            verdicts = one.settled.verdicts
            awaited += [
                (_VERDICT, (low, verdicts[low].kept, verdicts[low].policy, last_row))
                for low, last_row in one.settled.awaited.items()
                if last_row > last
            ]
        kept = sum(len(one.kept) for one in judged)
        statements: list[Statement] = [
            ("DELETE FROM waiting WHERE id <= ?", (last,)),
            ("DELETE FROM verdict WHERE last_row <= ?", (last,)),
            *awaited,
            *((_COUNT, (_DROPPED + policy, n)) for policy, n in dropped.items()),
            (_COUNT, (_KEPT, kept)),
        ]
        batches = [batch_of(one.kept) for one in judged if one.kept]
        arrivals = [Arrival(n, batch) for n, batch in enumerate(batches, self._next_arrival)]
        statements += [(_ARRIVE, (number, batch.body)) for number, batch in arrivals]
        try:
            self._commit(statements)
        except BaseException:
            for one in reversed(judged):
                self._window.restore(one.row, one.settled)
            raise
        self._next_arrival += len(arrivals)
        self._kept += kept
        for counts in (self._dropped, self._dropped_now):
            for policy, count in dropped.items():
                counts[policy] = counts.get(policy, 0) + count
        return arrivals

    def _commit(self, statements: Iterable[Statement]) -> None:
        """Run them all or none."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in statements:
                db.execute(statement, values)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk has SQLite roll back by itself
                db.execute("ROLLBACK")
            raise

    def _judge(self, row: Row) -> _Judged:
        read = cache(lambda: by_trace(self._spans(row.number)))
        settled = self._window.settle(row, read)
        kept: list[V2Span] = []
        dropped: Counter[str] = Counter()
        for low, verdict in settled.verdicts.items():
            if not verdict.kept:
                dropped[verdict.policy] += settled.spans[low]
                continue
            for span in read().get(low, ()):
                span.tags = {**(span.tags or {}), KEPT_TAG: verdict.policy}
                kept.append(span)
        spoilt = row.spans - len(kept) - sum(dropped.values())
        if spoilt:
            dropped[_SPOILT] += spoilt
        return _Judged(row, settled, kept, dropped)

    def _spans(self, number: int) -> list[V2Span]:
        """A row's spans, which are only read again where one of them is kept."""
        row = self._db.execute("SELECT body, size FROM waiting WHERE id = ?", (number,))
        return _spans_of(*row.fetchone())

    def counts(self) -> TailCounts:
        """The ledger of this moment."""
        return TailCounts(
            accepted=self._accepted,
            kept=self._kept,
            waiting=self._window.spans,
            dropped=dict(self._dropped),
            read_back=self._read,
            dropped_now=dict(self._dropped_now),
        )


def _spans_of(packed: bytes, size: int) -> list[V2Span]:
    body = unpack(packed, size)
    return [] if body is None else spans_of(body) or []


def without_tail(connection: sqlite3.Connection) -> WaitingRoom:
    """The room of a process that has no tail: it keeps all that another one left waiting."""
    return WaitingRoom(connection, TailWindow(Policies([Match(name=_NO_TAIL)]), 0))
