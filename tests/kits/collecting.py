"""A collector in this process, with every receiver on a free port."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.kits.span_store import span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore, StoreBusyError
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.pipeline.tail.policy import Policies
from tracing.pipeline.tail.window import TailWindow


@asynccontextmanager
async def collecting(
    store: SpanStore, settings: Settings | None = None, lens: Mapping[str, bytes] | None = None
) -> AsyncIterator[Collector]:
    """It closes the store in the end."""
    http, scribe, otlp, otlp_grpc = (bind("127.0.0.1", 0) for _ in range(4))
    settings = settings or Settings()
    collector = Collector(store, settings, http, scribe, lens, otlp=otlp, otlp_grpc=otlp_grpc)
    await collector.start()
    try:
        yield collector
    finally:
        await collector.aclose()


@asynccontextmanager
async def full(folder: Path) -> AsyncIterator[tuple[Collector, Callable[[], Awaitable[None]]]]:
    """A collector whose store has no room until the function given with it was called.

    Another connection holds the file's lock, so that one batch waits in its commit and another
    behind it; the queue has room for no third.
    """
    path = folder / "spans.sqlite3"
    tail = TailWindow(Policies([]), 0)  # what goes into a tail waits for a commit
    store = SqliteStore(path, queue_bytes_max=1, tail=tail)
    async with collecting(store) as collector:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        loop = asyncio.get_running_loop()
        waiting: list[asyncio.Task[None]] = []

        async def let_go() -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")
            await asyncio.gather(*waiting)

        try:
            async with asyncio.timeout(4):  # SQLite itself waits for a lock for 5 s
                while len(waiting) < 2:
                    task = loop.create_task(store.append(batch_of([span(len(waiting) + 1)])))
                    await asyncio.sleep(0)
                    if not task.done():
                        waiting.append(task)
                    else:
                        assert isinstance(task.exception(), StoreBusyError)
            yield collector, let_go
        finally:
            await let_go()
            other.close()
