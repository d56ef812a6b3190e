"""The real `weir collector`, as a process: starting, stopping, dying."""

import json
import os
import random
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from tests.kits.receivers import RECEIVERS, TAKEN
from tests.kits.running import until
from tests.kits.zipkin_bodies import scribe_log, thrift_span
from weir.commands.collector import collector as collector_command

if TYPE_CHECKING:
    from tracing.pipeline.collector import Collector


def asked(*options: str) -> Result:
    """What `weir collector` says in this process to options with which it does not run."""
    app = typer.Typer(rich_markup_mode=None)
    app.command()(collector_command)
    return CliRunner(env={"COLUMNS": "300"}).invoke(app, options)


class Process:
    """One collector; `start` returns once its ready file is there."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.said = folder / "stderr.txt"
        self._ready = folder / "ready.json"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.told: dict[str, Any] = {}

    def command(self, *more: str) -> list[str]:
        base = [sys.executable, "-m", "weir", "collector", "--state-dir", str(self.state)]
        return [*base, *more]

    def start(self, more: Sequence[str] = (), **env: str) -> None:
        self._ready.unlink(missing_ok=True)
        with self.said.open("wb") as stderr:
            self.process = subprocess.Popen(
                self.command("--http-port", "0", "--ready-file", str(self._ready), *more),
                env=os.environ | env,
                stderr=stderr,
            )

        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, "the collector ended"
            return self._ready.exists()

        until(ready)
        self.told = json.loads(self._ready.read_text())
        self.url = self.told["collector"]

    def end(self, number: int) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=60)


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
    assert done.stderr.decode() == (
        f"weir collector: cannot listen on 127.0.0.1:{port}: Address already in use;"
        " choose another port, or 0 for a free one\n"
    )
    assert not collector.state.exists()


def test_a_setting_that_cannot_be_read_is_one_line_and_exit_1(collector: Process) -> None:
    env = os.environ | {"COLLECTOR_SAMPLE_RATE": "often"}
    done = subprocess.run(
        collector.command(), env=env, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "COLLECTOR_SAMPLE_RATE" in done.stderr.decode()


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--http-port", "70000"], 2, "'--http-port'"),
        (["--scribe-port", "x"], 2, "'--scribe-port'"),
        (["--keep-days", "0"], 2, "'--keep-days'"),
        (["--keep-gib", "inf"], 2, "'--keep-gib'"),
        (["--prot", "1"], 2, "--prot"),
        (["--host", "no.such.host.invalid"], 1, "cannot listen on no.such.host.invalid:0"),
        (["--config", "absent.yml"], 2, "absent.yml: cannot be read"),
        (["--lens", "absent.jar"], 1, "absent.jar"),
        (["--ready-file", "absent/ready.json"], 1, "cannot write absent/ready.json"),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else None,
)
def test_a_wrong_option_is_told_in_words(
    tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    done = asked("--state-dir", str(tmp_path), "--http-port", "0", *options)
    assert done.exit_code == code, done.output
    assert said in done.stderr
    assert len(done.stderr.splitlines()) <= 4
    assert isinstance(done.exception, SystemExit)


def test_help_begins_with_examples() -> None:
    done = asked("--help")
    lines = [line.strip() for line in done.output.splitlines() if line.strip()]
    assert lines[2] == "weir collector --state-dir spans"
    assert lines.index("Options:") > 5


def test_the_ready_file_and_the_log_name_every_port_that_answers(
    collector: Process,
) -> None:
    ports = ("--scribe-port", "--otlp-port", "--otlp-grpc-port")
    collector.start(more=[word for option in ports for word in (option, "0")])
    told = collector.told
    assert httpx.get(told["collector"] + "/health", trust_env=False).json()["status"] == "UP"
    assert httpx.post(told["spans"], json=[], trust_env=False).status_code == 202
    assert httpx.post(told["otlp"], trust_env=False).status_code != 404
    assert told["otlp_grpc"].startswith("http://127.0.0.1:")
    with socket.create_connection(("127.0.0.1", told["scribe_port"]), 30):
        pass
    assert collector.process is not None
    assert told["pid"] == collector.process.pid
    collector.end(signal.SIGTERM)
    traces, *others = collector.said.read_text().splitlines()
    assert traces.startswith(f"weir collector: {told['collector']}/traces, ")
    assert others == [
        f"weir collector: scribe port {told['scribe_port']}",
        f"weir collector: otlp {told['otlp']}",
        f"weir collector: otlp grpc {told['otlp_grpc']}",
    ]


async def test_every_receiver_of_the_command_takes_a_message(collector: Process) -> None:
    """The command's event loop is not that of the other tests."""
    ports = ("--scribe-port", "--otlp-port", "--otlp-grpc-port")
    collector.start(more=[word for option in ports for word in (option, "0")])
    told = collector.told
    place = SimpleNamespace(
        url=told["collector"],
        scribe_port=told["scribe_port"],
        otlp_url=told["otlp"],
        otlp_grpc_url=told["otlp_grpc"],
    )
    for number, receiver in enumerate(RECEIVERS, 1):
        message = receiver.message([{"traceId": f"{number}", "id": "1", "name": "get"}])
        assert await receiver.send(cast("Collector", place), message, "") == TAKEN, receiver.name
        assert collector.get(f"/api/v2/trace/{number}").status_code == 200


def test_it_takes_no_more_connections_than_files_that_may_be_open(collector: Process) -> None:
    few = f"ulimit -n 328; exec {shlex.join(collector.command('--http-port', '0'))}"
    with subprocess.Popen(["/bin/sh", "-c", few], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.readline().decode()
        process.terminate()
        process.wait(60)
    assert said == (
        "weir collector: 50 connections a port at most, because 328 files may be open (ulimit -n)\n"
    )


def test_what_the_environment_asks_for_in_vain_is_told(collector: Process) -> None:
    env = os.environ | {"ES_HOSTS": "http://es:9200", "STORAGE_TYPE": "elasticsearch"}
    done = subprocess.run(
        collector.command("--http-port", "0"), env=env, capture_output=True, check=False, timeout=30
    )
    assert done.returncode == 1
    assert "to keep them in elasticsearch" in done.stderr.decode()


class Senders:
    """Threads that send batches of 20 until they are told to stop or nobody answers.

    Two of the four speak scribe where a port is given, as old senders do.
    """

    def __init__(self, url: str, first: int, scribe_port: int | None = None) -> None:
        self.acknowledged: list[int] = []
        self.tried: list[int] = []
        self.by_scribe = 0
        self._by_scribe = scribe_port is not None
        self._stop = threading.Event()
        self._numbers: Callable[[], int] = iter(range(first, 1 << 60, 20)).__next__
        self._lock = threading.Lock()
        by_http = (self._send_http, (url,))
        other = by_http if scribe_port is None else (self._send_scribe, (scribe_port,))
        self._threads = [
            threading.Thread(target=send, args=args) for send, args in (by_http, other) * 2
        ]
        for thread in self._threads:
            thread.start()

    def _send_http(self, url: str) -> None:
        with httpx.Client(trust_env=False) as client:

            def send(batch: list[dict[str, object]]) -> bool:
                return client.post(url + "/api/v2/spans", json=batch).status_code == 202

            self._send(send)

    def _send_scribe(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 30) as connection:

            def send(batch: list[dict[str, object]]) -> bool:
                call = scribe_log([thrift_span(one) for one in batch])
                connection.sendall(struct.pack(">i", len(call)) + call)
                reply = connection.recv(4_096)  # 27 bytes, which come at once
                if not reply:
                    raise ConnectionError
                self.by_scribe += 1
                return reply.endswith(b"\x08\0\0\0\0\0\0\0")

            self._send(send)

    def _send(self, send: Callable[[list[dict[str, object]]], bool]) -> None:
        while not self._stop.is_set():
            with self._lock:
                number = self._numbers()
                self.tried.append(number)
            try:
                if send(spans(number, 20)):
                    self.acknowledged.append(number)
            except (httpx.HTTPError, OSError):
                return

    def until(self, acknowledged: int) -> None:
        """Wait until so many batches were taken, and one of them by scribe where that is spoken."""
        until(
            lambda: (
                len(self.acknowledged) >= acknowledged
                and (not self._by_scribe or 0 < self.by_scribe < len(self.acknowledged))
            )
        )

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
        senders.until(dice.randint(2, 60))
        time.sleep(dice.uniform(0.0, 0.02))
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
