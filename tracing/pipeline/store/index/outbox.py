"""Who reads the log of blocks, and where each stored span stands, in the writer's thread.

Blocks are a log: their numbers grow, and followers (exporters, the sums of links) read them in
that order, each behind a cursor that is as durable as the blocks. Compaction touches only blocks
that all of them have read.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from tracing.pipeline.store.port import Standing

LINKS: Final = "links"
EXPORT: Final = "export."
_COUNT: Final = "INSERT INTO ledger VALUES (?1, ?2) ON CONFLICT (entry) DO UPDATE SET spans = ?2"
_CURSOR: Final = "INSERT INTO follower VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET cursor = ?2"


class Outbox:
    """The followers' cursors, and the standing of spans."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._cursors: dict[str, int] = dict(connection.execute("SELECT * FROM follower"))
        ledger = dict(connection.execute("SELECT entry, spans FROM ledger").fetchall())
        self._kept: int = ledger["kept"] if "kept" in ledger else ledger.get("stored", 0)
        self._exported: int = ledger.get("exported", 0)
        self._lost: int = ledger.get("lost", 0)
        to = self._exported_to()
        self._owed = 0 if to is None else sum(spans for _, spans in self._between(to, None))

    def follow(self, exporters: Sequence[str]) -> None:
        """Take these exporters and no others; new ones begin with the next block."""
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM block_facts").fetchone()
        wanted = {EXPORT + name for name in exporters}
        before = self._exported_to()
        with self.transaction():
            self._replace(wanted, newest)
            if not wanted:
                self._kept += self._owed
                self._owed = 0
            elif before is not None:
                self._settle(before)
            self._write()

    def _replace(self, wanted: set[str], newest: int) -> None:
        for name in [one for one in self._cursors if one.startswith(EXPORT) and one not in wanted]:
            del self._cursors[name]
            self._db.execute("DELETE FROM follower WHERE name = ?", (name,))
        for name in sorted(wanted - self._cursors.keys()):
            self._move(name, newest)
        if LINKS not in self._cursors:
            self._move(LINKS, 0)

    def standing(self) -> Standing:
        """The counts of this moment."""
        return Standing(self._kept, self._exported, self._lost, self._owed)

    def followed_to(self) -> int:
        """The last block that every follower is done with."""
        return min(self._cursors.values())

    def take(self, spans: int) -> None:
        """Inside the caller's transaction: so many spans are in new blocks."""
        if self._exported_to() is None:
            self._kept += spans
            self._db.execute(_COUNT, ("kept", self._kept))
        else:
            self._owed += spans

    def advance(self, exporter: str, number: int, refused: Iterable[int] = ()) -> None:
        """An exporter is done with every block up to this one; one transaction.

        Shape: refused are those of the blocks that it will never take.
        """
        before = self._exported_to()
        with self.transaction():
            marks = [(number,) for number in refused]
            self._db.executemany("INSERT OR IGNORE INTO refused VALUES (?)", marks)
            self._move(EXPORT + exporter, number)
            if before is not None:
                self._settle(before)
            self._write()

    def links_done(self, number: int) -> None:
        """Inside the caller's transaction: links are summed up to this block."""
        self._move(LINKS, number)

    def forget(self, blocks: Sequence[int]) -> None:
        """Inside the caller's transaction, and before they go: these blocks will be forgotten."""
        to = self._exported_to()
        if to is not None:
            gone = set(blocks)
            lost = sum(n for number, n in self._between(to, max(blocks)) if number in gone)
            self._owed -= lost
            self._lost += lost
            self._write()
        self._db.executemany("DELETE FROM refused WHERE id = ?", [(number,) for number in blocks])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction, whose failure leaves memory as it leaves the disk."""
        cursors, standing = dict(self._cursors), self.standing()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # a full disk has SQLite roll back by itself
                self._db.execute("ROLLBACK")
            self._cursors = cursors
            self._kept, self._exported, self._lost, self._owed = standing
            raise

    def _exported_to(self) -> int | None:
        """The last block that every exporter is done with; None without exporters."""
        return min(
            (cursor for name, cursor in self._cursors.items() if name.startswith(EXPORT)),
            default=None,
        )

    def _between(self, after: int, to: int | None) -> list[tuple[int, int]]:
        """The numbers of new blocks, with their spans."""
        rows: list[tuple[int, int]] = self._db.execute(
            "SELECT id, spans FROM block_facts WHERE id > ?1 AND (?2 IS NULL OR id <= ?2)",
            (after, to),
        ).fetchall()
        return rows

    def _move(self, name: str, number: int) -> None:
        self._cursors[name] = number
        self._db.execute(_CURSOR, (name, number))

    def _settle(self, before: int) -> None:
        """Count what the last of the exporters is now done with."""
        after = self._exported_to()
        if after is not None and after > before:
            refused = {number for (number,) in self._db.execute("SELECT id FROM refused")}
            for number, spans in self._between(before, after):
                self._owed -= spans
                if number in refused:
                    self._kept += spans
                else:
                    self._exported += spans
            self._db.execute("DELETE FROM refused WHERE id <= ?", (after,))

    def _write(self) -> None:
        counts = {"kept": self._kept, "exported": self._exported, "lost": self._lost}
        self._db.executemany(_COUNT, list(counts.items()))
