"""A collector in this process, with every receiver on a free port."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.kits.span_store import noise, span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore
from tracing.pipeline.store.sqlite import SqliteStore

_ROOM: Final = 50_000


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

    Another connection holds the index's lock, so that a large batch waits to be indexed.
    """
    path = folder / "spans.sqlite3"
    store = SqliteStore(path, queue_bytes_max=_ROOM)
    async with collecting(store) as collector:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await store.append(batch_of([span(1, tags={"large": noise(_ROOM)})]))

        async def let_go() -> None:
            if other.in_transaction:
                other.execute("ROLLBACK")
            await store.check()  # looks when all is indexed

        try:
            yield collector, let_go
        finally:
            await let_go()
            other.close()
