"""Small blocks put together behind the ingest.

A process that flushes a few spans twice a second would make some hundred thousand blocks a day,
and a search looks at each.
"""

import sqlite3
from typing import Final

from tracing.pipeline.batch import index_of
from tracing.pipeline.model import V2Span, decode_strict
from tracing.pipeline.store.words import WordBits

_SMALL_SPANS: Final = 64
_RUN_MIN: Final = 32  # fewer small blocks are not worth the writing
_RUN_MAX: Final = 256
_SPANS_MAX: Final = 512
_BYTES_MAX: Final = 262_144

_Row = tuple[int, int, int, int, int, int, str, int]


def _choose(db: sqlite3.Connection, followed_to: int) -> list[_Row]:
    """The oldest small blocks that make one good one, and that every follower has read."""
    rows: list[_Row] = db.execute(
        "SELECT id, spans, bytes, min_ms, max_ms, duration_max, services, stored_ms"
        " FROM block_facts WHERE spans < ? AND (id <= ? OR id IN (SELECT id FROM again))"
        " ORDER BY id LIMIT ?",
        (_SMALL_SPANS, followed_to, _RUN_MAX),
    ).fetchall()
    chosen: list[_Row] = []
    spans = size = 0
    for row in rows:
        spans += row[1]
        size += row[2]
        if chosen and (spans > _SPANS_MAX or size > _BYTES_MAX):
            break
        chosen.append(row)
    return chosen if len(chosen) >= _RUN_MIN else []


def compact_some(
    db: sqlite3.Connection, words: WordBits, number: int, followed_to: int
) -> tuple[int, int]:
    """Make one block of many small ones: (blocks fewer, bytes gained), zeros for too few of them.

    Shape: number is the new block's; it must be above every other, so that what is cached of the
    old ones stays right. Only blocks up to followed_to are taken, and followers pass over the new
    one. The caller holds the transaction.
    """
    rows = _choose(db, followed_to)
    if not rows:
        return 0, 0
    bodies: list[bytes] = []
    spans: list[V2Span] = []
    for row in rows:
        old = row[0]
        body: bytes = db.execute("SELECT body FROM block WHERE id = ?", (old,)).fetchone()[0]
        part = decode_strict(body)
        bodies.append(body.strip()[1:-1])
        spans += part
        db.executemany(
            "DELETE FROM trace_block WHERE low = ? AND block = ?",
            [(low, old) for low in sorted(index_of(part).lows)],
        )
        for table in ("block", "block_facts", "block_words", "again"):
            db.execute(f"DELETE FROM {table} WHERE id = ?", (old,))  # noqa: S608 - our own names
    joined = b"[" + b",".join(bodies) + b"]"
    index = index_of(spans)
    services = sorted({int(one) for row in rows for one in row[6].split(",") if one})
    stored_ms = max(row[7] for row in rows)
    db.execute("INSERT INTO block VALUES (?, ?, ?)", (number, stored_ms, joined))
    db.execute("INSERT INTO again VALUES (?)", (number,))
    db.execute(
        "INSERT INTO block_facts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            number,
            len(spans),
            len(joined),
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
    return len(rows) - 1, len(joined) - sum(row[2] for row in rows)
