"""What every serving command does: read its file, start, say so, wait for a signal, stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import typer
import uvloop

from config import ConfigError, load

if TYPE_CHECKING:
    from config import Model

M = TypeVar("M", bound="Model")

FAILED = 1
USAGE = 2


class Process(Protocol):
    """Something that listens."""

    ports: dict[str, int]

    async def start(self) -> None:
        """Bind and serve."""

    async def aclose(self, drain_s: float = ...) -> int:
        """Drain and stop."""


def read_config(model: type[M], file: Path) -> M:
    """The file's content as that model.

    Every problem goes to stderr and ends the command with 1.
    """
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        typer.echo(f"{file}: cannot be read: {error}", err=True)
        raise typer.Exit(USAGE) from None
    try:
        return load(model, text, source=str(file), env=os.environ)
    except ConfigError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(FAILED) from None


def serve(name: str, make: Callable[[], Process], ready_file: Path | None) -> None:
    """Run a process until SIGTERM or SIGINT; the second signal ends it at once."""
    code = uvloop.run(_serve(name, make, ready_file))
    raise typer.Exit(code)


async def _serve(name: str, make: Callable[[], Process], ready_file: Path | None) -> int:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    process = make()
    try:
        await process.start()
    except OSError as error:
        typer.echo(f"{name}: cannot listen: {error.strerror or error}", err=True)
        await process.aclose(0.0)
        return FAILED
    typer.echo(
        f"{name}: ready, "
        + ", ".join(f"{key} on port {port}" for key, port in process.ports.items()),
        err=True,
    )
    if ready_file is not None:
        write_atomically(ready_file, json.dumps({"pid": os.getpid(), "ports": process.ports}))
    await stop.wait()
    cut = await process.aclose()
    typer.echo(f"{name}: stopped, {cut} connections were cut", err=True)
    sys.stderr.flush()
    return 0


def write_atomically(file: Path, text: str) -> None:
    """Write the file whole or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)
