"""A real Zipkin server as a process, and how its answers are compared."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.collector import wait_ready, zipkin_command
from tests.kits.running import free_port

COMMAND = zipkin_command()
NEEDS_ZIPKIN = pytest.mark.skipif(
    COMMAND is None,
    reason="no java: apt-get install default-jre-headless"
    if shutil.which("java") is None
    else "no Zipkin server in ~/.m2: mvn dependency:get"
    " -Dartifact=io.zipkin:zipkin-server:3.6.1:jar:exec -Dtransitive=false",
)


@contextmanager
def zipkin_server(
    folder: Path, env: Mapping[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """One server with these settings; its URL and process. The folder gets its log."""
    port = free_port()
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(
            COMMAND or (),
            env={"QUERY_PORT": str(port), "PATH": "/usr/bin:/bin", **env},
            stdout=out,
            stderr=out,
        )
        try:
            wait_ready(process, port)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait(60)


def bag(value: object) -> object:
    """Lists as multisets at every depth."""
    if isinstance(value, list):
        return sorted(json.dumps(bag(item), sort_keys=True) for item in value)
    return value


async def wait_for(holds: Callable[[], Awaitable[bool]], *, seconds: float = 30.0) -> bool:
    """The real server stores behind its answer."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True
