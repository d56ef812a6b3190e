"""The log's growing end, and the index that follows behind it."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from tracing.pipeline.batch import Batch
from tracing.pipeline.store.index.gathering import BLOCK_BYTES, Gathering
from tracing.pipeline.store.index.thread import Seen, WriterThread
from tracing.pipeline.store.index.writer import IndexWriter
from tracing.pipeline.store.log.bodies import spans_of
from tracing.pipeline.store.log.segments import SEGMENT_BYTES, SpanLog

# Blocks wait for their index entries at most this long while nobody asks, and in this number.
_INDEX_WITHIN_S: Final = 1.0
_UNINDEXED_MAX: Final = 256
# Of what may be kept: so much is forgotten at once.
_PARTS: Final = 8


class LogEnd:
    """Takes messages in the event loop's thread; the writer's thread indexes them.

    Shape: `recover` comes first, then `begin`.
    """

    def __init__(
        self, db: sqlite3.Connection, folder: Path, keys: Iterable[str], keep_bytes: int | None
    ) -> None:
        part = SEGMENT_BYTES if keep_bytes is None else keep_bytes // _PARTS
        self.log: Final = SpanLog(folder, min(part, SEGMENT_BYTES))
        self.writer = IndexWriter(db, folder)
        self._news = Gathering(tuple(keys), self.writer.next_block, min(part, BLOCK_BYTES))
        self._due = asyncio.Event()
        self._indexing: asyncio.Task[None] | None = None

    def recover(self) -> int:
        """Index what a process that died could not; the last arrival of all."""
        arrived = self.writer.arrived
        for place, record in self.log.recover(*self.writer.indexed_to):
            spans = spans_of(record.body) or []
            self._news.add(place, spans, record.stored_ms, record.arrival)
            arrived = record.arrival or arrived
            if self._news.blocks > _UNINDEXED_MAX:
                self._index_now()
        self._index_now()
        self.writer.remove_segments(self.log.segment)
        return arrived

    def begin(self, exporters: Sequence[str]) -> None:
        """Index what there is, and from now on in a thread."""
        self._index_now()
        self.writer.outbox.follow(exporters)
        self._exports = bool(exporters)
        self.thread = WriterThread(self.writer)

    def _index_now(self) -> None:
        blocks = self._news.close()
        self.writer.write_index(blocks)
        self._news.forget(blocks)

    def write(self, batch: Batch, arrival: int = 0) -> None:
        """Put a message into the log. Raises: StoreError."""
        # Not in a thread: it is a copy into the page cache, and handing it over costs more.
        now_ms = time.time_ns() // 1_000_000
        place = self.log.append(batch.body, len(batch.spans), now_ms, arrival)
        self._news.add(place, batch.spans, now_ms, arrival)
        if self._news.blocks >= _UNINDEXED_MAX:
            self._due.set()

    @property
    def behind(self) -> int:
        """How much of the log the index does not know yet, in bytes."""
        return self._news.size

    @property
    def unindexed_from(self) -> int:
        """The first segment with records that are not indexed."""
        return self._news.oldest_segment() or self.log.segment

    async def run(self) -> None:
        """Keep the index close behind."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_INDEX_WITHIN_S):
                    await self._due.wait()
            self._due.clear()
            await self.write_index()
            with contextlib.suppress(sqlite3.Error):
                await self.thread.run(self.writer.traces.fold)

    async def write_index(self) -> None:
        """Searches see all that is in the log now. A failure leaves it for the next time."""
        if self._indexing is not None:  # perhaps without what came since it began
            await asyncio.shield(self._indexing)
        if self._news.blocks:
            if self._indexing is None:
                self._indexing = asyncio.get_running_loop().create_task(
                    self._index(), name="store-indexing"
                )
            await asyncio.shield(self._indexing)

    async def _index(self) -> None:
        blocks = self._news.close()
        try:
            await self.thread.run(self.writer.write_index, blocks)
            self._news.forget(blocks)
        except sqlite3.Error:
            pass
        finally:
            self._indexing = None

    def seen(self) -> Seen:
        """What is indexed, and what is not yet."""
        seen, news = self.thread.seen, self._news
        now = seen.standing
        return seen._replace(
            stored=seen.stored + news.spans,
            blocks=seen.blocks + news.blocks,
            size_bytes=seen.size_bytes + news.size,
            standing=now._replace(owed=now.owed + news.spans)
            if self._exports
            else now._replace(kept=now.kept + news.spans),
        )

    def close(self) -> None:
        """In the writer's thread: put everything on the disk and let go."""
        self.log.close()
