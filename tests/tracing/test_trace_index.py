"""The index of traces: news, folding, sweeping, and readers of any moment."""

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracing.pipeline.store.index.schema import open_reader, open_writer
from tracing.pipeline.store.index.traces import TraceIndex, TraceReader


class Indexing:
    """An index that is told of blocks, and what it should know."""

    def __init__(self, path: Path) -> None:
        self.db = open_writer(path)
        self.index = TraceIndex(self.db)
        self.known: dict[int, list[int]] = {}
        self.blocks = 0

    def add(self, *lows: set[int]) -> None:
        numbered = [(self.blocks + 1 + i, its) for i, its in enumerate(lows)]
        self.blocks += len(lows)
        self.index.publish(self.index.add(numbered))
        for number, its in numbered:
            for low in its:
                self.known.setdefault(low, []).append(number)

    def rows(self, table: str) -> int:
        count: int = self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own names
        return count


@pytest.fixture
def indexing(tmp_path: Path) -> Iterator[Indexing]:
    made = Indexing(tmp_path / "spans")
    yield made
    made.db.close()


@pytest.fixture
def reading(indexing: Indexing, tmp_path: Path) -> Iterator[tuple[sqlite3.Connection, TraceReader]]:
    db = open_reader(tmp_path / "spans")
    yield db, TraceReader(db, indexing.index.recent)
    db.close()


def all_of(reader: TraceReader, indexing: Indexing) -> dict[int, list[int]]:
    reader.look()
    return {low: reader.blocks_of(low) for low in indexing.known}


def test_traces_are_found_in_the_news_and_when_they_are_folded(
    indexing: Indexing, reading: tuple[sqlite3.Connection, TraceReader]
) -> None:
    dice = random.Random(1)
    some = [dice.randrange(-(1 << 63), 1 << 63) for _ in range(40)]
    for _ in range(65):
        indexing.add(*({dice.choice(some) for _ in range(5)} for _ in range(3)))
        indexing.index.fold()
    assert all_of(reading[1], indexing) == indexing.known
    assert (indexing.rows("trace_news"), len(indexing.index.recent)) == (0, 0)
    indexing.add({some[0]}, {some[0], 5})
    assert all_of(reading[1], indexing) == indexing.known
    assert reading[1].blocks_of(6) == []
    before = indexing.blocks - 1
    older = {low for low, blocks in indexing.known.items() if blocks[0] < before}
    assert reading[1].before(indexing.known, before) == older


def test_many_entries_are_folded_at_once(indexing: Indexing) -> None:
    indexing.add(*(set(range(at, at + 1_000)) for at in range(0, 49_000, 1_000)))
    indexing.index.fold()
    assert indexing.rows("trace_block") == 0
    indexing.add(set(range(1_000)))
    indexing.index.fold()
    assert (indexing.rows("trace_block"), indexing.rows("trace_news")) == (50_000, 0)


def test_a_reader_sees_one_moment_whatever_is_folded_meanwhile(
    indexing: Indexing, reading: tuple[sqlite3.Connection, TraceReader]
) -> None:
    db, reader = reading
    for number in range(65):
        indexing.add({number, 1_000})
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM trace_block").fetchone()
    indexing.index.fold()
    assert indexing.rows("trace_news") == 0
    assert all_of(reader, indexing) == indexing.known
    db.execute("COMMIT")
    assert all_of(reader, indexing) == indexing.known


def test_the_next_process_knows_the_news(indexing: Indexing, tmp_path: Path) -> None:
    indexing.add({1, 2}, {2, -3})
    db = open_reader(tmp_path / "spans")
    assert all_of(TraceReader(db, TraceIndex(indexing.db).recent), indexing) == indexing.known
    db.close()


def test_entries_of_forgotten_blocks_are_swept_once_they_are_many(indexing: Indexing) -> None:
    indexing.add(*({number, -number} for number in range(1, 30_001)))
    indexing.add(*({number + 40_000} for number in range(1, 3_001)))
    indexing.index.fold()
    indexing.index.forgot(1_000)
    assert not indexing.index.sweep_some(1_001, 32_000)
    assert indexing.rows("trace_block") == 63_000
    indexing.index.forgot(29_000)
    steps = 1
    while indexing.index.sweep_some(30_001, 3_000):
        steps += 1
    assert steps > 2
    assert indexing.rows("trace_block") == 3_000
    assert not indexing.index.sweep_some(30_001, 3_000)


def test_a_fold_that_fails_loses_nothing(
    indexing: Indexing, reading: tuple[sqlite3.Connection, TraceReader]
) -> None:
    for number in range(65):
        indexing.add({number})
    refuse = "BEGIN SELECT RAISE(FAIL, 'full'); END"
    indexing.db.execute(f"CREATE TEMP TRIGGER full BEFORE DELETE ON trace_news {refuse}")
    with pytest.raises(sqlite3.Error, match="full"):
        indexing.index.fold()
    assert all_of(reading[1], indexing) == indexing.known
    indexing.db.execute("DROP TRIGGER full")
    indexing.index.fold()
    assert all_of(reading[1], indexing) == indexing.known
    assert indexing.rows("trace_news") == 0
