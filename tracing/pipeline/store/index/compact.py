"""Small blocks put together behind the ingest.

A process that flushes a few spans twice a second would make some hundred thousand blocks a day,
and a search looks at each. Blocks that lie one behind the other in the log become one by what the
index says of them; the log itself stays as it is.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from tracing.pipeline.store.index.words import together
from tracing.pipeline.store.log.segments import Place

_SMALL_SPANS: Final = 64
_RUN_MIN: Final = 32  # fewer small blocks are not worth the writing
_SPANS_MAX: Final = 512
_BYTES_MAX: Final = 262_144


class Compacted(NamedTuple):
    """Shape: fewer says how many blocks went; no block up to `to` need be looked at again."""

    fewer: int
    to: int


class _Run(NamedTuple):
    """Small blocks one behind the other, all facts of them together."""

    numbers: list[int]
    place: Place
    spans: int
    min_ms: int
    max_ms: int
    duration_max: int
    services: frozenset[str]
    stored_ms: int

    def with_next(self, other: "_Run") -> "_Run | None":
        """Both as one; None where they are too large, or something lies between them."""
        place = Place(self.place.segment, self.place.offset, self.place.size + other.place.size)
        if (
            (other.place.segment, other.place.offset) != (self.place.segment, self.place.end)
            or self.spans + other.spans > _SPANS_MAX
            or place.size > _BYTES_MAX
        ):
            return None
        return _Run(
            self.numbers + other.numbers,
            place,
            self.spans + other.spans,
            min(self.min_ms, other.min_ms),
            max(self.max_ms, other.max_ms),
            max(self.duration_max, other.duration_max),
            self.services | other.services,
            max(self.stored_ms, other.stored_ms),
        )


def _runs(db: sqlite3.Connection, after: int, to: int) -> Iterator[_Run]:
    """All runs between these numbers, the last perhaps not at its end yet."""
    run: _Run | None = None
    for row in db.execute(
        "SELECT * FROM block_facts WHERE id > ? AND id <= ? AND spans < ? ORDER BY id",
        (after, to, _SMALL_SPANS),
    ):
        number, segment, offset, size, spans, min_ms, max_ms, duration, services, stored_ms = row
        place = Place(segment, offset, size)
        named = frozenset(one for one in services.split(",") if one)
        one = _Run([number], place, spans, min_ms, max_ms, duration, named, stored_ms)
        grown = None if run is None else run.with_next(one)
        if run is not None and grown is None:
            yield run
        run = grown or one
    if run is not None:
        yield run


def compact_some(db: sqlite3.Connection, after: int, to: int) -> Compacted:
    """Make one block of the first run between these numbers that is long enough.

    The new block has the number of the first; numbers of the others stand for it from now on. The
    caller holds the transaction.
    """
    for run in _runs(db, after, to):
        first, last = run.numbers[0], run.numbers[-1]
        after = first - 1
        if len(run.numbers) < _RUN_MIN:
            continue
        bounds = (first, last)
        rows = db.execute("SELECT words FROM block_words WHERE id BETWEEN ? AND ?", bounds)
        words = together(words for (words,) in rows)
        for table in ("block_facts", "block_words"):
            db.execute(f"DELETE FROM {table} WHERE id BETWEEN ? AND ?", bounds)  # noqa: S608 - our own names
        services = f",{','.join(sorted(run.services))},"
        db.execute(
            "INSERT INTO block_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (first, *run.place, *run[2:6], services, run.stored_ms),
        )
        db.execute("INSERT INTO block_words VALUES (?, ?)", (first, words))
        return Compacted(len(run.numbers) - 1, first - 1 if run.spans < _SMALL_SPANS else last)
    return Compacted(0, after)
