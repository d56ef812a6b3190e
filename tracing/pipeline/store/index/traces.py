"""Which blocks have parts of a trace.

Trace ids are random, so each new entry of a sorted index rewrites a page of it. New entries are
news first: a row for all entries of a commit, read into a dictionary. Many commits' news are folded
into the index at once, sorted, which rewrites each page for a dozen entries instead of one.

Entries of blocks that were forgotten are not looked for: readers pass over them, and now and then
the index is swept. Nor are those of blocks that were put together: a block's number stands for
every number up to the next block's.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Mapping
from typing import Final

# News are folded past either: so many entries take some 8 MB of dictionaries.
_ENTRIES_MAX: Final = 49_152
_COMMITS_MAX: Final = 64
_SWEEP_ENTRIES: Final = 20_000  # of one step: some 10 ms
_SWEEP_BLOCKS_MIN: Final = 1_024
_FIRST: Final = -(1 << 63)
_LAST: Final = (1 << 63) - 1

# The blocks of each trace that one commit brought, by the low half of its id.
News = dict[int, list[int]]


def _pack(news: News) -> bytes:
    pairs = array("q")
    for low, blocks in news.items():
        for block in blocks:
            pairs.append(low)
            pairs.append(block)
    return pairs.tobytes()


def _unpack(entries: bytes) -> News:
    pairs = array("q", entries)
    news: News = {}
    for low, block in zip(pairs[::2], pairs[1::2], strict=True):
        news.setdefault(low, []).append(block)
    return news


class TraceIndex:
    """The writer's side; belongs to the thread that writes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self.recent: Final[dict[int, News]] = {}
        for number, entries in connection.execute("SELECT id, entries FROM trace_news"):
            self.recent[number] = _unpack(entries)
        self._next = max(self.recent, default=0) + 1
        self._sweep_from: int | None = None  # how far the sweep under way has come
        self._gone = 0  # blocks that were forgotten since the last one began

    def add(self, blocks: Iterable[tuple[int, Iterable[int]]]) -> News:
        """Inside the caller's transaction: write down (block, low halves); for `publish`."""
        news: News = {}
        for number, lows in blocks:
            for low in lows:
                news.setdefault(low, []).append(number)
        self._db.execute("INSERT INTO trace_news VALUES (?, ?)", (self._next, _pack(news)))
        return news

    def publish(self, news: News) -> None:
        """The transaction is committed."""
        self.recent[self._next] = news
        self._next += 1

    def fold(self) -> None:
        """Put the news into the index, if they are many; one transaction."""
        entries = sum(map(len, self.recent.values()))
        if entries <= _ENTRIES_MAX and len(self.recent) <= _COMMITS_MAX:
            return
        taken = list(self.recent)
        pairs = [
            f'"{low}":{block}'
            for news in self.recent.values()
            for low, blocks in news.items()
            for block in blocks
        ]
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            # One statement, which sorts and inserts without the interpreter's lock; a statement
            # each would wait for it 50,000 times.
            db.execute(
                "INSERT OR IGNORE INTO trace_block"
                " SELECT CAST(key AS INTEGER), value FROM json_each(?) ORDER BY 1, 2",
                ("{" + ",".join(pairs) + "}",),
            )
            db.execute("DELETE FROM trace_news WHERE id <= ?", (taken[-1],))
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        for number in taken:
            del self.recent[number]

    def forgot(self, blocks: int) -> None:
        """So many blocks are no more."""
        self._gone += blocks

    def sweep_some(self, oldest: int, blocks: int) -> bool:
        """Drop some entries of blocks before the oldest, once they may be a fifth of all.

        Shape: blocks is how many there are; the answer whether there is more to look at.
        """
        if self._sweep_from is None:
            if self._gone <= max(_SWEEP_BLOCKS_MIN, blocks // 4):
                return False
            self._gone, self._sweep_from = 0, _FIRST
        row = self._db.execute(
            "SELECT low FROM trace_block WHERE low >= ? ORDER BY low LIMIT 1 OFFSET ?",
            (self._sweep_from, _SWEEP_ENTRIES),
        ).fetchone()
        to = _LAST if row is None else row[0]
        self._db.execute(
            "DELETE FROM trace_block WHERE low BETWEEN ? AND ? AND block < ?",
            (self._sweep_from, to, oldest),
        )
        self._sweep_from = None if row is None else to + 1
        return row is not None


class TraceReader:
    """A reader's side; belongs to its thread, and to one snapshot of the database at a time."""

    def __init__(self, connection: sqlite3.Connection, recent: Mapping[int, News]) -> None:
        self._db = connection
        self._recent = recent
        self._news: list[News] = []

    def look(self) -> None:
        """Inside a new snapshot: see the news of just its state."""
        self._news = []
        for (number,) in self._db.execute("SELECT id FROM trace_news ORDER BY id").fetchall():
            news = self._recent.get(number)
            if news is None:  # folded since, though not in this snapshot
                row = self._db.execute("SELECT entries FROM trace_news WHERE id = ?", (number,))
                news = _unpack(row.fetchone()[0])
            self._news.append(news)

    def before(self, lows: Iterable[int], number: int) -> set[int]:
        """Those of the lows that have parts in blocks before this one."""
        asked = list(lows)
        # One question for all of them: a question each would cost five times as much.
        rows = self._db.execute(
            "SELECT low FROM json_each(?) CROSS JOIN trace_block ON low = value AND block < ?",
            (f"[{','.join(map(str, asked))}]", number),
        )
        found = {low for (low,) in rows}
        for news in self._news:
            first = next(iter(news.values()), (number,))  # in the order of their blocks
            if first[0] < number:
                found.update(low for low in asked if news.get(low, (number,))[0] < number)
        return found

    def blocks_of(self, low: int) -> list[int]:
        """The numbers of blocks with parts of this trace, as they were when it was indexed."""
        rows = self._db.execute("SELECT block FROM trace_block WHERE low = ?", (low,))
        numbers = [number for (number,) in rows.fetchall()]
        for news in self._news:
            numbers += news.get(low, ())
        return sorted(numbers)
