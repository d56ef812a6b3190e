"""`weir mesh` and `weir edge` as processes of their own, and who asks them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from tests.kits.running import until
from tests.kits.sockets import connected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GET: Final = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


def mesh_config(folder: Path, port: int, *, top: str = "", router: str = "") -> str:
    """A mesh with one router `out`, where `web` is at the port; more lines for it and on top."""
    names = folder / "names"
    names.mkdir(exist_ok=True)
    (names / "web").write_text(f"127.0.0.1 {port}\n")
    return f"""
admin: {{port: 0}}
{top}
namers: [{{kind: io.l5d.fs, rootDir: {names}}}]
routers:
- protocol: http
  label: out
  dtab: /svc => /#/io.l5d.fs
  servers: [{{port: 0}}]
  {router}
"""


class Serving:
    """A serving command: its ports, its log, its signals."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, facts: dict[str, Any]) -> None:
        self.process = process
        self.ports: dict[str, int] = facts["ports"]
        self.admin = f"http://127.0.0.1:{self.ports['admin']}"
        self._log = log

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    def says(self, text: str) -> None:
        """Wait until it has said that."""
        until(lambda: text in self.log)

    def get(self, path: str) -> httpx.Response:
        """Ask its admin port."""
        return httpx.get(self.admin + path, trust_env=False)

    def workers(self) -> list[dict[str, Any]]:
        """Its workers, as its admin port lists them."""
        found: list[dict[str, Any]] = self.get("/admin/workers.json").json()
        return found

    def metric(self, ending: str) -> float:
        """The sum of all metrics whose names end so."""
        found: dict[str, float] = self.get("/admin/metrics.json").json()
        return sum(value for name, value in found.items() if name.endswith(ending))

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(folder: Path, command: str, config: str, *more: str) -> Iterator[Serving]:
    """Run `weir COMMAND` with this configuration; it may be ended within the block."""
    file, ready, log = folder / f"{command}.yml", folder / "ready.json", folder / f"{command}.log"
    file.write_text(config)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "weir", command, str(file), f"--ready-file={ready}", *more],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def look() -> dict[str, Any] | None:
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        return json.loads(ready.read_text()) if ready.exists() else None

    try:
        yield Serving(process, log, until(look, 60))
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        ready.unlink(missing_ok=True)


class Load:
    """Clients that ask without a pause, each on a connection that it keeps."""

    def __init__(self, port: int, clients: int) -> None:
        self.answered = 0
        self.broken = 0
        self.wrong: list[bytes] = []
        self._port = port
        self._stop = asyncio.Event()
        self._progress = asyncio.Event()
        self._clients = clients
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.ensure_future(self._ask()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                async with connected(self._port) as client:
                    while not self._stop.is_set():
                        head, _ = await client.ask(GET)
                        self.answered += 1
                        self._progress.set()
                        if not head.startswith(b"HTTP/1.1 200"):
                            self.wrong.append(head)
                        if b"\r\nConnection: close\r\n" in head:
                            break
            except (ConnectionError, asyncio.IncompleteReadError):
                self.broken += 1

    async def until(self, answered: int) -> None:
        """Wait until so many more answers have come."""
        wanted = self.answered + answered
        async with asyncio.timeout(30):
            while self.answered < wanted:
                self._progress.clear()
                await self._progress.wait()
