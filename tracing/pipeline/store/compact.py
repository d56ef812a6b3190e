"""Small blocks put together behind the ingest.

A process that flushes a few spans twice a second would make some hundred thousand blocks a day,
and a search looks at each. The new block takes the place of the oldest that went into it, so that
every trace's parts keep the order in which they came: where parts contradict each other, the first
counts.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final, NamedTuple

from tracing.pipeline.batch import index_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.bodies import spans_of
from tracing.pipeline.store.words import WordBits

_SMALL_SPANS: Final = 64
_RUN_MIN: Final = 32  # fewer small blocks are not worth the writing
_RUN_MAX: Final = 256
_SPANS_MAX: Final = 512
_BYTES_MAX: Final = 262_144


class _Small(NamedTuple):
    """A small block as it lies there, and which traces it has spans of."""

    number: int
    stored_ms: int
    services: str
    body: bytes
    spans: list[V2Span]
    lows: set[int]


def _small(db: sqlite3.Connection, followed_to: int) -> Iterable[_Small]:
    """Small blocks that every follower has read, the oldest first; as many as one step may take."""
    rows = db.execute(
        "SELECT f.id, f.stored_ms, f.services, b.body FROM block_facts f JOIN block b USING (id)"
        " WHERE f.spans < ? AND f.id <= ? ORDER BY f.id LIMIT ?",
        (_SMALL_SPANS, followed_to, _RUN_MAX),
    )
    spans = size = 0
    for number, stored_ms, services, body in rows:
        part = spans_of(body)
        if part is None:
            continue
        spans += len(part)
        size += len(body)
        if spans > _SPANS_MAX or size > _BYTES_MAX:
            return
        yield _Small(number, stored_ms, services, body, part, index_of(part).lows)


def _choose(db: sqlite3.Connection, followed_to: int) -> list[_Small]:
    """The oldest small blocks that make one good one.

    A block is left out where one of its traces has parts between the first chosen block and this
    one that stay where they are: they would change places with its own.
    """
    chosen: list[_Small] = []
    numbers: set[int] = set()
    for block in _small(db, followed_to):
        if chosen and any(
            other not in numbers
            for low in block.lows
            for (other,) in db.execute(
                "SELECT block FROM trace_block WHERE low = ? AND block > ? AND block < ?",
                (low, chosen[0].number, block.number),
            )
        ):
            continue
        chosen.append(block)
        numbers.add(block.number)
    return chosen if len(chosen) >= _RUN_MIN else []


def compact_some(db: sqlite3.Connection, words: WordBits, followed_to: int) -> tuple[int, int]:
    """Make one block of many small ones: (blocks fewer, bytes gained), zeros for too few of them.

    Only blocks up to followed_to are taken. The caller holds the transaction; readers must not
    trust a copy of a block from before it (the ledger counts
    compactions for them).
    """
    chosen = _choose(db, followed_to)
    if not chosen:
        return 0, 0
    number = chosen[0].number
    for old in chosen:
        db.executemany(
            "DELETE FROM trace_block WHERE low = ? AND block = ?",
            [(low, old.number) for low in sorted(old.lows)],
        )
        for table in ("block", "block_facts", "block_words"):
            db.execute(f"DELETE FROM {table} WHERE id = ?", (old.number,))  # noqa: S608 - our own names
    body = b"[" + b",".join([old.body.strip()[1:-1] for old in chosen]) + b"]"
    spans = [span for old in chosen for span in old.spans]
    index = index_of(spans)
    services = sorted({int(one) for old in chosen for one in old.services.split(",") if one})
    stored_ms = max(old.stored_ms for old in chosen)
    db.execute("INSERT INTO block VALUES (?, ?, ?)", (number, stored_ms, body))
    db.execute(
        "INSERT INTO block_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            len(spans),
            len(body),
            index.min_ms,
            index.max_ms,
            index.duration_max,
            f",{','.join(map(str, services))},",
            stored_ms,
        ),
    )
    bits = words.of_block(spans, index.names, index.remotes)
    db.execute("INSERT INTO block_words VALUES (?, ?)", (number, bits))
    db.executemany(
        "INSERT INTO trace_block VALUES (?, ?)", [(low, number) for low in sorted(index.lows)]
    )
    db.execute(
        "INSERT INTO ledger VALUES ('compacted', 1)"
        " ON CONFLICT (entry) DO UPDATE SET spans = spans + 1"
    )
    return len(chosen) - 1, len(body) - sum(len(old.body) for old in chosen)
