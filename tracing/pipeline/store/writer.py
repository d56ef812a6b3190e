"""Writing blocks to SQLite, in whatever thread the store runs it."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.batch import Batch, BlockIndex, grouped, index_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.bodies import spans_of
from tracing.pipeline.store.compact import compact_some
from tracing.pipeline.store.outbox import Outbox
from tracing.pipeline.store.words import WordBits

_EVICT_BLOCKS: Final = 16  # of one transaction: some 5 ms for which senders wait

_SEEN_MAX: Final = 200_000  # distinct names remembered; past it new ones are not offered in lists
_SERVICES_MAX: Final = 100_000  # past it a block says "others", and every search looks into it
_OTHERS: Final = 0
_DAY_MS: Final = 86_400_000
_UNNAMED: Final = ""


Statement = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class _Pending:
    """A committed block that the index does not know yet. Units: size is bytes."""

    number: int
    size: int
    spans: int
    stored_ms: int
    index: BlockIndex
    words: bytes


class BlockWriter:
    """Appends blocks, indexes them behind, keeps the lists of names, forgets old blocks.

    A block is durable as soon as it is in its table. Its index entries are written later, many
    blocks at once and sorted, which touches a fraction of the pages; what was not indexed when
    the process died is indexed on the next start.
    """

    def __init__(
        self, connection: sqlite3.Connection, keys: Iterable[str], exporters: Sequence[str] = ()
    ) -> None:
        self._db = connection
        self._keys = tuple(keys)
        self._services: dict[str, int] = {}
        self._next_service = 1
        # By (kind, owner, value) as sent, the day on which the seen table was last told.
        self._seen: dict[tuple[str, str, str], int] = {}
        self._read_names()
        ledger = dict(connection.execute("SELECT entry, spans FROM ledger").fetchall())
        self.stored: int = ledger.get("stored", 0)
        self.evicted: int = ledger.get("evicted", 0)
        self.blocks: int
        self.size_bytes: int
        self.blocks, self.size_bytes = connection.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM block_facts"
        ).fetchone()
        self._next = 1 + connection.execute("SELECT coalesce(max(id), 0) FROM block").fetchone()[0]
        self._pending: list[_Pending] = []
        self._words = WordBits()
        self._forgot_day = 0
        self.outbox = Outbox(connection)
        self._recover()
        self.outbox.follow(exporters)

    @property
    def unindexed(self) -> int:
        """Blocks that searches do not see before write_index."""
        return len(self._pending)

    def _read_names(self) -> None:
        db = self._db
        self._services = {name: number for number, name in db.execute("SELECT * FROM service")}
        self._next_service = 1 + max(self._services.values(), default=0)
        self._seen = {
            (kind, owner, value): day
            for kind, owner, value, day in db.execute("SELECT * FROM seen")
        }

    def _recover(self) -> None:
        """Index the blocks of a process that died before it could."""
        rows = self._db.execute(
            "SELECT id, stored_ms, body FROM block"
            " WHERE id > (SELECT coalesce(max(id), 0) FROM block_facts)"
        )
        for number, stored_ms, body in rows:
            self._await_index(number, stored_ms, body, spans_of(body) or [])
        self.write_index()

    def append(self, batches: Sequence[Batch], now_ms: int, also: Sequence[Statement] = ()) -> None:
        """Keep the batches, and run the statements, all or none; one transaction."""
        blocks = list(grouped(batches))
        if not blocks and not also:
            return
        first = self._next
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany(
                "INSERT INTO block VALUES (?, ?, ?)",
                [(first + i, now_ms, body) for i, (body, _) in enumerate(blocks)],
            )
            for statement, values in also:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self._next = first + len(blocks)
        for number, (body, spans) in enumerate(blocks, first):
            self._await_index(number, now_ms, body, spans)

    def _roll_back(self) -> None:
        """Undo; a full disk has SQLite do it by itself."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def _await_index(self, number: int, stored_ms: int, body: bytes, spans: list[V2Span]) -> None:
        index = index_of(spans, self._keys)
        words = self._words.of_block(spans, index.names, index.remotes)
        self._pending.append(_Pending(number, len(body), len(spans), stored_ms, index, words))
        self.stored += len(spans)
        self.outbox.take(len(spans))
        self.blocks += 1
        self.size_bytes += len(body)

    def write_index(self) -> None:
        """Let searches see every block; one transaction."""
        pending = self._pending
        if not pending:
            return
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany(
                "INSERT INTO block_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(self._facts, pending)
            )
            db.executemany(
                "INSERT INTO block_words VALUES (?, ?)",
                [(block.number, block.words) for block in pending],
            )
            entries = [(low, block.number) for block in pending for low in block.index.lows]
            entries.sort()
            db.executemany("INSERT INTO trace_block VALUES (?, ?)", entries)
            for block in pending:
                self._write_names(block.index, block.stored_ms // _DAY_MS)
            self._write_ledger("stored", self.stored)
            self.outbox.write_kept()
            db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            self._read_names()
            raise
        self._pending = []

    def _facts(self, block: _Pending) -> tuple[object, ...]:
        index = block.index
        services = sorted({self._service(name) for name, _ in index.names if name})
        return (
            block.number,
            block.spans,
            block.size,
            index.min_ms,
            index.max_ms,
            index.duration_max,
            f",{','.join(map(str, services))},",
            block.stored_ms,
        )

    def _write_ledger(self, entry: str, spans: int) -> None:
        self._db.execute(
            "INSERT INTO ledger VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET spans = ?2",
            (entry, spans),
        )

    def _write_names(self, index: BlockIndex, day: int) -> None:
        for service, name in index.names:
            if service:
                self._see("name", service, name or _UNNAMED, day)
        for service, remote in index.remotes:
            if service and remote:
                self._see("remote", service, remote, day)
        for key, value in index.tags:
            self._see("tag", key, value, day)

    def _service(self, name: str) -> int:
        number = self._services.get(name)
        if number is None:
            kept = name.lower()
            number = self._services.get(kept)
            if len(self._services) >= _SERVICES_MAX:
                return _OTHERS if number is None else number
            if number is None:
                number = self._next_service
                self._next_service += 1
                self._db.execute("INSERT INTO service VALUES (?, ?)", (number, kept))
                self._services[kept] = number
            self._services[name] = number
        return number

    def _see(self, kind: str, owner: str, value: str, day: int) -> None:
        if self._seen.get((kind, owner, value)) == day:
            return
        if len(self._seen) >= _SEEN_MAX and (kind, owner, value) not in self._seen:
            return
        self._seen[kind, owner, value] = day
        if kind != "tag":
            owner, value = owner.lower(), value.lower()
        self._db.execute(
            "INSERT INTO seen VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (kind, owner, value) DO UPDATE SET day = ?4",
            (kind, owner, value, day),
        )

    def compact_some(self) -> int:
        """Put some small blocks together; returns how many blocks fewer there are."""
        self.write_index()
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            followed_to = self.outbox.followed_to()
            fewer, bytes_gained = compact_some(db, self._words, followed_to)
            db.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        self.blocks -= fewer
        self.size_bytes += bytes_gained
        return fewer

    def forget_some(self, before_ms: int | None, bytes_max: int | None) -> int:
        """Forget some of the oldest blocks that should not be kept; returns how many spans went.

        Units: before_ms is compared with the time of storing; bytes_max bounds all bodies.
        """
        self.write_index()
        rows = self._db.execute(
            "SELECT id, bytes, stored_ms FROM block_facts ORDER BY id LIMIT ?", (_EVICT_BLOCKS,)
        ).fetchall()
        chosen = []
        excess = 0 if bytes_max is None else self.size_bytes - bytes_max
        for number, size, stored_ms in rows:
            if excess <= 0 and (before_ms is None or stored_ms >= before_ms):
                break
            chosen.append(number)
            excess -= size
        if before_ms is not None and len(chosen) < _EVICT_BLOCKS:
            self._forget_names(before_ms // _DAY_MS)
        return self._evict(chosen) if chosen else 0

    def _evict(self, blocks: Sequence[int]) -> int:
        db = self._db
        spans_gone = bytes_gone = 0
        with self.outbox.transaction():
            self.outbox.forget(blocks)
            for number in blocks:
                body, count, size = db.execute(
                    "SELECT b.body, f.spans, f.bytes FROM block b JOIN block_facts f USING (id)"
                    " WHERE b.id = ?",
                    (number,),
                ).fetchone()
                spans_gone += count
                bytes_gone += size
                spans = spans_of(body)
                if spans is None:  # nobody knows its traces any more: look at every entry
                    db.execute("DELETE FROM trace_block WHERE block = ?", (number,))
                db.executemany(
                    "DELETE FROM trace_block WHERE low = ? AND block = ?",
                    [(low, number) for low in sorted(index_of(spans or []).lows)],
                )
                db.execute("DELETE FROM block WHERE id = ?", (number,))
                db.execute("DELETE FROM block_facts WHERE id = ?", (number,))
                db.execute("DELETE FROM block_words WHERE id = ?", (number,))
            self._write_ledger("evicted", self.evicted + spans_gone)
        self.evicted += spans_gone
        self.blocks -= len(blocks)
        self.size_bytes -= bytes_gone
        return spans_gone

    def _forget_names(self, before_day: int) -> None:
        """Drop names that no span carried, and sums that no span changed, since that day.

        Units: days since 1970.
        """
        if before_day == self._forgot_day:
            return
        self._forgot_day = before_day
        self._db.execute("DELETE FROM link_sum WHERE day < ?", (before_day,))
        self._db.execute("DELETE FROM seen WHERE day < ?", (before_day,))
        self._seen = {key: day for key, day in self._seen.items() if day >= before_day}
