"""The parent of several workers: holds their ports, serves their admin page, ends them in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer
from starlette.types import ASGIApp

from mesh.admin.summed import Joined, SummedAdmin
from proxy.app_server import AppServer
from proxy.tasks import Tasks
from proxy.workers import Address, Workers, WorkersFailed
from weir.commands.drain import Drain
from weir.commands.ending import FAILED, INTERRUPTED
from weir.commands.ready import ReadyFileError, tell_ready

# What a worker needs beyond its drain: spans to send, a log to flush.
_MARGIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Crew:
    """How many workers share which addresses, and where their common admin port is."""

    count: int
    addresses: Sequence[Address]
    admin: Address
    joined: Mapping[str, Joined] = field(default_factory=dict)  # admin pages of all workers in one
    guard: Callable[[ASGIApp], ASGIApp] = lambda app: app  # stands before the admin port


async def lead(name: str, crew: Crew, ready_file: Path | None, drain: Drain) -> int:
    """Run workers of this very command until a signal; returns the exit code."""
    with tempfile.TemporaryDirectory(prefix="weir-") as folder:  # only this user may look into it
        command = [sys.executable, "-m", "weir", *sys.argv[1:]]
        workers = Workers(command, crew.count, Path(folder), lambda text: _say(name, text))
        return await _lead(name, crew, workers, ready_file, drain)


def _say(name: str, text: str) -> None:
    typer.echo(f"{name}: {text}", err=True)


async def _lead(
    name: str, crew: Crew, workers: Workers, ready_file: Path | None, drain: Drain
) -> int:
    stop = asyncio.Event()
    _on_signals(workers, stop)
    tasks = Tasks()
    admin = SummedAdmin(workers, crew.joined)
    server = AppServer(crew.guard(admin.app()))
    try:
        workers.hold(crew.addresses)
        admin_port = await server.start(crew.admin.ip, crew.admin.port)
        starting = tasks.start(workers.start(), "workers")
        waiting = tasks.start(_wait(stop), "signal")
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ports = {**workers.ports, "admin": admin_port}
            told = ", ".join(f"{key} on port {port}" for key, port in ports.items())
            _say(name, f"ready, {crew.count} workers, {told}")
            tell_ready(ready_file, {"pid": os.getpid(), "ports": ports})
            admin.watch(tasks)
            await waiting
        cut = await workers.stop(drain.delay_s + drain.deadline_s + _MARGIN_S)
        _say(name, f"stopped, {cut} connections were cut")
    except OSError as error:
        _say(name, f"cannot listen: {error.strerror or error}")
        return FAILED
    except (WorkersFailed, ReadyFileError) as error:
        _say(name, str(error))
        return FAILED
    else:
        return 0
    finally:
        await workers.stop(_MARGIN_S)
        await server.aclose()
        await tasks.aclose()


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()


def _on_signals(workers: Workers, stop: asyncio.Event) -> None:
    def end() -> None:
        if stop.is_set():
            workers.signal(signal.SIGKILL)
            os._exit(INTERRUPTED)
        stop.set()

    reload: Callable[[], None] = lambda: workers.signal(signal.SIGHUP)  # noqa: E731
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGHUP, reload)
