"""The durable store: a log of messages, one thread that indexes behind it, and readers."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from tracing.pipeline.batch import Batch
from tracing.pipeline.links import Link
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.bodies import spans_of
from tracing.pipeline.store.commits import Commits
from tracing.pipeline.store.finding import find
from tracing.pipeline.store.gathering import BLOCK_BYTES, Gathering
from tracing.pipeline.store.link_sums import apply, dependencies, next_step
from tracing.pipeline.store.log import SEGMENT_BYTES, SpanLog, sync
from tracing.pipeline.store.port import StoreBusyError, StoreCounts, StoreError, Trace
from tracing.pipeline.store.reader import BlockReader, LogBlock
from tracing.pipeline.store.readers import Readers
from tracing.pipeline.store.schema import lock, open_writer
from tracing.pipeline.store.waiting import Arrival, WaitingRoom, without_tail
from tracing.pipeline.store.writer import IndexWriter
from tracing.pipeline.store.writing import Seen, WriterThread, flow_of
from tracing.pipeline.tail.window import TailWindow

_T = TypeVar("_T")

# Blocks wait for their index entries at most this long while nobody asks, and in this number; past
# the other one (some 16 MB) nothing more is taken.
_INDEX_WITHIN_S: Final = 1.0
_UNINDEXED_MAX: Final = 256
_UNINDEXED_FULL: Final = 4_096
_FORGET_EVERY_S: Final = 60.0
_SETTLE_EVERY_S: Final = 0.2
# Links are summed once a trace's parts are likely to be together; what comes later costs its trace
# a second time. While spans come in or are asked for, the sums take this share of a thread at most.
_DAY_NS: Final = 86_400 * 10**9
_LINKS_AFTER_MS: Final = 30_000
_LINKS_EVERY_S: Final = 1.0
_LINKS_SHARE: Final = 0.1
# Of what may be kept: so much is forgotten at once.
_PARTS: Final = 8


class SqliteStore:
    """Spans in a log of plain files, and their index in a SQLite file beside it.

    `append` returns once the message is in the log: what was accepted survives kill -9.

    Units: queue_bytes_max bounds the bodies that wait for their commit, with a tail; past it, or
    when the index cannot keep up, `append` raises StoreBusyError and takes nothing. Blocks are
    forgotten, oldest first, once they are older than keep_ms or all together larger than
    keep_bytes; a trace that lies in several blocks may lose its older part first. Names go when no
    span carried them for keep_ms. With a `tail` spans wait for their verdict, as durable, and are
    found once they are kept. `exporters` read what is stored from now on, each by its name.
    """

    def __init__(  # noqa: PLR0913 - each bound has its own
        self,
        path: Path,
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
        self.name = f"SQLiteStorage{{{path}}}"
        self._keep_ms = keep_ms
        self._keep_bytes = keep_bytes
        part = SEGMENT_BYTES if keep_bytes is None else keep_bytes // _PARTS
        self._lock = lock(path)
        try:
            self._db = open_writer(path)
            self._log = SpanLog(Path(f"{path}-log"), min(part, SEGMENT_BYTES))
        except BaseException:
            os.close(self._lock)
            raise
        self._writer = IndexWriter(self._db, self._log.folder)
        self._news = Gathering(tuple(keys), self._writer.next_block, min(part, BLOCK_BYTES))
        self._room = without_tail(self._db) if tail is None else WaitingRoom(self._db, tail)
        self._arriving: deque[Arrival] = deque()
        self._recover(settle=tail is None)
        self._writer.outbox.follow(exporters)
        self._exports = bool(exporters)
        self._thread = WriterThread(self._writer, None if tail is None else self._room)
        self._commits = None if tail is None else Commits(self._hold, queue_bytes_max)
        traces = self._writer.traces.recent
        self._readers = Readers(path, self._log.folder, traces, query_s_max, strict=strict)
        self._reads = 0
        self._failed = 0
        self._closed = False
        self._due = asyncio.Event()
        self._indexing: asyncio.Task[None] | None = None
        self._behind = [
            self._start("index", self._index_on()),
            self._start("forgetter", self._forget_on()),
            self._start("links", self._sum_links_on()),
        ]
        if self._commits is not None:
            self._behind.append(self._start("settler", self._settle_on()))
            self._committing = self._start("commits", self._commits.run())

    @staticmethod
    def _start(name: str, job: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(job, name=f"store-{name}")

    def _recover(self, *, settle: bool) -> None:
        """Index what a process that died could not, and store what it had kept of a tail."""
        now_ms = time.time_ns() // 1_000_000
        arrived = 0
        for place, record in self._log.recover(*self._writer.indexed_to):
            spans = spans_of(record.body) or []
            self._news.add(place, spans, record.stored_ms, record.arrival)
            arrived = max(arrived, record.arrival)
            if self._news.blocks > _UNINDEXED_MAX:
                self._index_now()
        self._arriving.extend(one for one in self._room.arrivals() if one.number > arrived)
        self._take_arrivals()
        while settle and (kept := self._room.settle(now_ms)) is not None:
            self._arriving.extend(kept)
            self._take_arrivals()
        self._index_now()
        self._writer.remove_segments(self._log.segment)

    def _index_now(self) -> None:
        blocks = self._news.close()
        self._writer.write_index(blocks)
        self._news.forget(blocks)

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    async def append(self, batch: Batch) -> None:
        """Keep a batch; returns once it is durable."""
        if self._closed:
            raise StoreError("the store is closed")
        if self._commits is not None:
            await self._commits.append(batch)
            return
        if self._news.blocks >= _UNINDEXED_FULL:
            raise StoreBusyError
        try:
            self._write(batch)
        except StoreError:
            self._failed += len(batch.spans)
            raise

    def _write(self, batch: Batch, arrival: int = 0) -> None:
        # Not in a thread: it is a copy into the page cache, and handing it over costs more.
        now_ms = time.time_ns() // 1_000_000
        place = self._log.append(batch.body, len(batch.spans), now_ms, arrival)
        self._news.add(place, batch.spans, now_ms, arrival)
        if self._news.blocks >= _UNINDEXED_MAX:
            self._due.set()

    async def _hold(self, batches: Sequence[Batch], now_ms: int) -> None:
        await self._thread.run(self._room.hold, batches, now_ms)

    async def _settle_on(self) -> None:
        """Judge what waits as it becomes due, a little at a time: senders wait meanwhile."""
        while True:
            await asyncio.sleep(_SETTLE_EVERY_S)
            # A full disk: what waits, waits on, and so does what was kept of it.
            with contextlib.suppress(sqlite3.Error, StoreError):
                self._take_arrivals()
                while True:
                    now_ms = time.time_ns() // 1_000_000
                    kept = await self._thread.run(self._room.settle, now_ms)
                    if kept is None:
                        break
                    self._arriving.extend(kept)
                    self._take_arrivals()

    def _take_arrivals(self) -> None:
        while self._arriving:
            self._write(self._arriving[0].batch, self._arriving[0].number)
            self._arriving.popleft()

    async def _index_on(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INDEX_WITHIN_S):
                    await self._due.wait()
            self._due.clear()
            await self._write_index()
            with contextlib.suppress(sqlite3.Error, OSError):
                await self._thread.run(sync, self._log.take_sealed())
                await self._thread.run(self._writer.traces.fold)

    async def _write_index(self) -> None:
        """Searches see all that is in the log now. A failure leaves it for the next time."""
        if self._indexing is not None:  # perhaps without what came since it began
            await asyncio.shield(self._indexing)
        if self._news.blocks:
            if self._indexing is None:
                self._indexing = self._start("indexing", self._index())
            await asyncio.shield(self._indexing)

    async def _index(self) -> None:
        blocks = self._news.close()
        try:
            await self._thread.run(self._writer.write_index, blocks)
            self._news.forget(blocks)
        except sqlite3.Error:
            pass
        finally:
            self._indexing = None

    async def _sum_links_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LINKS_EVERY_S)
            worked = True
            while worked:
                before, start = self._work(), loop.time()
                worked = await self.sum_links(time.time_ns() // 1_000_000 - _LINKS_AFTER_MS)
                took = loop.time() - start
                busy = self._work() != before
                await asyncio.sleep(took * (1 / _LINKS_SHARE - 1) if busy else 0.0)

    async def sum_links(self, before_ms: int) -> bool:
        """One step of the sums of links, over blocks stored before this; False for none left."""
        with contextlib.suppress(sqlite3.Error, StoreError):
            step = await self._read(lambda reader: next_step(reader, before_ms), see_all=False)
            if step is not None:
                day = time.time_ns() // _DAY_NS
                outbox = self._writer.outbox
                await self._thread.run(apply, self._db, outbox, step, day)
                return True
        return False

    async def log(self, exporter: str) -> list[LogBlock]:
        """The next blocks for an exporter; empty when it has all."""
        return await self._read(lambda reader: reader.log_after_cursor(exporter), see_all=False)

    async def exported(self, exporter: str, number: int, refused: Sequence[int] = ()) -> None:
        """An exporter is done with all blocks up to this one, and will never take the refused."""
        await self._thread.run(self._writer.outbox.advance, exporter, number, refused)

    def _work(self) -> tuple[int, int]:
        """How much there was to do for others so far."""
        return self._thread.seen.stored + self._news.spans, self._reads

    async def _forget_on(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_EVERY_S)
            with contextlib.suppress(sqlite3.Error):
                await self.forget(time.time_ns() // 1_000_000)
                await self.compact()

    async def compact(self) -> None:
        """Put small blocks together, in small steps as forget does."""
        await self._write_index()
        while await self._thread.run(self._writer.compact_some):
            pass

    async def forget(self, now_ms: int) -> int:
        """Forget what is older or more than should be kept; returns how many spans went.

        In small steps, so that searches wait for no more than one of them.
        """
        if self._keep_ms is None and self._keep_bytes is None:
            return 0
        await self._write_index()
        before_ms = None if self._keep_ms is None else now_ms - self._keep_ms
        gone = 0
        while True:
            unindexed = self._news.oldest_segment() or self._log.segment
            step = await self._thread.run(
                self._writer.forget_some, before_ms, self._keep_bytes, unindexed
            )
            if not step:
                break
            gone += step
        while await self._thread.run(self._writer.sweep_some):
            pass
        return gone

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
        seen = self._seen()
        waiting = sum(len(one.batch.spans) for one in self._arriving)
        failed = self._failed
        if self._commits is not None:
            waiting += self._commits.spans
            failed += self._commits.failed
        return StoreCounts(
            flow_of(self._thread.begun, seen, waiting, failed),
            stored=seen.stored,
            evicted=seen.evicted,
            blocks=seen.blocks,
            size_bytes=seen.size_bytes,
            spoilt=len(self._readers.spoilt),
            tail=seen.tail,
            standing=seen.standing,
        )

    def _seen(self) -> Seen:
        """What is indexed, and what is not yet."""
        seen, news = self._thread.seen, self._news
        now = seen.standing
        return seen._replace(
            stored=seen.stored + news.spans,
            blocks=seen.blocks + news.blocks,
            size_bytes=seen.size_bytes + news.size,
            standing=now._replace(owed=now.owed + news.spans)
            if self._exports
            else now._replace(kept=now.kept + news.spans),
        )

    async def aclose(self) -> None:
        """Commit what waits, fold the index's log into its file, close."""
        self._closed = True
        if self._commits is not None:
            self._commits.close()
            await self._committing
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        await self._write_index()
        await self._readers.aclose()
        await self._thread.run(self._close)
        self._thread.executor.shutdown()
        os.close(self._lock)

    def _close(self) -> None:
        self._log.close()
        self._writer.close()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
