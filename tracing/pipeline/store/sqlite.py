"""The durable store: one writer behind a bounded queue, readers beside it."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from tracing.pipeline.batch import Batch
from tracing.pipeline.links import Link
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.commits import Commits
from tracing.pipeline.store.finding import find
from tracing.pipeline.store.link_sums import apply, dependencies, next_step
from tracing.pipeline.store.port import StoreCounts, StoreError, Trace
from tracing.pipeline.store.reader import BlockReader, LogBlock
from tracing.pipeline.store.readers import Readers
from tracing.pipeline.store.schema import lock, open_writer
from tracing.pipeline.store.waiting import WaitingRoom, release, settle_on
from tracing.pipeline.store.writer import BlockWriter
from tracing.pipeline.store.writing import WriterThread, flow_of
from tracing.pipeline.tail.window import TailWindow

_T = TypeVar("_T")

# Blocks wait for their index entries at most this long while nobody asks, and in this number.
_INDEX_WITHIN_S: Final = 1.0
_UNINDEXED_MAX: Final = 256
_FORGET_EVERY_S: Final = 60.0
# Links are summed once a trace's parts are likely to be together; what comes later costs its trace
# a second time. While spans come in or are asked for, the sums take this share of a thread at most.
_DAY_NS: Final = 86_400 * 10**9
_LINKS_AFTER_MS: Final = 30_000
_LINKS_EVERY_S: Final = 1.0
_LINKS_SHARE: Final = 0.1


class SqliteStore:
    """Spans in one SQLite file (or ":memory:" for tests).

    `append` returns after the commit: what was accepted survives kill -9.

    Units: queue_bytes_max bounds the bodies that wait for their commit; past it `append` raises
    StoreBusyError and takes nothing. Blocks are forgotten, oldest first, once they are older than
    keep_ms or all bodies together larger than keep_bytes; a trace that lies in several blocks
    may lose its older part first. Names go when no span carried them for keep_ms. With a `tail`
    spans wait for their verdict, as durable, and are found once they are kept. `exporters` read
    what is stored from now on, each by its name.
    """

    def __init__(  # noqa: PLR0913 - each bound has its own
        self,
        path: Path | str,
        *,
        strict: bool = True,
        keys: Iterable[str] = (),
        queue_bytes_max: int = 64 << 20,
        keep_ms: int | None = None,
        keep_bytes: int | None = None,
        query_s_max: float = 11.0,
        tail: TailWindow | None = None,
        exporters: Sequence[str] = (),
    ) -> None:
        self._path = str(path)
        self.name = f"SQLiteStorage{{{self._path}}}"
        self._keep_ms = keep_ms
        self._keep_bytes = keep_bytes
        self._lock = None if self._path == ":memory:" else lock(self._path)
        connection = self._open()
        self._writer_db = connection
        self._writer = BlockWriter(connection, keys, exporters)
        room = None if tail is None else WaitingRoom(connection, self._writer, tail)
        if room is None:
            release(connection, self._writer, time.time_ns() // 1_000_000)
        self._thread = WriterThread(self._writer, room)
        self._keep = self._writer.append if room is None else room.hold
        self._commits = Commits(self._commit, queue_bytes_max)
        memory = (connection, self._thread.executor) if self._path == ":memory:" else None
        self._readers = Readers(self._path, query_s_max, memory, strict=strict)
        self._reads = 0
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._write_on(), name="store-writer")
        self._behind = [
            loop.create_task(self._forget_on(), name="store-forgetter"),
            loop.create_task(self._sum_links_on(), name="store-links"),
        ]
        if room is not None:
            settling = settle_on(room, self._thread.run)
            self._behind.append(loop.create_task(settling, name="store-settler"))

    def _open(self) -> sqlite3.Connection:
        try:
            return open_writer(self._path)
        except StoreError:
            self._unlock()
            raise

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    async def append(self, batch: Batch) -> None:
        """Keep a batch; returns once it is committed."""
        await self._commits.append(batch)

    async def _commit(self, batches: Sequence[Batch], now_ms: int) -> None:
        await self._thread.run(self._keep, batches, now_ms)

    async def _write_on(self) -> None:
        while True:
            # Always with a bound: what a tail keeps is stored without coming through here.
            if not await self._commits.some(_INDEX_WITHIN_S):
                await self._write_index()
                continue
            while await self._commits.commit_next():
                if self._writer.unindexed >= _UNINDEXED_MAX:
                    await self._write_index()
            if self._commits.closed:
                return

    async def _write_index(self) -> None:
        """Searches see all committed blocks afterwards. A failure leaves it for the next time."""
        if self._writer.unindexed:
            with contextlib.suppress(sqlite3.Error):
                await self._thread.run(self._writer.write_index)

    async def _sum_links_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LINKS_EVERY_S)
            worked = True
            while worked:
                before, start = (self._writer.stored, self._reads), loop.time()
                worked = await self.sum_links(time.time_ns() // 1_000_000 - _LINKS_AFTER_MS)
                took = loop.time() - start
                busy = (self._writer.stored, self._reads) != before
                await asyncio.sleep(took * (1 / _LINKS_SHARE - 1) if busy else 0.0)

    async def sum_links(self, before_ms: int) -> bool:
        """One step of the sums of links, over blocks stored before this; False for none left."""
        with contextlib.suppress(sqlite3.Error, StoreError):
            step = await self._read(lambda reader: next_step(reader, before_ms), see_all=False)
            if step is not None:
                day = time.time_ns() // _DAY_NS
                outbox = self._writer.outbox
                await self._thread.run(apply, self._writer_db, outbox, step, day)
                return True
        return False

    async def log(self, exporter: str) -> list[LogBlock]:
        """The next blocks for an exporter; empty when it has all."""
        return await self._read(lambda reader: reader.log_after_cursor(exporter), see_all=False)

    async def exported(self, exporter: str, number: int, refused: Sequence[int] = ()) -> None:
        """An exporter is done with all blocks up to this one, and will never take the refused."""
        await self._thread.run(self._writer.outbox.advance, exporter, number, refused)

    async def _forget_on(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_EVERY_S)
            with contextlib.suppress(sqlite3.Error):
                await self.forget(time.time_ns() // 1_000_000)
                await self.compact()

    async def compact(self) -> None:
        """Put small blocks together, in small steps as forget does."""
        while await self._thread.run(self._writer.compact_some):
            pass

    async def forget(self, now_ms: int) -> int:
        """Forget what is older or more than should be kept; returns how many spans went.

        In small steps, so that no sender waits for more than one of them.
        """
        if self._keep_ms is None and self._keep_bytes is None:
            return 0
        before_ms = None if self._keep_ms is None else now_ms - self._keep_ms
        gone = 0
        while True:
            step = await self._thread.run(self._writer.forget_some, before_ms, self._keep_bytes)
            if not step:
                return gone
            gone += step

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def _read(self, ask: Callable[[BlockReader], _T], *, see_all: bool = True) -> _T:
        if see_all:
            self._reads += 1
            await self._write_index()
        return await self._readers.ask(ask)

    async def trace(self, trace_id: str) -> Trace:
        """The spans of one trace."""
        return await self._read(lambda reader: reader.trace(trace_id))

    async def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Several traces, in the order asked for."""
        return await self._read(lambda reader: reader.traces(trace_ids))

    async def search(self, query: TraceQuery) -> list[Trace]:
        """The newest matching traces."""
        return await self._read(lambda reader: find(reader, query))

    async def services(self) -> list[str]:
        """Local service names."""
        return await self._read(lambda reader: reader.services())

    async def span_names(self, service: str) -> list[str]:
        """Span names of a service."""
        return await self._read(lambda reader: reader.seen("name", service))

    async def remote_services(self, service: str) -> list[str]:
        """Remote names a service saw."""
        return await self._read(lambda reader: reader.seen("remote", service))

    async def tag_values(self, key: str) -> list[str]:
        """Values of a configured key."""
        return await self._read(lambda reader: reader.seen("tag", key))

    async def dependencies(self, end_ms: int, lookback_ms: int) -> list[Link]:
        """Links of the traces in the window."""
        return await self._read(lambda reader: dependencies(reader, end_ms, lookback_ms))

    async def check(self) -> None:
        """A read that touches the file."""
        await self._read(lambda reader: reader.services())

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def counts(self) -> StoreCounts:
        """The ledger of this moment."""
        seen = self._thread.seen
        return StoreCounts(
            flow_of(self._thread.begun, seen, self._commits.spans, self._commits.failed),
            stored=seen.stored,
            evicted=seen.evicted,
            blocks=seen.blocks,
            size_bytes=seen.size_bytes,
            spoilt=len(self._readers.spoilt),
            tail=seen.tail,
            standing=seen.standing,
        )

    async def aclose(self) -> None:
        """Commit what waits, fold the log into the file, close."""
        self._commits.close()
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        await self._task
        await self._readers.aclose()
        await self._thread.run(self._close_writer)
        self._thread.executor.shutdown()
        self._unlock()

    def _close_writer(self) -> None:
        self._writer.write_index()
        self._writer_db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer_db.close()
