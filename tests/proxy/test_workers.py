"""The parent of several workers, with processes that are shell scripts."""

from __future__ import annotations

import asyncio
import signal
import stat
from typing import TYPE_CHECKING

from proxy.workers import VARIABLE, Workers
from tests.kits.running import soon

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = f"""#!/usr/bin/env python3
import json, os, signal
os.write(json.loads(os.environ["{VARIABLE}"])["control"], b"ready\\n")
signal.pause()
"""


def executable(path: Path) -> None:
    path.write_text(SCRIPT)
    path.chmod(stat.S_IRWXU)


async def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    command = tmp_path / "worker"
    executable(command)
    said: asyncio.Queue[str] = asyncio.Queue()
    workers = Workers([str(command)], 1, tmp_path, said.put_nowait)
    await workers.start()
    (worker,) = workers.workers
    command.unlink()
    assert worker.process is not None
    worker.process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(30):
        assert "was ended by SIGKILL" in await said.get()
        assert "could not be started: No such file" in await said.get()
        executable(command)
        await soon(lambda: worker.ready)
    assert worker.starts > 2
    assert await workers.stop(10) == 0
