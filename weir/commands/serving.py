"""What every serving command does: read its file, start, say so, wait for a signal, stop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import typer
import uvloop

from config import ConfigError, load
from proxy.certificates import TlsError
from proxy.workers import ControlLine, Place
from weir.commands.crew import Crew, lead
from weir.commands.descriptors import take_descriptors
from weir.commands.drain import Drain
from weir.commands.ending import FAILED, INTERRUPTED, fail, read_text
from weir.commands.ready import ReadyFileError, tell_ready

if TYPE_CHECKING:
    from config import Model

M = TypeVar("M", bound="Model")

_NO_HURRY = Drain()


class Process(Protocol):
    """Something that listens."""

    ports: dict[str, int]

    async def start(self) -> None:
        """Bind and serve."""

    def reload_soon(self) -> None:
        """Read files again; says itself what came of it."""

    def retire(self) -> None:
        """Fail readiness; every answer ends its connection."""

    async def aclose(self, drain_s: float = ...) -> int:
        """Drain and stop."""


def read_config(model: type[M], file: Path) -> M:
    """The file's content as that model.

    Every problem goes to stderr and ends the command with 1.
    """
    try:
        return load(model, read_text(file), source=str(file), env=os.environ)
    except ConfigError as error:
        fail(str(error))


def serve(
    name: str,
    make: Callable[[], Process],
    ready_file: Path | None,
    crew: Crew | None = None,
    drain: Drain = _NO_HURRY,
) -> None:
    """Run a process until SIGTERM or SIGINT; the second signal ends it at once.

    With a crew of more than one, this process only leads, unless it was started as a worker.
    """
    place = Place.from_environment(os.environ)
    take_descriptors()
    if crew is not None and crew.count > 1 and place is None:
        code = uvloop.run(lead(name, crew, ready_file, drain))
    else:
        code = uvloop.run(_serve(name, make, ready_file if place is None else None, drain, place))
    raise typer.Exit(code)


async def _serve(
    name: str,
    make: Callable[[], Process],
    ready_file: Path | None,
    drain: Drain,
    place: Place | None,
) -> int:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    loop.add_signal_handler(
        signal.SIGHUP, lambda: None
    )  # too early to reload, and no reason to end
    control = None if place is None else ControlLine(place, stop.set)
    process = make()
    try:
        await process.start()
    except (OSError, TlsError) as error:
        typer.echo(f"{name}: {_why_not(error)}", err=True)
        await process.aclose(0.0)
        return FAILED
    loop.add_signal_handler(signal.SIGHUP, process.reload_soon)
    # What is here now stays. To look through all of it again holds up every request for 20 ms.
    gc.collect()
    gc.freeze()
    if control is not None:
        control.say("ready")
    else:
        told = ", ".join(f"{key} on port {port}" for key, port in process.ports.items())
        typer.echo(f"{name}: ready, {told}", err=True)
    try:
        tell_ready(ready_file, {"pid": os.getpid(), "ports": process.ports})
    except ReadyFileError as error:
        typer.echo(f"{name}: {error}", err=True)
        await process.aclose(0.0)
        return FAILED
    await stop.wait()
    process.retire()
    await asyncio.sleep(drain.delay_s)
    cut = await process.aclose(drain.deadline_s)
    if control is not None:
        control.say(f"cut {cut}")
        control.close()
    else:
        typer.echo(f"{name}: stopped, {cut} connections were cut", err=True)
        sys.stderr.flush()
    return 0


def _why_not(error: OSError | TlsError) -> str:
    """Why it cannot start: a file, an address, or a certificate."""
    if isinstance(error, TlsError):
        return f"TLS: {error}"
    if error.filename is not None:
        return f"{error.filename} cannot be opened: {error.strerror}"
    return f"cannot listen: {error.strerror or error}"
