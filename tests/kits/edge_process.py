"""`weir edge` as a process of its own, in front of mirrors that a directory names."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.kits.running import free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class RunningEdge:
    """A running gateway: its ports, its file, what it says."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path, facts: dict[str, Any]) -> None:
        self.process = process
        self.file = file
        self.port: int = facts["ports"]["public"]
        self.admin = f"http://127.0.0.1:{facts['ports']['admin']}"

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.file.with_suffix(".log").read_text()

    def hang_up(self) -> None:
        """Send SIGHUP."""
        self.process.send_signal(signal.SIGHUP)


@contextlib.contextmanager
def _running(
    words: list[str], log: Path, ready: Callable[[], bool], folder: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A module of Python, here or in a folder, from when it is ready until the block ends."""
    with log.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=folder,
            stdout=said,
            stderr=said,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def look() -> bool:
        if process.poll() is not None:
            raise RuntimeError(log.read_text())
        return ready()

    try:
        until(look, 60)
        yield process
        process.terminate()
        process.wait(60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running_edge(folder: Path, config: str) -> Iterator[RunningEdge]:
    """The gateway by this configuration, until the block ends; then it must stop at SIGTERM."""
    file = folder / "edge.yml"
    file.write_text(config)
    ready = folder / "ready.json"
    words = ["weir", "edge", str(file), f"--ready-file={ready}"]
    with _running(words, folder / "edge.log", ready.exists) as process:
        yield RunningEdge(process, file, json.loads(ready.read_text()))
    assert process.returncode == 0


APP = """
from pathlib import Path

from config import load
from edge.app import create_app
from edge.settings.edge_config import EdgeConfig
from edge.settings.reload import ConfigSource

file = Path("edge.yml")
app = create_app(load(EdgeConfig, file.read_text(), source=str(file)), ConfigSource(file))
"""
SERVERS = {
    # Of its own accord uvicorn believes X-Forwarded-* from loopback; whom to believe is our part.
    "uvicorn": (
        *("uvicorn", "app:app", "--host=127.0.0.1", "--port={port}", "--no-access-log"),
        "--no-proxy-headers",
    ),
    "hypercorn": ("hypercorn", "app:app", "--bind=127.0.0.1:{port}"),
}


@contextlib.contextmanager
def running_app(folder: Path, config: str, server: str) -> Iterator[RunningEdge]:
    """The gateway as an application, under another server; it has no admin port."""
    file = folder / "edge.yml"
    file.write_text(config)
    (folder / "app.py").write_text(APP)
    port = free_port()

    def ready() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    words = [word.format(port=port) for word in SERVERS[server]]
    with _running(words, folder / "edge.log", ready, folder) as process:
        yield RunningEdge(process, file, {"ports": {"public": port, "admin": 0}})


def services(folder: Path, ports: dict[str, int]) -> Path:
    """A directory of address files, one a service."""
    place = folder / "services"
    place.mkdir(exist_ok=True)
    for name, port in ports.items():
        (place / name).write_text(f"127.0.0.1 {port}\n")
    return place


def send(port: int, data: bytes, *, source: str = "127.0.0.1") -> bytes:
    """Send bytes on a connection of their own, and read one answer or until the end.

    source: the client's address, any below 127.
    """
    with socket.create_connection(("127.0.0.1", port), 30, (source, 0)) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        got = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n\r\n" not in got and (more := sock.recv(65_536)):
                got += more
            head, _, body = got.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            while len(body) < length and (more := sock.recv(65_536)):
                body += more
                got += more
        return got
