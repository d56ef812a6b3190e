"""Starts the local system's processes, waits for each, tells when one ends, ends them all."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

_POLL_S: Final = 0.02
_PR_SET_PDEATHSIG: Final = 1
_LAST_LINES: Final = 8
_STOP_S: Final = 7.0  # then SIGKILL; the whole system must be gone within ten seconds


class StartError(Exception):
    """A process did not come up; the text says which, why, and where its log is."""


@dataclass(slots=True)
class Child:
    """One process of the system."""

    name: str
    role: str  # what it is, for the status table
    address: str
    arguments: tuple[str, ...]  # after `python -m`
    environment: dict[str, str] = field(default_factory=dict)
    ready_file: Path | None = None  # None: ready when `address` accepts connections
    process: asyncio.subprocess.Process | None = None
    ready: bool = False
    ended: int | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self.process.pid if self.process is not None else 0

    @property
    def ports(self) -> dict[str, int]:
        """What its ready file says."""
        if self.ready_file is None:
            return {}
        found: dict[str, int] = json.loads(self.ready_file.read_text("utf-8")).get("ports", {})
        return found


class Supervisor:
    """Owns the children.

    Nothing is restarted: an ended process is told, and its place stays empty.
    """

    def __init__(self, log_dir: Path) -> None:
        self.children: list[Child] = []
        self.on_change: Callable[[], None] = lambda: None
        self._log_dir = log_dir
        self._watchers: set[asyncio.Task[None]] = set()
        self._stopping = False

    def log_file(self, child: Child) -> Path:
        """Where a child's output goes."""
        return self._log_dir / f"{child.name}.log"

    async def start(self, children: list[Child], timeout_s: float) -> None:
        """Start children side by side and wait for all of them. Raises: StartError."""
        self.children += children
        for child in children:
            await self._spawn(child)
        self.on_change()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(self._until_ready(child) for child in children))
        except TimeoutError:
            late = ", ".join(child.name for child in children if not child.ready)
            raise StartError(
                f"{late} did not answer within {timeout_s:g} s; see the logs in {self._log_dir}"
            ) from None

    async def _spawn(self, child: Child) -> None:
        if child.ready_file is not None:
            child.ready_file.unlink(missing_ok=True)
        with self.log_file(child).open("wb") as log:
            child.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *child.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **child.environment},
                start_new_session=True,  # Ctrl-C reaches us alone; we end the children in order
                preexec_fn=_die_with_parent,
            )
        watcher = asyncio.get_running_loop().create_task(self._watch(child), name=child.name)
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, child: Child) -> None:
        assert child.process is not None
        child.ended = await child.process.wait()
        if not self._stopping:
            self.on_change()

    async def _until_ready(self, child: Child) -> None:
        probe: Callable[[], Awaitable[bool]] = (
            _accepts(child.address) if child.ready_file is None else _exists(child.ready_file)
        )
        while not await probe():
            if child.ended is not None:
                raise StartError(
                    f"{child.name} ended with exit code {child.ended}: {self._last_words(child)}"
                )
            await asyncio.sleep(_POLL_S)  # another process's progress: there is nothing to await
        child.ready = True
        self.on_change()

    def _last_words(self, child: Child) -> str:
        with contextlib.suppress(OSError):
            lines = self.log_file(child).read_text("utf-8", "replace").rstrip().splitlines()
            return "\n".join(["", *lines[-_LAST_LINES:], f"(log: {self.log_file(child)})"])
        return f"log: {self.log_file(child)}"

    async def stop(self) -> None:
        """End everything: first what takes requests, then what they need."""
        if self._stopping:
            return
        self._stopping = True
        running = [child for child in self.children if child.ended is None and child.process]
        for child in running:
            _signal(child, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(*self._watchers)
        self.kill()
        await asyncio.gather(*self._watchers)

    def kill(self) -> None:
        """End what is left, at once."""
        for child in self.children:
            if child.ended is None and child.process is not None:
                _signal(child, signal.SIGKILL)


def _signal(child: Child, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if child.process is not None:
            child.process.send_signal(number)


def _die_with_parent() -> None:
    """In the child, before exec: if we are killed, it ends too.

    Linux only, like the loopback aliases.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _exists(file: Path) -> Callable[[], Awaitable[bool]]:
    async def probe() -> bool:
        return file.exists()

    return probe


def _accepts(address: str) -> Callable[[], Awaitable[bool]]:
    ip, _, port = address.rpartition(":")

    async def probe() -> bool:
        try:
            _, writer = await asyncio.open_connection(ip, int(port))
        except OSError:
            return False
        writer.close()
        return True

    return probe


def in_use(ip: str, port: int) -> str | None:
    """Why an address cannot be bound, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((ip, port))
            sock.listen(1)
        except OSError as error:
            return os.strerror(error.errno or 0)
    return None
