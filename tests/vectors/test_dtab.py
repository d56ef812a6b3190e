import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectors.dtab import outcomes

DATA = Path(__file__).parent / "data" / "dtab"


@pytest.mark.parametrize("file", sorted(DATA.glob("*.json")), ids=lambda file: file.stem)
def test_every_vector_of_the_file_passes(file: Path) -> None:
    problems = {name: problem for name, problem in outcomes(file) if problem is not None}
    assert problems == {}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.vectors", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_runner_counts_and_exits_with_0() -> None:
    done = run("dtab", str(DATA))
    assert done.stdout.splitlines()[-1].endswith(" passed, 0 failed")
    assert done.returncode == 0


def test_the_runner_names_what_failed_and_exits_with_1(tmp_path: Path) -> None:
    text = (DATA / "path.json").read_text()
    (tmp_path / "path.json").write_text(text.replace('"show": "/svc"', '"show": "/svd"'))
    done = run("dtab", str(tmp_path))
    assert 'path.json: one label: show is "/svc", not "/svd"' in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize("words", [(), ("dtab",), ("other", "."), ("dtab", "no/such/folder")])
def test_the_runner_exits_with_2_when_it_is_misused(words: tuple[str, ...]) -> None:
    assert run(*words).returncode == 2
