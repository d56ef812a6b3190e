"""A demo app as a process of its own, on a port that the system picks."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STARTING = "starting HTTP server on "
# A busy machine may take long to start an interpreter; a healthy one takes a quarter of a second.
START_S = 30.0


class DemoApp:
    """A running app: where it listens, what it prints, how it ends."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.address = self.line().removeprefix(STARTING)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def line(self) -> str:
        """Give the next line of its output."""
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(START_S), "the app says nothing"
        return self.process.stdout.readline().rstrip("\n")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and give the exit status."""
        self.process.send_signal(number)
        return self.process.wait(START_S)

    def connect(self) -> socket.socket:
        """Open a connection for raw bytes."""
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=START_S)


@contextlib.contextmanager
def demo_app(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[DemoApp]:
    """Run `python -m demo ARGUMENTS` with an environment of its own."""
    command = [sys.executable, "-m", "demo", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=dict(env or {})
    ) as process:
        try:
            yield DemoApp(process)
        finally:
            process.kill()


def read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one answer with a content-length, or without a body: its head and its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _some(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    length = int(fields.get(b"content-length", b"0"))
    while len(body) < length:
        body += _some(connection)
    assert len(body) == length, "more than one answer"
    return head, body


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def _some(connection: socket.socket) -> bytes:
    part = connection.recv(65_536)
    assert part, "the connection ended within an answer"
    return part
