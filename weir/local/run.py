"""The life of `weir up`: check, start, say, wait for a signal, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

from weir.commands.ending import FAILED, INTERRUPTED, fail
from weir.commands.ready import ReadyFileError, tell_ready
from weir.local.screen import Screen
from weir.local.supervisor import StartError
from weir.local.system import LocalSystem, Options

if TYPE_CHECKING:
    from pathlib import Path


async def run(options: Options, ready_file: Path | None) -> int:
    """Run until SIGINT or SIGTERM; a second signal kills at once. Returns the exit code."""
    begun = time.monotonic()
    try:
        system = LocalSystem(options)
    except OSError as error:
        fail(f"weir up: cannot use {options.state_dir}: {error.strerror}")
    screen = Screen(system)
    taken = system.taken_addresses()
    if taken:
        for line in taken:
            _complain(screen, line)
        return FAILED
    if ready_file is not None:
        ready_file.unlink(missing_ok=True)
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            system.supervisor.kill()
            os._exit(INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    screen.begin()
    try:
        started = await _start(system, screen, stop)
        if started and not stop.is_set():
            screen.ready(time.monotonic() - begun)
            tell_ready(ready_file, system.ready_facts())
            await stop.wait()
    except ReadyFileError as error:
        started = False
        screen.close()
        _complain(screen, str(error))
    finally:
        screen.close()
        await system.stop()
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)
    if started:
        screen.console.print("weir is down; nothing is left running", highlight=False)
    return 0 if started else FAILED


async def _start(system: LocalSystem, screen: Screen, stop: asyncio.Event) -> bool:
    """Start the system unless a signal comes first.

    False: it did not come up, and why has been said.
    """
    starting = asyncio.ensure_future(system.start())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        return True
    try:
        starting.result()
    except StartError as error:
        screen.close()
        _complain(screen, str(error))
        return False
    return True


def _complain(screen: Screen, text: str) -> None:
    screen.console.print(f"weir up: {text}", style="red", highlight=False, soft_wrap=True)
