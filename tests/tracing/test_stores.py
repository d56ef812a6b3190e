import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kits.limits import no_longer_files
from tests.kits.span_store import SpanStoreContract, around, ids, noise, span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.port import SpanStore, StoreBusyError, StoreError
from tracing.pipeline.store.sqlite import SqliteStore


class TestMemoryStore(SpanStoreContract):
    @pytest.fixture
    def store(self) -> SpanStore:
        return MemoryStore(keys=["env"])


class TestSqliteStore(SpanStoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SpanStore]:
        store = SqliteStore(tmp_path / "spans.sqlite3", keys=["env"])
        yield store
        await store.aclose()


async def test_spans_and_names_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    store = SqliteStore(path)
    await store.append(batch_of([span(1, service="web")]))
    await store.aclose()
    store = SqliteStore(path)
    await store.append(batch_of([span(1, 2, service="Web"), span(2, service="api")]))
    assert len(await store.trace(f"{1:016x}")) == 2
    assert await store.services() == ["api", "web"]
    assert ids(await store.search(around(service="web"))) == [1]
    assert store.counts().stored == 3
    await store.aclose()


async def test_nobody_else_may_read_what_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans.sqlite3")
    await store.append(batch_of([span(1)]))
    assert await store.services() == ["web"]
    files = [one for one in tmp_path.rglob("*") if one.is_file()]  # noqa: ASYNC240 - a handful
    assert len(files) == 5
    assert {one.stat().st_mode & 0o077 for one in files} == {0}
    await store.aclose()


async def test_small_messages_share_a_block(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans.sqlite3")
    await asyncio.gather(*(store.append(batch_of([span(n)])) for n in range(1, 601)))
    assert store.counts().blocks == 3
    assert len(await store.search(around(limit=1_000))) == 600
    await store.aclose()


async def test_an_index_that_cannot_follow_refuses_before_it_takes_anything(
    tmp_path: Path,
) -> None:
    path = tmp_path / "spans.sqlite3"
    store = SqliteStore(path, queue_bytes_max=600)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    await store.append(batch_of([span(1)]))
    await store.append(batch_of([span(2, tags={"large": noise(600)})]))
    with pytest.raises(StoreBusyError):
        await store.append(batch_of([span(3)]))
    other.execute("ROLLBACK")
    other.close()
    assert len(await store.search(around())) == 2
    await store.append(batch_of([span(3)]))
    assert store.counts().stored == 3
    await store.aclose()


async def test_a_closed_store_takes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans.sqlite3")
    await store.aclose()
    with pytest.raises(StoreError):
        await store.append(batch_of([span(1)]))


async def test_a_foreign_file_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    path.write_bytes(b"no database " * 100)
    with pytest.raises(StoreError, match="not a database"):
        SqliteStore(path)


async def test_two_collectors_cannot_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    first = SqliteStore(path)
    with pytest.raises(StoreError, match="in use by another collector"):
        SqliteStore(path)
    await first.aclose()
    await SqliteStore(path).aclose()


async def test_a_store_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="version 99"):
        SqliteStore(path)


async def test_the_oldest_blocks_go_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    store = SqliteStore(path, keep_bytes=2_000)
    for number in range(1, 41):
        await store.append(batch_of([span(number)]))
    gone = await store.forget(0)
    counts = store.counts()
    assert (counts.stored, counts.evicted, gone) == (40, gone, gone)
    assert 0 < counts.size_bytes <= 2_000
    found = sorted(ids(await store.search(around(limit=100))))
    assert found == list(range(gone + 1, 41))
    assert await store.trace(f"{1:016x}") == []
    await store.append(batch_of([span(41)]))
    await store.aclose()
    store = SqliteStore(path)
    assert store.counts().evicted == gone
    assert len(await store.trace(f"{41:016x}")) == 1
    await store.aclose()


async def test_names_without_end_are_found_but_not_listed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans.sqlite3")
    endless = "s" * 2_000
    await store.append(batch_of([span(1, service=endless), span(2, service="web", name=endless)]))
    assert await store.services() == ["web"]
    assert await store.span_names("web") == []
    assert ids(await store.search(around(service=endless))) == [1]
    assert ids(await store.search(around(span_name=endless))) == [2]
    await store.aclose()


async def test_spans_and_names_go_when_they_are_too_old(tmp_path: Path) -> None:
    day_ms = 86_400_000
    store = SqliteStore(tmp_path / "spans.sqlite3", keep_ms=2 * day_ms)
    now_ms = time.time_ns() // 1_000_000
    await store.append(batch_of([span(1)]))
    assert await store.forget(now_ms) == 0
    assert await store.forget(now_ms + 4 * day_ms) == 1
    assert await store.trace(f"{1:016x}") == []
    assert await store.services() == []
    await store.aclose()


async def test_small_blocks_are_put_together_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    store = SqliteStore(path)
    for number in range(1, 101):
        tags = {"n": str(number)}
        await store.append(batch_of([span(number, tags=tags, service=f"s{number % 3}")]))
        await store.services()  # each in a block of its own
        await store.append(batch_of([span(number % 7 + 1, number + 1_000)]))
        await store.services()
    before = sorted(ids(await store.search(around(limit=1_000))))
    await store.compact()
    assert store.counts().blocks == 200, "the sums of links have not read them yet"
    while await store.sum_links(1 << 60):
        pass
    await store.compact()
    assert store.counts().blocks == 1
    assert store.counts().stored == 200
    assert sorted(ids(await store.search(around(limit=1_000)))) == before
    assert ids(await store.search(around(terms=(("n", "42"),), service="s0"))) == [42]
    assert len(await store.trace(f"{3:016x}")) == 1 + len([n for n in range(1, 101) if n % 7 == 2])
    await store.append(batch_of([span(500)]))
    await store.aclose()
    store = SqliteStore(path)
    assert store.counts().stored == 201
    assert len(await store.search(around(limit=1_000))) == 101
    await store.aclose()


async def test_a_query_that_takes_too_long_ends_in_words(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans.sqlite3", query_s_max=0.0)
    await store.append(batch_of([span(1)]))
    with pytest.raises(StoreError, match="takes too long"):
        await store.search(around())
    await store.aclose()


async def test_a_full_disk_refuses_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "spans.sqlite3"
    store = SqliteStore(path)
    await store.append(batch_of([span(1)]))
    assert await store.services() == ["web"]
    large = [batch_of([span(n, tags={"big": noise(45_000)})]) for n in (2, 3, 4)]
    with no_longer_files(60_000):
        answers = await asyncio.gather(*map(store.append, large), return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None), StoreError, StoreError]
    assert "cannot write" in str(answers[1])
    counts = store.counts()
    assert (counts.stored, counts.flow.dropped["store_failed"]) == (2, 2)
    assert len(await store.search(around())) == 2
    await asyncio.gather(*map(store.append, large[1:]))
    assert len(await store.search(around())) == 4
    counts = store.counts()
    assert (counts.stored, counts.flow.queued) == (4, 0)
    await store.aclose()


async def test_a_full_disk_delays_the_index_and_loses_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans.sqlite3")
    await store.append(batch_of([span(1)]))
    assert await store.services() == ["web"]
    await store.append(batch_of([span(2, service="api")]))
    with no_longer_files(1):
        assert await store.services() == ["web"]
    assert store.counts().stored == 2
    assert await store.services() == ["api", "web"]
    await store.aclose()


async def test_memory_gives_up_the_trace_with_the_oldest_span() -> None:
    store = MemoryStore(spans_max=3)
    await store.append(batch_of([span(1, at_ms=5_000), span(2, at_ms=1_000, service="old")]))
    await store.append(batch_of([span(2, 2, at_ms=9_000, service="old"), span(3, at_ms=7_000)]))
    assert [len(await store.trace(f"{n:016x}")) for n in (1, 2, 3)] == [1, 1, 1]
    assert store.counts().evicted == 1
    await store.append(batch_of([span(4, at_ms=8_000), span(5, at_ms=8_000)]))
    assert await store.services() == ["old", "web"]
    await store.append(batch_of([span(n, at_ms=10_000) for n in (6, 7, 8)]))
    assert await store.services() == ["web"]
    counts = store.counts()
    assert (counts.stored, counts.evicted) == (9, 6)
