"""Writing the index to SQLite, in whatever thread the store runs it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tracing.pipeline.store.index.compact import compact_some
from tracing.pipeline.store.index.gathering import Block
from tracing.pipeline.store.index.names import Names
from tracing.pipeline.store.index.outbox import Outbox
from tracing.pipeline.store.index.traces import TraceIndex
from tracing.pipeline.store.log.segments import remove_before

_EVICT_BLOCKS: Final = 64  # of one transaction
_DAY_MS: Final = 86_400_000
_LEDGER: Final = "INSERT INTO ledger VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET spans = ?2"


class IndexWriter:
    """Indexes blocks behind the log, keeps the lists of names, forgets old blocks.

    A block is durable as soon as it is in the log. Its index entries are written later, many
    blocks at once; what was not indexed when the process died is indexed on the next start.
    Shape: indexed_to is the place in the log (segment, offset) up to which that was done when the
    process began, arrived the last row of the waiting room among it.
    """

    def __init__(self, connection: sqlite3.Connection, folder: Path) -> None:
        self._db = connection
        self._folder = folder
        self._names = Names(connection)
        ledger = dict(connection.execute("SELECT entry, spans FROM ledger").fetchall())
        self.stored: int = ledger.get("stored", 0)
        self.evicted: int = ledger.get("evicted", 0)
        self.indexed_to: tuple[int, int] = (
            ledger.get("log.segment", 0),
            ledger.get("log.offset", 0),
        )
        self.arrived: int = ledger.get("log.arrived", 0)
        self.next_block: int = ledger.get("log.block", 0) + 1
        self.blocks: int
        self.size_bytes: int
        self.blocks, self.size_bytes = connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM block_facts"
        ).fetchone()
        self.traces = TraceIndex(connection)
        self._compacted_to = 0
        self.outbox = Outbox(connection)

    def write_index(self, blocks: Sequence[Block]) -> None:
        """Let searches see these blocks, the next ones; one transaction."""
        if not blocks:
            return
        last = blocks[-1]
        spans = sum(block.spans for block in blocks)
        try:
            with self.outbox.transaction():
                self._write_facts(blocks)
                news = self.traces.add((block.number, block.index.lows) for block in blocks)
                self._write_ledger("stored", self.stored + spans)
                self._write_ledger("log.segment", last.place.segment)
                self._write_ledger("log.offset", last.place.end)
                self._write_ledger("log.block", last.number)
                for arrived in [block.arrival for block in blocks if block.arrival][-1:]:
                    self._write_ledger("log.arrived", arrived)
                self.outbox.take(spans)
        except BaseException:
            self._names.read()
            raise
        self.traces.publish(news)
        self.stored += spans
        self.blocks += len(blocks)
        self.size_bytes += sum(block.place.size for block in blocks)
        self.next_block = last.number + 1

    def _write_facts(self, blocks: Sequence[Block]) -> None:
        self._db.executemany(
            "INSERT INTO block_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    block.number,
                    *block.place,
                    block.spans,
                    block.index.min_ms,
                    block.index.max_ms,
                    block.index.duration_max,
                    self._names.write(block.index, block.stored_ms // _DAY_MS),
                    block.stored_ms,
                )
                for block in blocks
            ],
        )
        self._db.executemany(
            "INSERT INTO block_words VALUES (?, ?)",
            [(block.number, block.words) for block in blocks],
        )

    def _write_ledger(self, entry: str, value: int) -> None:
        self._db.execute(_LEDGER, (entry, value))

    def compact_some(self) -> int:
        """Let some small blocks be one; returns how many blocks fewer there are."""
        with self.outbox.transaction():
            done = compact_some(self._db, self._compacted_to, self.outbox.followed_to())
        self._compacted_to = done.to
        self.blocks -= done.fewer
        return done.fewer

    def forget_some(self, before_ms: int | None, bytes_max: int | None, segment: int) -> int:
        """Forget some of the oldest blocks that should not be kept; returns how many spans went.

        Shape: segment is the first with records that are not indexed.
        Units: before_ms is compared with the time of storing; bytes_max bounds all blocks.
        """
        rows = self._db.execute(
            "SELECT id, spans, bytes, stored_ms FROM block_facts ORDER BY id LIMIT ?",
            (_EVICT_BLOCKS,),
        ).fetchall()
        chosen = []
        excess = 0 if bytes_max is None else self.size_bytes - bytes_max
        spans = size = 0
        for number, its_spans, its_size, stored_ms in rows:
            if excess <= 0 and (before_ms is None or stored_ms >= before_ms):
                break
            chosen.append(number)
            spans += its_spans
            size += its_size
            excess -= its_size
        if before_ms is not None and len(chosen) < _EVICT_BLOCKS:
            self._forget_names(before_ms // _DAY_MS)
        if chosen:
            with self.outbox.transaction():
                self.outbox.forget(chosen)
                for table in ("block_facts", "block_words"):
                    self._db.execute(f"DELETE FROM {table} WHERE id <= ?", (chosen[-1],))  # noqa: S608 - our own names
                self._write_ledger("evicted", self.evicted + spans)
            self.evicted += spans
            self.blocks -= len(chosen)
            self.size_bytes -= size
            self.traces.forgot(len(chosen))
            self.remove_segments(segment)
        return spans

    def remove_segments(self, segment: int) -> None:
        """Remove the files before this segment in which nothing is that the index knows."""
        row = self._db.execute("SELECT segment FROM block_facts ORDER BY id LIMIT 1").fetchone()
        remove_before(self._folder, segment if row is None else min(row[0], segment))

    def sweep_some(self) -> bool:
        """Clean up some of the index behind forgetting; whether there may be more to do."""
        (oldest,) = self._db.execute("SELECT min(id) FROM block_facts").fetchone()
        return self.traces.sweep_some(self.next_block if oldest is None else oldest, self.blocks)

    def _forget_names(self, before_day: int) -> None:
        """Drop names that no span carried, and sums that no span changed, since that day."""
        self._db.execute("DELETE FROM link_sum WHERE day < ?", (before_day,))
        self._db.execute("DELETE FROM link_large WHERE day < ?", (before_day,))
        self._names.forget(before_day)
