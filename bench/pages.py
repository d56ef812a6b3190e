"""What the pages of a large trace cost the collector, and how long senders wait meanwhile.

Three traces of 100,000 spans are asked for in turns, so that none is still in memory from the last
time; one is wide (three calls below each), one a chain of 50,000 calls within each other.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import httpx

from bench.collector import Bodies, cpu_s, free_port, wait_ready

_BATCH: Final = 1_000
_CPU_S_MAX: Final = 1.0
_WAIT_MS_MAX: Final = 50.0
_PAGES: Final = {
    "its page": "/traces/{a}",
    "found in it": "/traces/{a}?find=step+49",
    "its errors": "/traces/{a}?errors=1",
    "why its way": "/traces/{a}/why",
    "beside another": "/compare?a={a}&b={b}",
    "what changed": "/compare?a={a}&b={b}&changed=1",
    "its JSON": "/api/v2/trace/{a}",
}
# Reads without unpacking: the other core is the senders'.
_LOOK: Final = """
import itertools, sys, urllib.request
for place in itertools.cycle(sys.argv[1:]):
    asked = urllib.request.Request(place, headers={"accept-encoding": "gzip"})
    urllib.request.urlopen(asked).read()
"""


def spans_of(trace: int, count: int, *, chain: bool) -> Iterator[dict[str, object]]:
    """The spans of one trace."""
    now_us = time.time_ns() // 1000
    for number in range(count):
        parent = number if chain else (number - 1) // 3 + 1
        start_us = now_us + number * 3
        yield {
            "traceId": f"{trace:016x}",
            "id": f"{number + 1:016x}",
            "parentId": f"{parent if number else 0:016x}",
            "name": f"step {number % 50}",
            "kind": "CLIENT" if number % 2 else "SERVER",
            "timestamp": start_us,
            "duration": (count - number) * 4 if chain else 1_000 + number % 700,
            "localEndpoint": {"serviceName": f"service-{number % 5}", "ipv4": "10.0.0.1"},
            "tags": {"http.path": f"/things/{number}", "http.status_code": "200"}
            | ({"error": "late"} if number % 1_000 == 7 else {}),
        }


async def send(client: httpx.AsyncClient, spans: Sequence[dict[str, object]]) -> None:
    """In batches."""
    for start in range(0, len(spans), _BATCH):
        body = json.dumps(spans[start : start + _BATCH])
        answer = await client.post(
            "/api/v2/spans", content=body, headers={"content-type": "application/json"}
        )
        answer.raise_for_status()


async def cost(client: httpx.AsyncClient, pid: int, place: str, ids: list[str], n: int) -> float:
    """Seconds of CPU, the median of n."""
    taken = []
    for number in range(n):
        a, b = ids[number % len(ids)], ids[(number + 1) % len(ids)]
        before = cpu_s(pid)
        answer = await client.get(place.format(a=a, b=b))
        answer.raise_for_status()
        taken.append(cpu_s(pid) - before)
    return statistics.median(taken)


async def waits(client: httpx.AsyncClient, seconds: float) -> list[float]:
    """Milliseconds that each of some 50 senders a second waited."""
    bodies = Bodies(100)
    taken = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        body = bodies.make().partition(b"\r\n\r\n")[2]
        began = time.perf_counter()
        answer = await client.post(
            "/api/v2/spans", content=body, headers={"content-type": "application/json"}
        )
        taken.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
        await asyncio.sleep(0.02)
    return sorted(taken)


async def measure(url: str, pid: int, count: int, seconds: float) -> bool:
    """Whether every goal was met."""
    good = True
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
        quiet = await waits(client, seconds)
        print(f"an append, nobody looking {'':<18} {_shown(quiet)}")
        for chain in (False, True):
            first = 0x1000 if chain else 0xA000
            for trace in range(first, first + 3):
                await send(client, list(spans_of(trace, count, chain=chain)))
            ids = [f"{trace:x}" for trace in range(first, first + 3)]
            # At once: after half a minute the collector sums up who called whom, behind all else.
            used = {name: await cost(client, pid, path, ids, 3) for name, path in _PAGES.items()}
            for name, path in _PAGES.items():
                waited = await _while_looking(client, path, ids, seconds)
                at_99 = waited[int(len(waited) * 0.99)]
                good &= used[name] <= _CPU_S_MAX and at_99 <= _WAIT_MS_MAX
                shape = "a chain" if chain else "wide"
                print(
                    f"{shape:<8} {name:<15} {used[name]:>5.2f} s of CPU; an append {_shown(waited)}"
                )
    return good


async def _while_looking(
    client: httpx.AsyncClient, path: str, ids: list[str], seconds: float
) -> list[float]:
    """The waits of senders while another process asks again and again."""
    pairs = zip(ids, ids[1:] + ids[:1], strict=True)
    places = [str(client.base_url.join(path.format(a=a, b=b))) for a, b in pairs]
    looking = await asyncio.create_subprocess_exec(sys.executable, "-c", _LOOK, *places)
    try:
        return await waits(client, seconds)
    finally:
        looking.kill()
        await looking.wait()


def _shown(taken: list[float]) -> str:
    at = {part: taken[int(len(taken) * part / 100)] for part in (50, 90, 99)}
    return ", ".join(f"{at[part]:.1f} ms ({part} of 100)" for part in at)


def main(argv: list[str]) -> int:
    """Print a line a page; 1 if a goal was missed."""
    parser = argparse.ArgumentParser("pages", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="traces of 2,000 spans")
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args(argv)
    count, seconds = (2_000, 0.2) if options.brief else (options.spans, options.seconds)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        command = [sys.executable, "-m", "weir", "collector", "--state-dir", str(Path(folder))]
        process = subprocess.Popen([*command, "--http-port", str(port)], stderr=subprocess.DEVNULL)
        try:
            wait_ready(process, port)
            good = asyncio.run(measure(f"http://127.0.0.1:{port}", process.pid, count, seconds))
        finally:
            process.terminate()
            process.wait()
    return 0 if good else 1
