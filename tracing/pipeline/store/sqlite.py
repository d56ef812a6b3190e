"""The durable store: a log of messages, one thread that indexes behind it, and readers."""

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from tracing.pipeline.batch import Batch
from tracing.pipeline.links import Link
from tracing.pipeline.search import TraceQuery
from tracing.pipeline.store.index.schema import lock, open_writer
from tracing.pipeline.store.index.thread import flow_of, keep_on_disk, put_on_disk
from tracing.pipeline.store.log_end import LogEnd
from tracing.pipeline.store.port import StoreBusyError, StoreCounts, StoreError, Trace
from tracing.pipeline.store.read.finding import find
from tracing.pipeline.store.read.link_sums import apply, dependencies, next_step
from tracing.pipeline.store.read.reader import BlockReader, LogBlock
from tracing.pipeline.store.read.readers import Readers
from tracing.pipeline.store.waiting.room import WaitingRoom, keep_all
from tracing.pipeline.tail.window import TailWindow

_T = TypeVar("_T")

_FORGET_EVERY_S: Final = 60.0
_SETTLE_EVERY_S: Final = 0.2
# Links are summed once a trace's parts are likely to be together; what comes later costs its trace
# a second time. While spans come in or are asked for, the sums take this share of a thread at most.
_DAY_NS: Final = 86_400 * 10**9
_LINKS_AFTER_MS: Final = 30_000
_LINKS_EVERY_S: Final = 1.0
_LINKS_SHARE: Final = 0.1


class SqliteStore:
    """Spans in a log of plain files, and their index in a SQLite file beside it.

    `append` returns once the message is in the log: what was accepted survives kill -9.

    Units: queue_bytes_max bounds what waits for the index; past it `append` raises StoreBusyError
    and takes nothing. Blocks are forgotten, oldest first, once they
    are older than keep_ms or all together larger than keep_bytes; a trace that lies in several
    blocks may lose its older part first. Names go when no span carried them for keep_ms. With a
    `tail` spans wait for their verdict, as durable, and are found once they are kept. `exporters`
    read what is stored from now on, each by its name.
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
        self._queue_bytes_max = queue_bytes_max
        self._keep_ms = keep_ms
        self._keep_bytes = keep_bytes
        self._lock = lock(path)
        try:
            self._open(path, keys, keep_bytes, tail, exporters)
        except BaseException:
            os.close(self._lock)
            raise
        recent = self._end.writer.traces.recent
        self._readers = Readers(path, self._end.log.folder, recent, query_s_max, strict=strict)
        self._reads = 0
        self._failed = 0
        self._closed = False
        self._summing = asyncio.Lock()
        self._behind = [
            self._start("index", self._end.run()),
            self._start("disk", keep_on_disk(self._end.log, self._end.thread)),
            self._start("forgetter", self._forget_on()),
            self._start("links", self._sum_links_on()),
        ]
        if self._room is not None:
            self._behind.append(self._start("settler", self._settle_on(self._room)))
            disk = keep_on_disk(self._room.log, self._end.thread)
            self._behind.append(self._start("waiting-disk", disk))

    def _open(
        self,
        path: Path,
        keys: Iterable[str],
        keep_bytes: int | None,
        tail: TailWindow | None,
        exporters: Sequence[str],
    ) -> None:
        """Take over what a process that died had in the log, and what it had waiting."""
        self._db = open_writer(path)
        self._end = LogEnd(self._db, Path(f"{path}-log"), keys, keep_bytes)
        arrived = self._end.recover()
        waiting = Path(f"{path}-waiting")
        self._room: WaitingRoom | None = None
        if tail is not None:
            self._room = WaitingRoom(waiting, tail, self._end.write, arrived)
        elif waiting.exists():
            keep_all(waiting, self._end.write, arrived)
        self._end.begin(exporters)

    @staticmethod
    def _start(name: str, job: Coroutine[None, None, None]) -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(job, name=f"store-{name}")

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    async def append(self, batch: Batch) -> None:
        """Keep a batch; returns once it is durable."""
        if self._closed:
            raise StoreError("the store is closed")
        if self._end.behind > self._queue_bytes_max:
            raise StoreBusyError
        try:
            if self._room is None:
                self._end.write(batch)
            else:
                self._room.hold(batch, time.time_ns() // 1_000_000)
        except StoreError:
            self._failed += len(batch.spans)
            raise

    async def _settle_on(self, room: WaitingRoom) -> None:
        """Judge what waits as it becomes due, a little at a time: senders wait meanwhile."""
        while True:
            await asyncio.sleep(_SETTLE_EVERY_S)
            # A full disk: what waits, waits on, and so does what was kept of it.
            with contextlib.suppress(StoreError, OSError):
                more = True
                while more and self._end.behind <= self._queue_bytes_max:
                    more = room.settle(time.time_ns() // 1_000_000)
                    await asyncio.sleep(0)
                if room.is_outlived():
                    await put_on_disk(self._end.log, self._end.thread)
                    room.remove_outlived()

    async def _sum_links_on(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LINKS_EVERY_S)
            worked = True
            while worked:
                others, start = self._end.seen().stored + self._reads, loop.time()
                worked = await self.sum_links(time.time_ns() // 1_000_000 - _LINKS_AFTER_MS)
                took = loop.time() - start
                busy = self._end.seen().stored + self._reads > others
                await asyncio.sleep(took * (1 / _LINKS_SHARE - 1) if busy else 0.0)

    async def sum_links(self, before_ms: int) -> bool:
        """One step of the sums of links, over blocks stored before this; False for none left."""
        with contextlib.suppress(sqlite3.Error, StoreError):
            async with self._summing:  # a step that two took would be counted twice
                step = await self._read(lambda reader: next_step(reader, before_ms), see_all=False)
                if step is not None:
                    day = time.time_ns() // _DAY_NS
                    await self._end.thread.run(apply, self._db, self._end.writer.outbox, step, day)
            return step is not None
        return False

    async def log(self, exporter: str) -> list[LogBlock]:
        """The next blocks for an exporter; empty when it has all."""
        return await self._read(lambda reader: reader.log_after_cursor(exporter), see_all=False)

    async def exported(self, exporter: str, number: int, refused: Sequence[int] = ()) -> None:
        """An exporter is done with all blocks up to this one, and will never take the refused."""
        await self._end.thread.run(self._end.writer.outbox.advance, exporter, number, refused)

    async def _forget_on(self) -> None:
        while True:
            await asyncio.sleep(_FORGET_EVERY_S)
            with contextlib.suppress(sqlite3.Error):
                await self.forget(time.time_ns() // 1_000_000)
                await self.compact()

    async def compact(self) -> None:
        """Put small blocks together, in small steps as forget does."""
        await self._end.write_index()
        while await self._end.thread.run(self._end.writer.compact_some):
            pass

    async def forget(self, now_ms: int) -> int:
        """Forget what is older or more than should be kept; returns how many spans went.

        In small steps, so that searches wait for no more than one of them.
        """
        if self._keep_ms is None and self._keep_bytes is None:
            return 0
        await self._end.write_index()
        before_ms = None if self._keep_ms is None else now_ms - self._keep_ms
        gone = 0
        while True:
            step = await self._end.thread.run(
                self._end.writer.forget_some, before_ms, self._keep_bytes, self._end.unindexed_from
            )
            if not step:
                break
            gone += step
        while await self._end.thread.run(self._end.writer.sweep_some):
            pass
        return gone

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    async def _read(self, ask: Callable[[BlockReader], _T], *, see_all: bool = True) -> _T:
        if see_all:
            self._reads += 1
            await self._end.write_index()
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
        seen = self._end.seen()
        tail = None if self._room is None else self._room.counts()
        return StoreCounts(
            flow_of(self._end.thread.begun, seen, tail, self._failed),
            stored=seen.stored,
            evicted=seen.evicted,
            blocks=seen.blocks,
            size_bytes=seen.size_bytes,
            spoilt=len(self._readers.spoilt),
            tail=tail,
            standing=seen.standing,
        )

    async def aclose(self) -> None:
        """Index what is not yet, fold the index's log into its file, close."""
        self._closed = True
        for task in self._behind:
            task.cancel()
        await asyncio.gather(*self._behind, return_exceptions=True)
        await self._end.write_index()
        await self._readers.aclose()
        await self._end.thread.run(self._close)
        self._end.thread.executor.shutdown()
        os.close(self._lock)

    def _close(self) -> None:
        self._end.close()
        if self._room is not None:
            self._room.close()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
