"""The durable store: one writer behind a bounded queue, readers beside it."""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tracing.pipeline.batch import Batch
from tracing.pipeline.links import Link
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.port import StoreBusyError, StoreCounts, StoreError, Trace
from tracing.pipeline.store.reader import BlockReader
from tracing.pipeline.store.schema import lock, open_reader, open_writer
from tracing.pipeline.store.waiting import WaitingRoom, release, settle_on
from tracing.pipeline.store.writer import BlockWriter
from tracing.pipeline.tail.window import TailWindow

_T = TypeVar("_T")

_READERS: Final = 2
# Blocks wait for their index entries at most this long while nobody asks, and in this number.
_INDEX_WITHIN_S: Final = 1.0
_UNINDEXED_MAX: Final = 256
_FORGET_EVERY_S: Final = 60.0
_COMMIT_BYTES_MAX: Final = 8 << 20  # of one transaction; the rest waits for the next


class SqliteStore:
    """Spans in one SQLite file (or ":memory:" for tests).

    `append` returns after the commit: what was accepted survives kill -9. All batches that wait
    while a commit runs share the next one.

    Units: queue_bytes_max bounds the bodies that wait for their commit; past it `append` raises
    StoreBusyError and takes nothing. Blocks are forgotten, oldest first, once they are older than
    keep_ms or all bodies together larger than keep_bytes; a trace that lies in several blocks
    may lose its older part first. Names go when no span carried them for keep_ms. With a `tail`
    spans wait for their verdict, as durable, and are found once they are kept.
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
    ) -> None:
        self._path = str(path)
        self.name = f"SQLiteStorage{{{self._path}}}"
        self._strict = strict
        self._queue: deque[tuple[Batch, asyncio.Future[None]]] = deque()
        self._queue_bytes = 0
        self._queue_bytes_max = queue_bytes_max
        self._queued_spans = 0
        self._query_s_max = query_s_max
        self._keep_ms = keep_ms
        self._keep_bytes = keep_bytes
        self._wake = asyncio.Event()
        self._closed = False
        # Only the connection that made a memory database sees it, so the writer's thread reads too.
        self._in_memory = self._path == ":memory:"
        self._lock = None if self._in_memory else lock(self._path)
        connection = self._open()
        self._writer_db = connection
        self._writer = BlockWriter(connection, keys)
        self._room = None if tail is None else WaitingRoom(connection, self._writer, tail)
        if self._room is None:
            release(connection, self._writer, time.time_ns() // 1_000_000)
        self._keep = self._writer.append if self._room is None else self._room.hold
        self._writing = ThreadPoolExecutor(1, "store-writer")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._reading = (
            self._writing if self._in_memory else ThreadPoolExecutor(_READERS, "store-reader")
        )
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._write_on(), name="store-writer")
        self._behind = [loop.create_task(self._forget_on(), name="store-forgetter")]
        if self._room is not None:
            settling = settle_on(self._room, self._writing)
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
        if self._closed:
            raise StoreError("the store is closed")
        size = len(batch.body)
        if self._queue_bytes + size > self._queue_bytes_max and self._queue:
            raise StoreBusyError
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((batch, done))
        self._queue_bytes += size
        self._queued_spans += len(batch.spans)
        self._wake.set()
        await done

    async def _write_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(_INDEX_WITHIN_S if self._writer.unindexed else None):
                    await self._wake.wait()
            except TimeoutError:
                await self._write_index()
                continue
            self._wake.clear()
            while self._queue:
                taken = self._take()
                batches = [batch for batch, _ in taken]
                problem: Exception | None = None
                try:
                    now_ms = time.time_ns() // 1_000_000
                    await loop.run_in_executor(self._writing, self._keep, batches, now_ms)
                except Exception as error:  # noqa: BLE001 - every waiting sender needs its answer
                    problem = StoreError(f"{type(error).__name__}: {error}")
                for batch, done in taken:
                    self._queue_bytes -= len(batch.body)
                    self._queued_spans -= len(batch.spans)
                    if done.done():
                        continue  # the sender went away; its spans are kept all the same
                    if problem is None:
                        done.set_result(None)
                    else:
                        done.set_exception(problem)
                if self._writer.unindexed >= _UNINDEXED_MAX:
                    await self._write_index()
            if self._closed:
                return

    async def _write_index(self) -> None:
        """Searches see all committed blocks afterwards. A failure leaves it for the next time."""
        if self._writer.unindexed:
            with contextlib.suppress(sqlite3.Error):
                await asyncio.get_running_loop().run_in_executor(
                    self._writing, self._writer.write_index
                )

    def _take(self) -> list[tuple[Batch, asyncio.Future[None]]]:
        taken = [self._queue.popleft()]
        size = len(taken[0][0].body)
        while self._queue and size < _COMMIT_BYTES_MAX:
            taken.append(self._queue.popleft())
            size += len(taken[-1][0].body)
        return taken

    async def _forget_on(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_EVERY_S)
            with contextlib.suppress(sqlite3.Error):
                await self.forget(time.time_ns() // 1_000_000)
                await self.compact()

    async def compact(self) -> None:
        """Put small blocks together, in small steps as forget does."""
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(self._writing, self._writer.compact_some):
            pass

    async def forget(self, now_ms: int) -> int:
        """Forget what is older or more than should be kept; returns how many spans went.

        In small steps, so that no sender waits for more than one of them.
        """
        if self._keep_ms is None and self._keep_bytes is None:
            return 0
        before_ms = None if self._keep_ms is None else now_ms - self._keep_ms
        loop = asyncio.get_running_loop()
        gone = 0
        while True:
            step = await loop.run_in_executor(
                self._writing, self._writer.forget_some, before_ms, self._keep_bytes
            )
            if not step:
                return gone
            gone += step

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def _reader(self) -> BlockReader:
        reader: BlockReader | None = getattr(self._local, "reader", None)
        if reader is None:
            connection = self._writer_db if self._in_memory else open_reader(self._path)
            if not self._in_memory:
                self._opened.append(connection)
            reader = self._local.reader = BlockReader(connection, strict=self._strict)
        return reader

    async def _read(self, ask: Callable[[BlockReader], _T]) -> _T:
        def run() -> _T:
            try:
                reader = self._reader()
                reader.allow(self._query_s_max)
                with reader.snapshot():
                    return ask(reader)
            except sqlite3.Error as error:
                raise StoreError(f"{type(error).__name__}: {error}") from error

        await self._write_index()
        return await asyncio.get_running_loop().run_in_executor(self._reading, run)

    async def trace(self, trace_id: str) -> Trace:
        """The spans of one trace."""
        return await self._read(lambda reader: reader.trace(trace_id))

    async def traces(self, trace_ids: Sequence[str]) -> list[Trace]:
        """Several traces, in the order asked for."""
        return await self._read(lambda reader: reader.traces(trace_ids))

    async def search(self, query: TraceQuery) -> list[Trace]:
        """The newest matching traces."""
        return await self._read(lambda reader: reader.search(query))

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
        return await self._read(lambda reader: reader.dependencies(end_ms, lookback_ms))

    async def check(self) -> None:
        """A read that touches the file."""
        await self._read(lambda reader: reader.services())

    # ── the rest ─────────────────────────────────────────────────────────────────────────────

    def counts(self) -> StoreCounts:
        """The ledger of this moment."""
        return StoreCounts(
            stored=self._writer.stored,
            evicted=self._writer.evicted,
            queued=self._queued_spans,
            blocks=self._writer.blocks,
            size_bytes=self._writer.size_bytes,
            tail=None if self._room is None else self._room.counts(),
        )

    async def aclose(self) -> None:
        """Commit what waits, fold the log into the file, close."""
        self._closed = True
        self._wake.set()
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        await self._task
        loop = asyncio.get_running_loop()
        if not self._in_memory:
            await loop.run_in_executor(None, self._reading.shutdown)
        for connection in self._opened:
            connection.close()
        await loop.run_in_executor(self._writing, self._close_writer)
        self._writing.shutdown()
        self._unlock()

    def _close_writer(self) -> None:
        self._writer.write_index()
        self._writer_db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer_db.close()
