"""Several processes on the same ports: a parent starts them, watches them, and ends them.

The kernel shares new connections out (SO_REUSEPORT), so a request never waits for a second process,
and a crash loses what one worker held. The parent serves no request. Between it and each worker
there is a socket pair: the worker says `ready` and `cut N`; when the parent is gone, whatever
killed it, the worker reads the end and drains.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy.acceptor import bound_socket
from proxy.tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

VARIABLE: Final = "WEIR_WORKER"
# Between a crash and the next start: doubled with each crash in a row, so that a worker that cannot
# live does not take the machine, and a single crash costs next to nothing.
BACKOFF_S: Final = 0.1
BACKOFF_S_MAX: Final = 30.0
HEALTHY_S: Final = 30.0  # who lived so long has not crashed in a row
_LINE_MAX: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a worker is given: its number, the ports to share, a Unix socket for its admin pages."""

    index: int
    ports: Mapping[str, int]
    admin: Path
    control: int  # file descriptor of its end of the socket pair

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Place | None:
        """The place this process was started for; None when it stands alone."""
        text = environment.get(VARIABLE)
        if text is None:
            return None
        said = json.loads(text)
        return cls(
            index=said["index"],
            ports=said["ports"],
            admin=Path(said["admin"]),
            control=said["control"],
        )


@dataclass(frozen=True, slots=True)
class Address:
    """Something to bind; `name` as in a process's ports."""

    name: str
    ip: str
    port: int


class ControlLine:
    """A worker's line to its parent."""

    def __init__(self, place: Place, on_parent_gone: Callable[[], None]) -> None:
        self._socket = socket.socket(fileno=place.control)
        self._socket.setblocking(False)  # noqa: FBT003
        self._loop = asyncio.get_running_loop()
        self._on_parent_gone = on_parent_gone
        self._loop.add_reader(self._socket, self._on_readable)

    def say(self, line: str) -> None:
        """Tell the parent; one that is gone hears nothing."""
        with contextlib.suppress(OSError):
            self._socket.send(line.encode() + b"\n")

    def _on_readable(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            if self._socket.recv(_LINE_MAX):
                return
        self._loop.remove_reader(self._socket)
        self._on_parent_gone()

    def close(self) -> None:
        """Hang up."""
        self._loop.remove_reader(self._socket)
        self._socket.close()


@dataclass(slots=True)
class Worker:
    """One worker as its parent sees it."""

    index: int
    admin: Path
    process: asyncio.subprocess.Process | None = None
    ready: bool = False
    starts: int = 0
    crashes_in_a_row: int = 0
    said: asyncio.Event = field(default_factory=asyncio.Event)
    cut: int = 0

    @property
    def pid(self) -> int | None:
        """The process id, while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running and self.process is not None else None


class WorkersFailed(Exception):
    """A worker ended before it was ready for the first time; its own words are on stderr."""


class Workers:
    """The parent's side. `on_gone` is told of a worker that is about to be replaced."""

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        folder: Path,
        say: Callable[[str], None],
    ) -> None:
        self.workers = [Worker(index, folder / f"{index}.sock") for index in range(count)]
        self.ports: dict[str, int] = {}
        self.on_gone: Callable[[Worker], None] = lambda _: None
        self.stopping = False
        self._command = list(command)
        self._say = say
        self._held: list[socket.socket] = []
        self._tasks = Tasks()
        self._keepers: list[asyncio.Task[None]] = []
        self._stop = asyncio.Event()

    def hold(self, addresses: Sequence[Address]) -> None:
        """Bind without listening: the ports are ours, known, and the same for every worker.

        Raises: OSError.
        """
        for address in addresses:
            sock = bound_socket(address.ip, address.port, reuse_port=True)
            self._held.append(sock)
            self.ports[address.name] = sock.getsockname()[1]

    async def start(self, timeout_s: float = 60.0) -> None:
        """Start all and wait until all are ready. Raises: WorkersFailed."""
        self._keepers = [
            self._tasks.start(self._keep(worker), f"worker {worker.index}")
            for worker in self.workers
        ]
        try:
            async with asyncio.timeout(timeout_s):
                for worker in self.workers:
                    await worker.said.wait()
        except TimeoutError:
            raise WorkersFailed(f"not ready within {timeout_s:g} s") from None
        failed = [worker.index for worker in self.workers if not worker.ready]
        if failed:
            raise WorkersFailed(f"worker {failed[0]} did not start")

    @property
    def ready(self) -> list[Worker]:
        """Those that serve."""
        return [worker for worker in self.workers if worker.ready]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every worker."""
        for worker in self.workers:
            if worker.pid is not None and worker.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.send_signal(number)

    async def stop(self, deadline_s: float) -> int:
        """SIGTERM, then SIGKILL to who has not ended in time; returns how many were cut."""
        self.stopping = True
        self._stop.set()
        self.signal(signal.SIGTERM)
        if self._keepers:
            _, late = await asyncio.wait(self._keepers, timeout=deadline_s)
            if late:
                self.signal(signal.SIGKILL)
                await asyncio.wait(self._keepers)
        await self._tasks.aclose()
        for sock in self._held:
            sock.close()
        return sum(worker.cut for worker in self.workers)

    # ---- one worker's life

    async def _keep(self, worker: Worker) -> None:
        loop = asyncio.get_running_loop()
        while not self.stopping:
            began = loop.time()
            try:
                ending = _ending(await self._run(worker))
            except OSError as error:  # no process or no descriptor to be had, for now
                ending = f"could not be started: {error.strerror}"
            if worker.ready:
                self.on_gone(worker)
            was_ready, worker.ready = worker.said.is_set(), False
            worker.said.set()
            if self.stopping or not was_ready:
                return
            lived = loop.time() - began
            worker.crashes_in_a_row = 0 if lived > HEALTHY_S else worker.crashes_in_a_row + 1
            delay_s = min(BACKOFF_S * 2 ** max(worker.crashes_in_a_row - 1, 0), BACKOFF_S_MAX)
            self._say(f"worker {worker.index} {ending}; another in {delay_s:g} s")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._stop.wait()

    async def _run(self, worker: Worker) -> int:
        """One process, from its start to its end; returns its exit code. Raises: OSError."""
        ours, theirs = socket.socketpair()
        place = {
            "index": worker.index,
            "ports": self.ports,
            "admin": str(worker.admin),
            "control": theirs.fileno(),
        }
        worker.admin.unlink(missing_ok=True)
        worker.starts += 1
        try:
            worker.process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env={**os.environ, VARIABLE: json.dumps(place)},
                start_new_session=True,  # Ctrl-C reaches the parent alone, which ends them in order
            )
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if self.stopping:  # asked to end while the process was being made
            worker.process.terminate()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            async for line in reader:
                self._hear(worker, line.decode("ascii", "replace").split())
            return await worker.process.wait()
        except ConnectionError:
            return await worker.process.wait()
        finally:
            writer.close()

    @staticmethod
    def _hear(worker: Worker, words: list[str]) -> None:
        match words:
            case ["ready"]:
                worker.ready = True
                worker.said.set()
            case ["cut", count] if count.isdigit():
                worker.cut = int(count)
            case _:
                pass  # a worker of another version


def _ending(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
