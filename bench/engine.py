"""CPU per request of the gateway beside nginx and other proxies, in one run, interleaved.

The proxy has one CPU, the load generator (wrk) and the upstream share the other. CPU time is the
kernel's own account of the proxy's processes; absolute figures drift on shared machines, so every
figure stands beside nginx's of the same round.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench._peers.programs import PEERS, envoy_zipkin, nginx_upstream, weir_traced
from bench._plot import bars
from bench._shapes import SHAPES, Shape

if TYPE_CHECKING:
    from bench._peers.process import Program

PROXY_CPU, LOAD_CPU = 0, 1
STREAM_MIB = 1_024


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


def measure(program: Program, shape: Shape, folder: Path, seconds: float) -> Figure:
    """Run wrk against one program."""
    script = folder / "load.lua"
    script.write_text(shape.script())
    command = ["taskset", "-c", str(LOAD_CPU), "wrk", "-t1", f"-c{shape.connections}"]
    command += [f"-d{seconds:g}s", "--latency", "--timeout", "10s", "-s", str(script)]
    before = program.cpu_s()
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{program.port}/"],
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
    errors += sum(map(int, socket_errors.groups())) if socket_errors else 0
    return Figure(
        program.name,
        shape.title,
        spent / max(requests, 1) * 1e6,
        float(_found(r"Requests/sec:\s+([\d.]+)", text)),
        _ms(_found(r"(?m)^\s+50%\s+(\S+)", text)),
        _ms(_found(r"(?m)^\s+99%\s+(\S+)", text)),
        program.memory_mib(),
        errors,
    )


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError(f"wrk said something else: {text}")
    return found.group(1)


def _ms(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1_000.0}[unit]


def median(figures: list[Figure]) -> Figure:
    """Each number's median over the rounds."""
    first = figures[0]
    numbers = {
        key: statistics.median(getattr(one, key) for one in figures)
        for key in ("cpu_us", "requests_per_s", "p50_ms", "p99_ms", "memory_mib")
    }
    return Figure(first.name, first.load, **numbers, errors=sum(one.errors for one in figures))


def run(arguments: argparse.Namespace) -> list[Figure]:
    """All programs under all loads, interleaved round by round."""
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker drops privileges and reads files here
        programs: list[Program] = []
        upstream = nginx_upstream(folder, LOAD_CPU)
        sink = _sink(folder)
        try:
            for peer in arguments.only or PEERS:
                started = PEERS[peer](folder, upstream.port, PROXY_CPU)
                if started is None:
                    sys.stderr.write(f"{peer}: not on this machine, left out\n")
                else:
                    programs.append(started)
            if arguments.traced:
                programs.append(weir_traced(folder, upstream.port, PROXY_CPU, sink.port))
                traced = envoy_zipkin(folder, upstream.port, PROXY_CPU, sink.port)
                programs += [traced] if traced is not None else []
            figures = _rounds(programs, arguments, folder)
            if arguments.stream:
                figures += stream(programs, arguments.rounds)
            return figures
        finally:
            for program in [*programs, upstream, sink]:
                program.stop()


def _sink(folder: Path) -> Program:
    """Where spans of traced programs go: an nginx that takes and forgets them."""
    from bench._peers.process import free_port, start  # noqa: PLC0415
    from bench._peers.programs import _nginx  # noqa: PLC0415

    port = free_port()
    config = folder / "sink.conf"
    http = f"""
  client_max_body_size 0;
  server {{ listen 127.0.0.1:{port}; location / {{ return 202; }} }}"""
    config.write_text(_nginx(folder, http))
    return start("sink", ["nginx", "-c", str(config)], port, LOAD_CPU, folder / "sink.log")


def stream(programs: list[Program], rounds: int) -> list[Figure]:
    """One GiB through each program: CPU per MiB, MiB/s, and memory when it is over."""
    figures: dict[str, list[Figure]] = {}
    for _ in range(rounds):
        for program in programs:
            command = ["taskset", "-c", str(LOAD_CPU), "curl", "-sS", "-o", "/dev/null"]
            command += ["-w", "%{time_total} %{size_download}", "-H", "Host: www.hello.world"]
            before = program.cpu_s()
            url = f"http://127.0.0.1:{program.port}/1g"
            done = subprocess.run([*command, url], check=True, capture_output=True, text=True)
            seconds, size = map(float, done.stdout.split())
            spent, mib = program.cpu_s() - before, size / 2**20
            figure = Figure(
                program.name,
                "1 GiB streamed, by the MiB",
                spent / mib * 1e6,
                mib / seconds,
                0.0,
                0.0,
                program.memory_mib(),
                int(mib) != STREAM_MIB,
            )
            figures.setdefault(program.name, []).append(figure)
    return [median(each) for each in figures.values()]


def _rounds(programs: list[Program], arguments: argparse.Namespace, folder: Path) -> list[Figure]:
    figures: dict[tuple[str, str], list[Figure]] = {}
    for program in programs:
        measure(program, Shape("warm-up"), folder, min(arguments.seconds, 2.0))
    for round_number in range(arguments.rounds):
        sys.stderr.write(f"round {round_number + 1} of {arguments.rounds}\n")
        for name in arguments.shapes:
            for program in programs:
                figure = measure(program, SHAPES[name], folder, arguments.seconds)
                figures.setdefault((figure.load, program.name), []).append(figure)
    return [median(rounds) for rounds in figures.values()]


_COLUMNS = (
    ("", 14),
    ("CPU µs/req", 12),
    ("ratio", 8),
    ("req/s", 10),
    ("p50 ms", 9),
    ("p99 ms", 9),
    ("MiB", 8),
    ("errors", 8),
)


def show(figures: list[Figure]) -> str:
    """A table with ratios to nginx, load by load."""
    lines = []
    for load in dict.fromkeys(one.load for one in figures):
        rows = [one for one in figures if one.load == load]
        base = next((one for one in rows if one.name == "nginx"), rows[0])
        lines += [
            f"\n{load} (ratios to {base.name})",
            "".join(f"{title:>{width}}" for title, width in _COLUMNS),
        ]
        lines += [
            f"{one.name:14}{one.cpu_us:12.1f}{one.cpu_us / base.cpu_us:8.2f}"
            f"{one.requests_per_s:10.0f}{one.p50_ms:9.2f}{one.p99_ms:9.2f}{one.memory_mib:8.0f}{one.errors:8d}"
            for one in rows
        ]
    return "\n".join(lines)


def main(argv: list[str]) -> int:
    """0 when every program answered every request."""
    parser = argparse.ArgumentParser(prog="python -m bench engine", description=__doc__)
    parser.add_argument(
        "--brief", action="store_true", help="once, for a moment: does it still run?"
    )
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=["1k"])
    parser.add_argument("--all", action="store_true", help="every shape, and 1 GiB streamed")
    parser.add_argument("--stream", action="store_true", help="1 GiB streamed as well")
    parser.add_argument("--plot", type=Path, help="write the CPU figures as an SVG picture")
    parser.add_argument("--only", nargs="+", choices=list(PEERS))
    parser.add_argument("--traced", action="store_true", help="with tracing at 100 % as well")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.all:
        arguments.shapes, arguments.stream = list(SHAPES), True
    if arguments.brief:
        arguments.seconds, arguments.rounds = 1.0, 1
    for tool in ("wrk", "nginx", "taskset"):
        if shutil.which(tool) is None:
            sys.stderr.write(f"{tool} is needed and not on this machine: apt-get install {tool}\n")
            return 1
    figures = run(arguments)
    if arguments.plot is not None:
        groups: dict[str, dict[str, float]] = {}
        for one in figures:
            groups.setdefault(one.load, {})[one.name] = one.cpu_us
        arguments.plot.write_text(bars("CPU of the proxy, a request", groups, "µs"))
    if arguments.json:
        sys.stdout.write(json.dumps([asdict(one) for one in figures], indent=2) + "\n")
    else:
        sys.stdout.write(show(figures) + "\n")
    return 1 if any(one.errors for one in figures if one.name.startswith("weir")) else 0
