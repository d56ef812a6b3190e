"""Small blocks put together behind the ingest.

A process that flushes a few spans twice a second would make some hundred thousand blocks a day,
and a search looks at each. Blocks that lie one behind the other in the log become one by what the
index says of them; the log itself stays as it is.
"""

import sqlite3
from collections.abc import Iterator
from typing import Final, NamedTuple

from tracing.pipeline.batch import index_of
from tracing.pipeline.store.bodies import spans_of
from tracing.pipeline.store.log import LogReader, Place
from tracing.pipeline.store.words import WordBits

_SMALL_SPANS: Final = 64
_RUN_MIN: Final = 32  # fewer small blocks are not worth the writing
_SPANS_MAX: Final = 512
_BYTES_MAX: Final = 262_144


class Compacted(NamedTuple):
    """Shape: fewer says how many blocks went; no block up to `to` need be looked at again."""

    fewer: int
    to: int


class _Run(NamedTuple):
    """Small blocks one behind the other; services is what was noted of each."""

    numbers: list[int]
    place: Place
    spans: int
    services: set[str]
    stored_ms: int


def _runs(db: sqlite3.Connection, after: int, to: int) -> Iterator[_Run]:
    """All runs between these numbers, the last perhaps not at its end yet."""
    run: _Run | None = None
    for number, segment, offset, size, spans, services, stored_ms in db.execute(
        "SELECT id, segment, offset, bytes, spans, services, stored_ms FROM block_facts"
        " WHERE id > ? AND id <= ? AND spans < ? ORDER BY id",
        (after, to, _SMALL_SPANS),
    ):
        named = {one for one in services.split(",") if one}
        if run is not None:
            grown = run.place.size + size
            if (
                (segment, offset) == (run.place.segment, run.place.end)
                and run.spans + spans <= _SPANS_MAX
                and grown <= _BYTES_MAX
            ):
                run = _Run(
                    [*run.numbers, number],
                    Place(segment, run.place.offset, grown),
                    run.spans + spans,
                    run.services | named,
                    max(run.stored_ms, stored_ms),
                )
                continue
            yield run
        run = _Run([number], Place(segment, offset, size), spans, named, stored_ms)
    if run is not None:
        yield run


def compact_some(db: sqlite3.Connection, log: LogReader, after: int, to: int) -> Compacted:
    """Make one block of the first run between these numbers that is long enough.

    The new block has the number of the first; numbers of the others stand for it from now on. The
    caller holds the transaction.
    """
    for run in _runs(db, after, to):
        first, last = run.numbers[0], run.numbers[-1]
        after = first - 1
        if len(run.numbers) < _RUN_MIN:
            continue
        records, whole = log.read(run.place)
        spans = [span for record in records for span in spans_of(record.body) or ()]
        after = last
        if not whole or len(spans) != run.spans:
            continue
        index = index_of(spans)
        for table in ("block_facts", "block_words"):
            db.execute(f"DELETE FROM {table} WHERE id >= ? AND id <= ?", (first, last))  # noqa: S608 - our own names
        db.execute(
            "INSERT INTO block_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                first,
                *run.place,
                run.spans,
                index.min_ms,
                index.max_ms,
                index.duration_max,
                f",{','.join(sorted(run.services))},",
                run.stored_ms,
            ),
        )
        bits = WordBits().of_block(spans, index.names, index.remotes)
        db.execute("INSERT INTO block_words VALUES (?, ?)", (first, bits))
        return Compacted(len(run.numbers) - 1, first - 1 if run.spans < _SMALL_SPANS else last)
    return Compacted(0, after)
