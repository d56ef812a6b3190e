"""The whole system, started as a user starts it, for tests that look at it from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

# The kernel gives connections their ports from 32,768 on (ip_local_port_range): between the choice
# of one of these and its use, none of the many connections of a test can take it.
PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Running:
    """A running system, as its ready file tells it."""

    edge: str
    collector: str
    nodes: list[dict[str, Any]]
    pids: dict[str, int]
    state_dir: Path

    @property
    def outgoing(self) -> str:
        """URL of the first node's outgoing router."""
        node = self.nodes[0]
        return f"http://{node['ip']}:{node['outgoing']}"

    def traces(self, **wanted: str) -> list[list[dict[str, Any]]]:
        """Traces as the collector's query API answers them."""
        answer = httpx.get(
            f"{self.collector}/api/v2/traces", params={"limit": "100", **wanted}, timeout=30
        )
        found: list[list[dict[str, Any]]] = answer.json()
        return found


def until(look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """What `look` gives, once it is something; other processes cannot be awaited, only asked."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.02)
    return found


async def soon(holds: Callable[[], bool]) -> None:
    """Wait until it holds, where nobody tells: a count, another process."""
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, and that nobody is given by chance."""
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"of {PORTS} a hundred are taken")


def start_up(state_dir: Path, *more: str) -> subprocess.Popen[str]:
    """Start `weir up` as a process of its own, its messages in state_dir/up.log."""
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "up.log").open("w") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "weir",
                "up",
                f"--state-dir={state_dir}",
                f"--ready-file={state_dir / 'ready.json'}",
                "--edge-port=0",
                "--edge-admin-port=0",
                f"--collector-port={free_port()}",
                *more,
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in {"Z", "X"}


@contextlib.contextmanager
def running(state_dir: Path, *more: str) -> Iterator[Running]:
    """The system, until the block ends; then SIGTERM, and nothing may be left."""
    process = start_up(state_dir, *more)
    ready = state_dir / "ready.json"

    def look() -> dict[str, Any] | None:
        if process.poll() is not None:
            raise RuntimeError((state_dir / "up.log").read_text())
        if not ready.exists():
            return None
        facts: dict[str, Any] = json.loads(ready.read_text())
        return facts

    try:
        facts = until(look, 60)
        yield Running(facts["edge"], facts["collector"], facts["nodes"], facts["pids"], state_dir)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(60)
        assert not [name for name, pid in facts["pids"].items() if alive(pid)]
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
