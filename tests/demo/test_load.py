from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.kits.demo_app import DemoApp, demo_app
from tests.kits.running import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def echo() -> Iterator[DemoApp]:
    with demo_app("echo", "-addr=127.0.0.1:0") as app:
        yield app


def load(*flags: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "demo", "load", "-json", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=env or {})
    assert ended.stderr == ""
    said: dict[str, Any] = json.loads(ended.stdout)
    assert said["requests"] == sum(said["status"].values()) + sum(said["errors"].values())
    return ended.returncode, said


def test_a_rate_is_kept_and_every_status_counted(echo: DemoApp) -> None:
    status, said = load(f"-url={echo.url}/?status=503", "-rate=100", "-duration=2s")
    assert (status, said["errors"]) == (0, {})
    assert list(said["status"]) == ["503"]
    assert 150 <= said["requests"] <= 201  # fewer where the machine stalled at the end
    quantiles = said["latency_ms"]
    assert 0 < quantiles["p50"] <= quantiles["p95"] <= quantiles["p99"] <= quantiles["max"]


def test_without_a_rate_connections_are_kept_busy(echo: DemoApp) -> None:
    status, said = load(f"-url={echo.url}/?delay=10ms", "-concurrency=4", "-duration=500ms")
    assert (status, list(said["status"])) == (0, ["200"])
    assert 4 <= said["requests"] <= 200
    assert said["latency_ms"]["p50"] >= 10


def test_a_stall_of_the_server_is_not_hidden_by_the_rate(echo: DemoApp) -> None:
    _, said = load(f"-url={echo.url}/?delay=100ms", "-rate=50", "-concurrency=1", "-duration=1s")
    # Ten a second are answered of fifty that are due, so the later ones wait ever longer.
    assert said["latency_ms"]["max"] > 400


def test_refused_connections_and_timeouts_are_errors(echo: DemoApp) -> None:
    url = f"-url=http://127.0.0.1:{free_port()}"
    status, said = load(url, "-duration=200ms", "-concurrency=1")
    assert (status, list(said["errors"])) == (1, ["connection refused"])
    flags = ("-duration=100ms", "-timeout=1s", "-concurrency=1")
    status, said = load(f"-url={echo.url}/?delay=2s", *flags)
    assert (status, list(said["errors"])) == (1, ["timeout"])


def test_a_host_is_sent_and_a_proxy_gets_the_absolute_form() -> None:
    with socket.create_server(("127.0.0.1", 0)) as router:
        address = f"127.0.0.1:{router.getsockname()[1]}"
        command = [sys.executable, "-m", "demo", "load", "-url=http://hello/x", "-host=www"]
        flags = ["-duration=50ms", "-concurrency=1", "-rate=1"]
        with subprocess.Popen(
            [*command, *flags], stdout=subprocess.PIPE, env={"http_proxy": address}
        ) as generator:
            connection, _ = router.accept()
            with connection:
                asked = connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
            assert generator.stdout is not None
            summary = generator.stdout.read().decode()
    assert asked.startswith(b"GET http://hello/x HTTP/1.1\r\nHost: www\r\n")
    assert "status    200: 1\n" in summary
    assert generator.returncode == 0


def test_a_terminal_sees_a_line_and_a_pipe_only_the_summary(echo: DemoApp) -> None:
    leader, follower = os.openpty()
    command = [sys.executable, "-m", "demo", "load", f"-url={echo.url}", "-rate=50", "-duration=1s"]
    env = {"TERM": "xterm", "COLUMNS": "100"}
    ended = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=follower, text=True, check=True, env=env
    )
    os.close(follower)
    shown = os.read(leader, 65_536).decode()
    os.close(leader)
    assert "requests" in shown
    assert ended.stdout.startswith("requests  ")
    assert "\x1b" not in ended.stdout
