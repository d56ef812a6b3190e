import subprocess
import sys


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_brief_run_shows_every_cost() -> None:
    done = bench("dtab", "--brief")
    assert done.returncode == 0, done.stderr
    assert "bind at 10,000 to bind at 10" in done.stdout
    assert "cached bind, while someone listens" in done.stdout


def test_an_unknown_bench_is_told_with_the_known_ones() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "dtab" in done.stderr
