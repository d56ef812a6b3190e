"""A store that is written, read, compacted, summed and forgotten from at once, and killed."""

import asyncio
import multiprocessing
import os
import random
from multiprocessing.connection import Connection
from pathlib import Path

from tests.kits.span_store import HOUR_MS, around, span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.read.reader import BlockReader
from tracing.pipeline.store.sqlite import SqliteStore

KEEP_BYTES = 60_000
MESSAGES = 300
EVER = 1 << 60
PROCESS = multiprocessing.get_context("spawn")


class Busy:
    """What one process does to a store. Shape: spans are numbered from `first` on."""

    def __init__(self, store: SqliteStore, seed: int, first: int) -> None:
        self._store = store
        self._dice = random.Random(seed)
        self._number = first

    async def live(self, parent: Connection) -> None:
        """Everything at once; says how many spans were accepted, and goes on until it is told."""
        loop = asyncio.get_running_loop()
        behind = [loop.create_task(job) for job in (self._read(), self._read(), self._tidy())]
        accepted = 0
        for _ in range(MESSAGES):
            count = self._dice.randint(1, 12)
            await self._store.append(batch_of([self._span() for _ in range(count)]))
            accepted += count
            if self._dice.random() < 0.3:
                await asyncio.sleep(0.002)  # let others have their turn
        parent.send(accepted)
        await loop.run_in_executor(None, parent.recv)
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

    async def _read(self) -> None:
        while True:
            await self._store.search(around(limit=20, service=f"s{self._dice.randint(0, 5)}"))
            await self._store.trace(f"{self._dice.randint(1, self._number + 1):016x}")
            await self._store.dependencies(HOUR_MS * 2, HOUR_MS * 2)

    async def _tidy(self) -> None:
        while True:
            await self._store.forget(0)
            await self._store.compact()
            while await self._store.sum_links(EVER):
                pass
            await asyncio.sleep(0.01)


async def live(path: Path, seed: int, first: int, parent: Connection) -> None:
    """A life in a process of its own, which closes its store if it may."""
    store = SqliteStore(path, keep_bytes=KEEP_BYTES)
    await Busy(store, seed, first).live(parent)
    await store.aclose()


def run(path: Path, seed: int, first: int, parent: Connection) -> None:
    """What the process runs."""
    asyncio.run(live(path, seed, first, parent))


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


def lived(path: Path, seed: int, first: int, *, killed: bool) -> int:
    """One life; how many spans it accepted."""
    ours, its = PROCESS.Pipe()
    process = PROCESS.Process(target=run, args=(path, seed, first, its))
    process.start()
    its.close()  # so that one that fails is not waited for
    assert ours.poll(60)
    accepted: int = ours.recv()
    if killed:
        process.kill()
    else:
        ours.send("close")
    process.join()
    assert process.exitcode == (-9 if killed else 0)
    return accepted


async def test_nothing_is_lost_whatever_is_done_at_once_and_whenever_it_dies(
    tmp_path: Path,
) -> None:
    accepted = 0
    for seed, killed in enumerate([True, False, True, True]):
        accepted += lived(tmp_path / "spans", seed, accepted, killed=killed)
        store = SqliteStore(tmp_path / "spans", keep_bytes=KEEP_BYTES)
        await balanced(store, accepted)
        await store.aclose()
