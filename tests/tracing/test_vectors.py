from pathlib import Path

import pytest

from tests.vectors.zipkin import run_file

FOLDER = Path(__file__).parents[1] / "vectors" / "data" / "zipkin"
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_collector_answers_as_recorded(path: Path) -> None:
    failures, steps = run_file(path)
    assert failures == []
    assert steps


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_store_in_memory_answers_the_same(path: Path) -> None:
    failures, _ = run_file(path, storage="mem")
    assert failures == []
