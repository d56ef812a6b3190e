"""A store whose files were damaged: what is whole is kept, and the ledger balances."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.kits.span_store import around, ids, span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.store.sqlite import SqliteStore

BLOCKS = 40


# Killed at once, so that the index, which follows within a second, knows of nothing.
SHORT_LIFE = f"""
import asyncio, os, signal, sys
from pathlib import Path

from tests.kits.span_store import span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.store.sqlite import SqliteStore

async def live():
    batches = [batch_of([span(n, tags={{"n": "x" * 3_000}})]) for n in range(1, {BLOCKS + 1})]
    store = SqliteStore(Path(sys.argv[1]))
    for batch in batches:
        await store.append(batch)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(live())
"""


async def killed(folder: Path) -> Path:
    """The files of a store whose process was killed, its blocks in the log alone."""
    path = folder / "spans"
    done = subprocess.run(  # noqa: ASYNC221 - there is nothing else to do
        [sys.executable, "-c", SHORT_LIFE, str(path)], check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL
    return path


def damage(path: Path, how: Callable[[bytes], bytes]) -> None:
    """Change the log of a store."""
    [log] = Path(f"{path}-log").iterdir()
    log.write_bytes(how(log.read_bytes()))


async def whole(path: Path) -> int:
    """How many spans a store opens with; all of them are found, and all are counted."""
    store = SqliteStore(path)
    found = ids(await store.search(around(limit=1_000)))
    counts = store.counts()
    assert counts.standing is not None
    assert len(found) == counts.stored == sum(counts.standing)
    await store.append(batch_of([span(1_000)]))
    assert len(await store.trace(f"{1_000:016x}")) == 1
    await store.aclose()
    return counts.stored


async def test_what_was_committed_is_there_after_the_death_of_the_process(tmp_path: Path) -> None:
    assert await whole(await killed(tmp_path)) == BLOCKS


async def test_a_torn_log_loses_its_end_and_the_ledger_balances(tmp_path: Path) -> None:
    path = await killed(tmp_path)
    damage(path, lambda raw: raw[: len(raw) * 7 // 10])
    assert 0 < await whole(path) < BLOCKS


async def test_a_flipped_bit_in_the_log_loses_one_message(tmp_path: Path) -> None:
    path = await killed(tmp_path)
    damage(path, lambda raw: raw[: len(raw) // 2] + b"\xff\x00" + raw[len(raw) // 2 + 2 :])
    assert await whole(path) == BLOCKS - 1


async def test_a_block_that_is_spoilt_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "spans"
    store = SqliteStore(path, keep_bytes=1 << 30)
    for number in (1, 2, 3):
        await store.append(batch_of([span(number)]))
        await store.services()  # each in a block of its own
    damage(path, lambda raw: raw[: len(raw) // 2] + b"\xff\x00" + raw[len(raw) // 2 + 2 :])
    assert ids(await store.search(around())) == [3, 1]
    assert await store.trace(f"{2:016x}") == []
    assert await store.sum_links(1 << 60)
    assert store.counts().spoilt == 1
    await store.aclose()
    store = SqliteStore(path, keep_bytes=1)
    assert await store.forget(1 << 60) == 3
    counts = store.counts()
    assert (counts.stored, counts.evicted, counts.blocks) == (3, 3, 0)
    await store.aclose()
