"""Writing blocks to SQLite, in whatever thread the store runs it."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from tracing.pipeline.batch import Batch, index_of
from tracing.pipeline.model import V2Span, decode_strict

# Small messages are put together up to this size, so that a tracer that sends one span at a time
# does not make a block of each.
_BLOCK_SPANS_MAX: Final = 256
_BLOCK_BYTES_MAX: Final = 65_536

_SEEN_MAX: Final = 200_000  # distinct names remembered; past it new ones are not offered in lists
_SERVICES_MAX: Final = 100_000  # past it a block says "others", and every search looks into it
_OTHERS: Final = 0
_DAY_MS: Final = 86_400_000
_UNNAMED: Final = ""


class BlockWriter:
    """Appends batches, keeps the lists of names, forgets old blocks.

    Each method is one transaction of the connection given.
    """

    def __init__(self, connection: sqlite3.Connection, keys: Iterable[str]) -> None:
        self._db = connection
        self._keys = tuple(keys)
        self._services: dict[str, int] = {
            name: number for number, name in connection.execute("SELECT id, name FROM service")
        }
        self._next_service = 1 + max(self._services.values(), default=0)
        # What the seen table holds, as sent (any case) and as kept, by the day it was last written.
        self._seen: dict[tuple[str, str, str], int] = {
            (kind, owner, value): day
            for kind, owner, value, day in connection.execute("SELECT * FROM seen")
        }
        ledger = dict(connection.execute("SELECT entry, spans FROM ledger").fetchall())
        self.stored: int = ledger.get("stored", 0)
        self.evicted: int = ledger.get("evicted", 0)
        self._next = 1 + connection.execute("SELECT coalesce(max(id), 0) FROM block").fetchone()[0]
        self.blocks: int = connection.execute("SELECT count(*) FROM block_facts").fetchone()[0]

    def append(self, batches: Sequence[Batch], now_ms: int) -> None:
        """Keep the batches, all or none."""
        total = 0
        blocks = 0
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            for group in _grouped(batches):
                body, spans = group
                self._insert(body, spans, now_ms)
                total += len(spans)
                blocks += 1
            db.execute(
                "INSERT INTO ledger VALUES ('stored', ?1)"
                " ON CONFLICT (entry) DO UPDATE SET spans = ?1",
                (self.stored + total,),
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            self._forget_caches()
            raise
        self.stored += total
        self.blocks += blocks

    def _insert(self, body: bytes, spans: list[V2Span], now_ms: int) -> None:
        index = index_of(spans)
        number = self._next
        self._next += 1
        db = self._db
        services = sorted({self._service(name) for name, _ in index.names if name})
        db.execute("INSERT INTO block VALUES (?, ?)", (number, body))
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
                now_ms,
            ),
        )
        db.executemany(
            "INSERT INTO trace_block VALUES (?, ?)", [(low, number) for low in sorted(index.lows)]
        )
        day = now_ms // _DAY_MS
        for service, name in index.names:
            if service:
                self._see("name", service, name or _UNNAMED, day)
        for service, remote in index.remotes:
            if service and remote:
                self._see("remote", service, remote, day)
        for key in self._keys:
            for value in {span.tags[key] for span in spans if span.tags and key in span.tags}:
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

    def _forget_caches(self) -> None:
        """After a rollback the caches may name rows that are not there."""
        self._services = {name: n for n, name in self._db.execute("SELECT id, name FROM service")}
        self._next_service = 1 + max(self._services.values(), default=0)
        self._seen.clear()

    def evict(self, blocks: Sequence[int]) -> int:
        """Forget whole blocks; returns how many spans went."""
        db = self._db
        gone = 0
        db.execute("BEGIN IMMEDIATE")
        try:
            for number in blocks:
                row = db.execute("SELECT body FROM block WHERE id = ?", (number,)).fetchone()
                if row is None:
                    continue
                spans = decode_strict(row[0])
                gone += len(spans)
                db.executemany(
                    "DELETE FROM trace_block WHERE low = ? AND block = ?",
                    [(low, number) for low in index_of(spans).lows],
                )
                db.execute("DELETE FROM block WHERE id = ?", (number,))
                db.execute("DELETE FROM block_facts WHERE id = ?", (number,))
            db.execute(
                "INSERT INTO ledger VALUES ('evicted', ?1)"
                " ON CONFLICT (entry) DO UPDATE SET spans = ?1",
                (self.evicted + gone,),
            )
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self.evicted += gone
        self.blocks -= len(blocks)
        return gone

    def forget_names(self, before_day: int) -> None:
        """Drop names that no span carried since that day (days since 1970)."""
        self._db.execute("DELETE FROM seen WHERE day < ?", (before_day,))
        self._seen = {key: day for key, day in self._seen.items() if day >= before_day}


def _grouped(batches: Sequence[Batch]) -> Iterable[tuple[bytes, list[V2Span]]]:
    """The batches as blocks: big ones as they are, small ones joined."""
    bodies: list[bytes] = []
    spans: list[V2Span] = []
    size = 0
    for batch in batches:
        if not batch.spans:
            continue
        full = len(spans) + len(batch.spans) > _BLOCK_SPANS_MAX
        if bodies and (full or size + len(batch.body) > _BLOCK_BYTES_MAX):
            yield _joined(bodies), spans
            bodies, spans, size = [], [], 0
        bodies.append(batch.body)
        spans = spans + batch.spans if spans else batch.spans
        size += len(batch.body)
    if bodies:
        yield _joined(bodies), spans


def _joined(bodies: list[bytes]) -> bytes:
    if len(bodies) == 1:
        return bodies[0]
    return b"[" + b",".join([body.strip()[1:-1] for body in bodies]) + b"]"
