"""A store that is written, read, compacted, summed and forgotten from at once, and killed."""

import asyncio
import os
import random
import shutil
from pathlib import Path

from tests.kits.span_store import HOUR_MS, around, span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.reader import BlockReader
from tracing.pipeline.store.sqlite import SqliteStore

KEEP_BYTES = 60_000
MESSAGES = 300
EVER = 1 << 60


class Busy:
    """What is done to a store, one life after the other. Shape: `spans` were accepted so far."""

    def __init__(self) -> None:
        self._dice = random.Random(7)
        self._number = 0
        self.spans = 0

    async def live(self, store: SqliteStore) -> None:
        """Everything at once, until so many messages were taken."""
        loop = asyncio.get_running_loop()
        behind = [
            loop.create_task(job)
            for job in (self._read(store), self._read(store), self._tidy(store))
        ]
        for _ in range(MESSAGES):
            count = self._dice.randint(1, 12)
            await store.append(batch_of([self._span() for _ in range(count)]))
            self.spans += count
            if self._dice.random() < 0.3:
                await asyncio.sleep(0.002)  # let others have their turn
        for task in behind:
            task.cancel()
        for done in await asyncio.gather(*behind, return_exceptions=True):
            assert isinstance(done, asyncio.CancelledError), done

    def _span(self) -> V2Span:
        self._number += 1
        return span(
            self._dice.randint(max(1, self._number - 50), self._number),
            self._number + 1,
            tags={"noise": os.urandom(20).hex()},
            service=f"s{self._number % 5}",
            at_ms=HOUR_MS + self._number,
        )

    async def _read(self, store: SqliteStore) -> None:
        while True:
            await store.search(around(limit=20, service=f"s{self._dice.randint(0, 5)}"))
            await store.trace(f"{self._dice.randint(1, self._number + 1):016x}")
            await store.dependencies(HOUR_MS * 2, HOUR_MS * 2)

    async def _tidy(self, store: SqliteStore) -> None:
        while True:
            await store.forget(0)
            await store.compact()
            while await store.sum_links(EVER):
                pass
            await asyncio.sleep(0.01)


def spans_in_blocks(reader: BlockReader) -> dict[int, int]:
    """How many each trace has, by the low half of its id."""
    found: dict[int, int] = {}
    for (number,) in reader.db.execute("SELECT id FROM block_facts").fetchall():
        for low, spans in reader.block(number).by_low().items():
            found[low] = found.get(low, 0) + len(spans)
    return found


async def balanced(store: SqliteStore, accepted: int) -> None:
    """All that was accepted is held, and found by its trace, or was forgotten and counted."""
    await store.forget(0)
    counts = store.counts()
    assert (counts.stored, counts.spoilt) == (accepted, 0)
    assert 0 < counts.size_bytes <= KEEP_BYTES
    in_blocks = await store._readers.ask(spans_in_blocks)
    assert sum(in_blocks.values()) == counts.stored - counts.evicted
    for low, spans in in_blocks.items():
        assert len(await store.trace(f"{low:016x}")) == spans


async def test_nothing_is_lost_whatever_is_done_at_once_and_whenever_it_dies(
    tmp_path: Path,
) -> None:
    busy = Busy()
    for life in range(4):
        path = tmp_path / str(life) / "spans"
        path.parent.mkdir(exist_ok=True)
        store = SqliteStore(path, keep_bytes=KEEP_BYTES)
        assert store.counts().stored == busy.spans
        await busy.live(store)
        following = path.parent.with_name(str(life + 1))
        if life % 2:
            await balanced(store, busy.spans)
            await store.aclose()
            path.parent.rename(following)
        else:  # what the disk has at this moment is what a killed process leaves
            shutil.copytree(
                path.parent, following, ignore=shutil.ignore_patterns("*.lock", "*-shm")
            )
            await store.aclose()
