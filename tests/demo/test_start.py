"""What a pod costs to start: many start at one moment on a small machine."""

from __future__ import annotations

import os
import subprocess
import sys

import httpx
import pytest

from tests.kits.demo_app import demo_app

CPU_S_MAX = 0.5


@pytest.mark.parametrize(
    "arguments",
    [("world", "-addr=127.0.0.1:0"), ("hello", "-addr=127.0.0.1:0"), ("echo", "-addr=127.0.0.1:0")],
)
def test_a_pod_answers_for_less_than_half_a_second_of_cpu(arguments: tuple[str, ...]) -> None:
    # The least of three: the rest is what else the machine did.
    spent = []
    for _ in range(3):
        with demo_app(*arguments) as app:
            httpx.post(app.url + "/setLatency?latency=0")
            with open(f"/proc/{app.process.pid}/stat") as stat:  # noqa: PTH123
                fields = stat.read().rpartition(")")[2].split()
        spent.append((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    assert min(spent) < CPU_S_MAX


@pytest.mark.parametrize(
    ("app", "unwanted"),
    [
        ("hello", {"typer", "pydantic", "yaml"}),
        ("world", {"typer", "rich", "pydantic", "yaml", "httpx", "h11"}),
        ("echo", {"typer", "rich", "click", "pydantic", "httpx", "starlette", "uvicorn"}),
    ],
)
def test_an_app_imports_only_what_it_needs(app: str, unwanted: set[str]) -> None:
    # uvicorn itself imports click, and httpx its own command line with rich.
    code = (
        "import signal, sys; from demo import main, address\n"
        "class Done(Exception): pass\n"
        "def started(*_): raise Done\n"
        "main._starting = lambda _: started\n"
        f"try: main.main([{app!r}, '-addr=127.0.0.1:0'], {{}})\n"
        "except Done: print(*sys.modules)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(ended.stdout.split())
    assert "uvloop" in imported or app != "echo"
    assert not imported & unwanted
