"""One program under one load: CPU, requests a second, latency, memory."""

from __future__ import annotations

import math
import re
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench._peers.place import HOST

if TYPE_CHECKING:
    from pathlib import Path

    from bench._peers.process import Program
    from bench._shapes import Shape

PROXY_CPU, LOAD_CPU = 0, 1
STREAM_MIB: Final = 1_024
_SETTLE_S_MAX: Final = 5.0
_LOOK_S: Final = 0.05
STREAM: Final = "1 GiB streamed, by the MiB"


@dataclass(frozen=True, slots=True)
class Figure:
    """One program under one load."""

    name: str
    load: str
    cpu_us: float  # of the proxy, a request
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    memory_mib: float
    errors: int


def measure(program: Program, shape: Shape, folder: Path, seconds: int) -> Figure:
    """Run wrk against one program."""
    script = folder / "load.lua"
    script.write_text(shape.script())
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{shape.connections}"]
    command += [f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", str(script)]
    _settle(program)
    before = program.cpu_s()
    scheme = "https" if shape.tls else "http"
    done = subprocess.run(
        [*command, f"{scheme}://127.0.0.1:{program.port}/"],
        check=True,
        capture_output=True,
        text=True,
    )
    spent = program.cpu_s() - before
    text = done.stdout
    requests = int(_found(r"(\d+) requests in", text))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    socket_errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    errors = int(bad.group(1)) if bad else 0
    if socket_errors is not None:
        connect, read, write, timeout = map(int, socket_errors.groups())
        # wrk counts each TLS connection that ends as announced as a failed read.
        errors += connect + write + timeout + (0 if shape.close and shape.tls else read)
    return Figure(
        program.name,
        shape.title,
        spent / requests * 1e6 if requests else math.nan,
        float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        _ms(_found(r"(?m)^\s+50%\s+(\S+)", text)),
        _ms(_found(r"(?m)^\s+99%\s+(\S+)", text)),
        program.memory_mib(),
        errors or int(not requests),
    )


def _settle(program: Program) -> None:
    """Wait until it has done with what the last load left it."""
    deadline = time.monotonic() + _SETTLE_S_MAX
    before = program.cpu_s()
    while time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        now = program.cpu_s()
        if now - before < _LOOK_S / 10:
            return
        before = now


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk said something else: {text}")
    return found.group(1)


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0}[unit]


def stream(program: Program) -> Figure:
    """One GiB through a program: CPU per MiB, MiB/s, and memory when it is over."""
    command = ["taskset", "-c", str(LOAD_CPU), "curl", "-sS", "-o", "/dev/null"]
    command += ["-w", "%{time_total} %{size_download}", "-H", f"Host: {HOST}"]
    before = program.cpu_s()
    url = f"http://127.0.0.1:{program.port}/1g"
    done = subprocess.run([*command, url], check=True, capture_output=True, text=True)
    seconds, size = map(float, done.stdout.split())
    mib = size / 2**20
    return Figure(
        program.name,
        STREAM,
        (program.cpu_s() - before) / mib * 1e6,
        mib / seconds,
        0.0,
        0.0,
        program.memory_mib(),
        int(mib) != STREAM_MIB,
    )


def median(figures: list[Figure]) -> Figure:
    """Each number's median over the rounds."""
    first = figures[0]
    told = [one for one in figures if not math.isnan(one.cpu_us)] or figures  # that answered
    numbers = {
        key: statistics.median(getattr(one, key) for one in told)
        for key in ("cpu_us", "requests_per_s", "p50_ms", "p99_ms", "memory_mib")
    }
    return Figure(first.name, first.load, **numbers, errors=sum(one.errors for one in figures))
