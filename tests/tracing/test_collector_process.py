"""The real `weir collector`, as a process: starting, stopping, dying."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

_START_WITHIN_S = 30.0


class Process:
    """One collector; `start` returns once its ready file is there."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self._ready = folder / "ready.json"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def command(self, *more: str) -> list[str]:
        base = [sys.executable, "-m", "weir", "collector", "--state-dir", str(self.state)]
        return [*base, *more]

    def start(self, **env: str) -> None:
        self._ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            self.command("--http-port", "0", "--ready-file", str(self._ready)),
            env=os.environ | env,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _START_WITHIN_S
        while not self._ready.exists():
            assert self.process.poll() is None, "the collector ended"
            assert time.monotonic() < deadline, "no ready file"
            time.sleep(0.01)
        self.url = json.loads(self._ready.read_text())["collector"]

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(10)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False)


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Process]:
    started = Process(tmp_path)
    yield started
    if started.process is not None and started.process.poll() is None:
        started.end(signal.SIGKILL)


def spans(first: int, count: int) -> list[dict[str, object]]:
    return [
        {
            "traceId": f"{number:016x}",
            "id": f"{number:016x}",
            "name": "get",
            "timestamp": time.time_ns() // 1000,
            "duration": 5,
            "localEndpoint": {"serviceName": "web"},
        }
        for number in range(first, first + count)
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_signal_ends_it_cleanly_and_keeps_the_spans(
    collector: Process, number: int
) -> None:
    collector.start()
    answer = httpx.post(collector.url + "/api/v2/spans", json=spans(1, 10), trust_env=False)
    assert answer.status_code == 202
    assert collector.end(number) == 0
    collector.start()
    assert collector.get(f"/api/v2/trace/{7:016x}").json()[0]["name"] == "get"


def test_a_port_in_use_is_one_line_and_exit_1(collector: Process) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            collector.command("--http-port", port), capture_output=True, check=False, timeout=30
        )
    assert done.returncode == 1
    assert done.stderr.decode().strip().splitlines() == [
        f"weir collector: cannot listen on 127.0.0.1:{port}: Address already in use"
    ]
    assert not collector.state.exists()


def test_a_setting_that_cannot_be_read_is_one_line_and_exit_1(collector: Process) -> None:
    env = os.environ | {"COLLECTOR_SAMPLE_RATE": "often"}
    done = subprocess.run(
        collector.command(), env=env, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "COLLECTOR_SAMPLE_RATE" in done.stderr.decode()


class Senders:
    """Threads that send batches of 20 until they are told to stop or nobody answers."""

    def __init__(self, url: str, first: int) -> None:
        self.acknowledged: list[int] = []
        self.tried: list[int] = []
        self._stop = threading.Event()
        self._numbers: Callable[[], int] = iter(range(first, 1 << 60, 20)).__next__
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(url,)) for _ in range(4)]
        for thread in self._threads:
            thread.start()

    def _send(self, url: str) -> None:
        with httpx.Client(trust_env=False) as client:
            while not self._stop.is_set():
                with self._lock:
                    number = self._numbers()
                    self.tried.append(number)
                try:
                    answer = client.post(url + "/api/v2/spans", json=spans(number, 20))
                except httpx.HTTPError:
                    return
                if answer.status_code == 202:
                    self.acknowledged.append(number)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(30)


@pytest.mark.slow
def test_what_was_acknowledged_survives_being_killed(collector: Process) -> None:
    """Kill -9 under load, twenty times: the window in which an accepted span is lost is none."""
    acknowledged: list[int] = []
    tried: list[int] = []
    dice = random.Random(7)
    for _ in range(20):
        collector.start()
        senders = Senders(collector.url, 1 + 20 * len(tried))
        # How long it runs is the point of the test: it must be hit at any moment.
        time.sleep(dice.uniform(0.05, 0.4))
        collector.end(signal.SIGKILL)
        senders.stop()
        acknowledged += senders.acknowledged
        tried += senders.tried
    collector.start()
    ledger = collector.get("/ledger").json()["store"]
    assert 20 * len(acknowledged) <= ledger["stored"] <= 20 * len(tried)
    assert ledger["held"] == ledger["stored"] - ledger["evicted"]
    traces = collector.get("/api/v2/traces?limit=10000000").json()
    found = {int(trace[0]["traceId"], 16) for trace in traces}
    assert len(found) == ledger["stored"]
    kept = {number for first in acknowledged for number in range(first, first + 20)}
    assert kept <= found
    assert len(acknowledged) > 20
