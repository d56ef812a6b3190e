"""What does a span cost a collector? Ours beside a real Zipkin server, the same bytes to both.

Traces of 8 spans (4 calls, both sides), 6 tags each, batches of 100 in v2 JSON, every trace id
new, 2 connections. Ours keeps them durably on disk, the real server in memory.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tracing.pipeline.decode.protobuf import write_field

ROUND_US: Final = 100_000
_TICK_S: Final = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_ZIPKIN: Final = Path.home() / ".m2/repository/io/zipkin/zipkin-server/3.6.1"


@dataclass(frozen=True, slots=True)
class Result:
    """One server's figures. Units: spans and seconds of its process, resident MiB."""

    name: str
    spans: int
    wall_s: float
    cpu_s: float
    resident_mib: float
    ready_s: float

    def show(self) -> str:
        """One line."""
        return (
            f"{self.name:<28} {self.spans / self.wall_s:>9.0f} spans/s"
            f" {self.cpu_s / self.spans * 1e6:>7.2f} us CPU a span"
            f" {self.spans / self.cpu_s:>9.0f} spans a CPU second"
            f" {self.resident_mib:>6.0f} MiB, ready in {self.ready_s:.2f} s"
        )


class Bodies:
    """Ready requests whose ids are filled in anew for each."""

    def __init__(self, spans: int) -> None:
        # A round number, so that a store's bench can move all spans of a body at once.
        now_us = time.time_ns() // 1000 // ROUND_US * ROUND_US
        self.prefix = b'"timestamp":%d' % (now_us // ROUND_US)
        texts = [self._span(number, now_us) for number in range(spans)]
        self._parts = ("[" + ",".join(texts) + "]").encode().split(b"@")
        self.spans = spans
        self._traces = -(-spans // 8)

    @staticmethod
    def _span(number: int, now_us: int) -> str:
        call, server = divmod(number % 8, 2)
        here, there = f"service-{call}", f"service-{call + 1}"
        span = {
            "traceId": "@",
            "parentId": "@",
            "id": "@",
            "kind": "SERVER" if server else "CLIENT",
            "name": f"get /things/{call}",
            "timestamp": now_us + number * 100,
            "duration": 20_000 - call * 1_000,
            "localEndpoint": {"serviceName": there if server else here, "ipv4": "10.1.2.3"},
            "remoteEndpoint": {"serviceName": here if server else there, "ipv4": "10.1.2.4"},
            "tags": {
                "http.method": "GET",
                "http.path": f"/things/{call}/{number}",
                "http.status_code": "200",
                "region": "eu-central-1",
                "instance": f"{there}-7c9f-{number % 3}",
                "version": "1.24.3",
            },
        }
        return json.dumps(span, separators=(",", ":"))

    def make(self) -> bytes:
        """One request, its ids new."""
        ids = secrets.token_hex(8 * (self._traces + 2 * self.spans))
        at = self._traces * 16
        out = [self._parts[0]]
        for number in range(self.spans):
            trace = number // 8 * 16
            out += (ids[trace : trace + 16].encode(), self._parts[number * 3 + 1])
            out += (ids[at : at + 16].encode(), self._parts[number * 3 + 2])
            out += (ids[at + 16 : at + 32].encode(), self._parts[number * 3 + 3])
            at += 32
        body = b"".join(out)
        head = (
            "POST /api/v2/spans HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class OtlpBodies:
    """The same spans as OTLP in protobuf; some requests made once, because writing costs more."""

    _MADE: Final = 50

    def __init__(self, spans: int) -> None:
        self.spans = spans
        bodies = Bodies(spans)
        self._made = [self._request(bodies) for _ in range(self._MADE)]
        self._next = 0

    def make(self) -> bytes:
        """One request."""
        self._next = (self._next + 1) % self._MADE
        return self._made[self._next]

    @staticmethod
    def _request(bodies: Bodies) -> bytes:
        spans = json.loads(bodies.make().partition(b"\r\n\r\n")[2])
        resources = b""
        for service in sorted({span["localEndpoint"]["serviceName"] for span in spans}):
            named = write_field(1, _attribute("service.name", service))
            told = b"".join(
                write_field(2, _otlp_span(span))
                for span in spans
                if span["localEndpoint"]["serviceName"] == service
            )
            resources += write_field(1, write_field(1, named) + write_field(2, told))
        head = (
            "POST /v1/traces HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-protobuf\r\n"
            f"Content-Length: {len(resources)}\r\n\r\n"
        )
        return head.encode() + resources


def _attribute(key: str, value: str) -> bytes:
    return write_field(1, key.encode()) + write_field(2, write_field(1, value.encode()))


def _otlp_span(span: dict[str, Any]) -> bytes:
    start_ns: int = span["timestamp"] * 1000
    end_ns: int = start_ns + span["duration"] * 1000
    remote = span["remoteEndpoint"]["serviceName"]
    return (
        write_field(1, bytes.fromhex(span["traceId"].rjust(32, "0")))
        + write_field(2, bytes.fromhex(span["id"]))
        + write_field(4, bytes.fromhex(span["parentId"]))
        + write_field(5, span["name"].encode())
        + write_field(6, 2 if span["kind"] == "SERVER" else 3)
        + b"\x39"
        + start_ns.to_bytes(8, "little")
        + b"\x41"
        + end_ns.to_bytes(8, "little")
        + b"".join(write_field(9, _attribute(*tag)) for tag in span["tags"].items())
        + write_field(9, _attribute("peer.service", remote))
    )


def cpu_s(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def resident_mib(pid: int) -> float:
    """Resident set of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / 2**20


async def _send(port: int, bodies: Bodies | OtlpBodies, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    while time.monotonic() < until:
        writer.write(bodies.make())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith((b"HTTP/1.1 202", b"HTTP/1.1 200")):
            raise RuntimeError(answer.decode())
        sent += bodies.spans
    writer.close()
    return sent


async def _load(port: int, bodies: Bodies | OtlpBodies, seconds: float) -> int:
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*(_send(port, bodies, until) for _ in range(2))))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_ready(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 180  # a JVM on a machine that has more to do
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.01)
    raise RuntimeError("the server did not become ready")


def measure(
    name: str,
    command: list[str],
    port: int,
    bodies: Bodies | OtlpBodies,
    seconds: float,
    otlp_port: int | None = None,
) -> Result:
    """Start a server, warm it up, load it; OTLP goes to a port of its own."""
    into = otlp_port or port
    env = os.environ | {"QUERY_PORT": str(port)}
    began = time.monotonic()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_ready(process, port)
        ready_s = time.monotonic() - began
        asyncio.run(_load(into, bodies, seconds / 2))
        before, start = cpu_s(process.pid), time.monotonic()
        spans = asyncio.run(_load(into, bodies, seconds))
        wall_s = time.monotonic() - start
        used = cpu_s(process.pid) - before
        return Result(name, spans, wall_s, used, resident_mib(process.pid), ready_s)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def zipkin_command() -> list[str] | None:
    """The real server, where its jar and a Java are at hand."""
    jars = sorted(_ZIPKIN.glob("*-exec.jar")) or sorted(_ZIPKIN.glob("*.jar"))
    if not jars or shutil.which("java") is None:
        return None
    return ["java", "-Xmx2500m", "-jar", str(jars[0])]


def main(argv: list[str]) -> int:
    """Print a line a server."""
    parser = argparse.ArgumentParser("collector", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="a few seconds a server")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--otlp", action="store_true", help="OTLP in protobuf, to ours")
    parser.add_argument("--config", help="a collector.yml for ours, such as one with a tail")
    options = parser.parse_args(argv)
    seconds = 4.0 if options.brief else options.seconds
    results = []
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        port = free_port()
        ours = [sys.executable, "-m", "weir", "collector", "--state-dir", folder]
        if options.config is not None:
            ours += ["--config", options.config]
        bodies = Bodies(options.batch)
        if options.otlp:
            otlp_port = free_port()
            ours += ["--otlp-port", str(otlp_port)]
            otlp = OtlpBodies(options.batch)
            results.append(measure("weir, OTLP", ours, port, otlp, seconds, otlp_port))
        else:
            results.append(measure("weir collector, durable", ours, port, bodies, seconds))
    alone = options.ours_only or options.otlp
    theirs = None if alone else zipkin_command()
    if theirs is not None:
        results.append(measure("zipkin 3.6.1, in memory", theirs, free_port(), bodies, seconds))
    elif not alone:
        print("no Zipkin jar or no Java here: ours alone")
    for result in results:
        print(result.show())
    if len(results) == 2:
        ours_cpu, theirs_cpu = (result.cpu_s / result.spans for result in results)
        print(f"spans per CPU second: {theirs_cpu / ours_cpu:.2f} x the real server's")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
