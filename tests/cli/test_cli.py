"""The command itself, before any of its subcommands."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from tests.kits.running import free_port

if TYPE_CHECKING:
    from pathlib import Path


def weir(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weir", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def test_it_tells_its_version() -> None:
    done = weir("--version")
    assert done.returncode == 0
    assert done.stdout.startswith(f"weir {version('weir')} (Python ")
    assert not done.stderr


@pytest.mark.parametrize("arguments", [["nothing"], ["--nothing"], ["edge", "--nothing"]])
def test_what_it_does_not_understand_ends_with_2_and_no_traceback(arguments: list[str]) -> None:
    done = weir(*arguments)
    assert done.returncode == 2
    assert not done.stdout
    assert "nothing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_completes_its_commands(shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "weir"],
        env={"_WEIR_COMPLETE": f"complete_{shell}", "COMP_WORDS": "weir e", "COMP_CWORD": "1"}
        | {"_TYPER_COMPLETE_ARGS": "weir e", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "edge" in done.stdout
    assert "explain" in done.stdout


@pytest.mark.parametrize("command", [["up"], ["collector", "--http-port=0"]])
def test_a_state_directory_that_cannot_be_made_is_told(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "file").touch()
    state = tmp_path / "file" / "state"
    done = weir(*command, f"--state-dir={state}")
    told = f"weir {command[0]}: cannot use {state}: Not a directory\n"
    assert (done.returncode, done.stderr) == (1, told)


def test_a_gateway_that_does_not_answer_is_told_in_words() -> None:
    admin = f"http://127.0.0.1:{free_port()}"
    done = weir("explain", "http://www.hello.world/", f"--admin={admin}")
    assert done.returncode == 1
    assert done.stderr.startswith(f"{admin}: Connection refused\n  hint: is the gateway running?")
