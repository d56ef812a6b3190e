"""What a full store costs to ask, and whether its searches hold up the ingest.

Traces of 8 spans as in `collector`, spread over an hour, in blocks of 100 spans. Every answer is
timed from outside the store, in the process that also writes.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from bench.collector import ROUND_US, Bodies
from tracing.pipeline.collector import SWITCH_S
from tracing.pipeline.decode.formats import decode_v2_json
from tracing.pipeline.search import TraceQuery, read_terms
from tracing.pipeline.store.port import StoreError
from tracing.pipeline.store.sqlite import SqliteStore

_BATCH: Final = 100
_AT_ONCE: Final = 64
_HOUR_US: Final = 3_600_000_000
# What is promised of 10 million spans, in milliseconds.
_GOALS_MS: Final = {"a trace by its id": 10.0, "the longest wait of an append": 50.0}
_SEARCH_MS: Final = 300.0

_SEARCHES: Final[dict[str, dict[str, object]]] = {
    "service": {"service": "service-2"},
    "service and span name": {"service": "service-2", "span_name": "get /things/1"},
    "a common tag": {"terms": read_terms("http.status_code=200")},
    "a tag with two terms": {"terms": read_terms("region=eu-central-1 and http.path=/things/1/2")},
    "duration": {"service": "service-3", "duration_min": 17_500, "duration_max": 18_500},
    "a rare tag": {"terms": read_terms("needle=7")},
    "a tag that nobody has": {"terms": read_terms("nobody=has this")},
    "a duration that nobody has": {"duration_min": 60_000_000},
    "a service that nobody is": {"service": "nobody"},
}


class Filling:
    """Batches whose times go through the hour, every thousandth with a rare tag."""

    def __init__(self, spans: int, now_us: int) -> None:
        self._bodies = Bodies(_BATCH)
        self._step_us = _HOUR_US * _BATCH // max(spans, _BATCH)
        self._at_us = now_us - _HOUR_US
        self.traces: list[str] = []
        self._count = 0

    def next(self) -> bytes:
        """One body."""
        body = self._bodies.make().partition(b"\r\n\r\n")[2]
        spans = json.loads(body) if self._count % 500 == 0 else None
        prefix = b'"timestamp":%d' % (self._at_us // ROUND_US)
        body = body.replace(self._bodies.prefix, prefix)
        if spans is not None:
            self.traces.append(spans[0]["traceId"])
            if self._count % 1000 == 0:
                body = body.replace(b'"region"', b'"needle":"7","region"', 1)
        self._count += 1
        self._at_us += self._step_us
        return body


async def fill(store: SqliteStore, filling: Filling, spans: int) -> float:
    """Seconds that it took."""
    began = time.perf_counter()
    for _ in range(0, spans, _BATCH * _AT_ONCE):
        bodies = [decode_v2_json(filling.next()) for _ in range(_AT_ONCE)]
        await asyncio.gather(*map(store.append, bodies))
    await store.services()
    return time.perf_counter() - began


async def timed(ask: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Milliseconds of each."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)


async def appending(store: SqliteStore, filling: Filling, seconds: float) -> list[float]:
    """Milliseconds of each append, 100 a second: how long senders wait, not how much goes in."""
    taken = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        batch = decode_v2_json(filling.next())
        began = time.perf_counter()
        await store.append(batch)
        taken.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.01)
    return sorted(taken)


def show(what: str, taken: list[float], goal: float | None) -> bool:
    """One line; whether the goal was met by nine of ten."""
    nine = taken[int(len(taken) * 0.9)]
    verdict = "" if goal is None else f"  (at most {goal:g}: {'met' if nine <= goal else 'MISSED'})"
    print(
        f"{what:<44} {statistics.median(taken):>8.1f} ms median"
        f" {nine:>8.1f} of ten nine {taken[-1]:>8.1f} longest{verdict}"
    )
    return goal is None or nine <= goal


def query(now_ms: int, **conditions: object) -> TraceQuery:
    return TraceQuery(end_ms=now_ms, lookback_ms=3_600_000, **conditions)  # type: ignore[arg-type]


async def measure(path: Path, spans: int, times: int) -> bool:
    """Whether every goal was met."""
    now_us = time.time_ns() // 1000
    now_ms = now_us // 1000
    filling = Filling(spans, now_us)
    store = SqliteStore(path)
    took = await fill(store, filling, spans)
    size = sum(one.stat().st_size for one in path.parent.rglob("*")) / 2**30
    print(f"{spans} spans in {took:.0f} s, {size:.2f} GiB")
    dice = random.Random(1)
    good = True
    taken = await timed(lambda: store.trace(dice.choice(filling.traces)), times * 5)
    good &= show("a trace by its id", taken, _GOALS_MS["a trace by its id"])
    for name, conditions in _SEARCHES.items():
        wanted = query(now_ms, **conditions)
        taken = await timed(lambda wanted=wanted: store.search(wanted), times)  # type: ignore[misc]
        good &= show(f"search: {name}", taken, _SEARCH_MS)
    good &= await contention(store, filling, now_ms, 2.0 + times / 5)
    began = time.perf_counter()
    while await store.sum_links(1 << 60):
        pass
    print(f"links summed at {(time.perf_counter() - began) / spans * 1e6:.1f} us a span")
    try:
        show(
            "dependencies of the hour",
            await timed(lambda: store.dependencies(now_ms, 3_600_000), 3),
            None,
        )
    except StoreError as error:
        print(f"dependencies of the hour: {error}")
    await store.aclose()
    return good


async def contention(store: SqliteStore, filling: Filling, now_ms: int, seconds: float) -> bool:
    """Appends alone, then while two searches run all the time."""
    show("an append, nobody searching", await appending(store, filling, seconds), None)
    stop = asyncio.Event()

    async def search_on(number: int) -> None:
        names = list(_SEARCHES)
        while not stop.is_set():
            number += 1
            await store.search(query(now_ms, **_SEARCHES[names[number % len(names)]]))

    async with asyncio.TaskGroup() as group:
        for number in range(2):
            group.create_task(search_on(number))
        taken = await appending(store, filling, seconds)
        stop.set()
    return show("an append while two search", taken, _GOALS_MS["the longest wait of an append"])


def main(argv: list[str]) -> int:
    """Print a line a question; 1 if a goal was missed."""
    parser = argparse.ArgumentParser("store", description=__doc__)
    parser.add_argument("--brief", action="store_true", help="20,000 spans, a few seconds")
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="where the store is made, else a temporary one")
    options = parser.parse_args(argv)
    spans, times = (20_000, 3) if options.brief else (options.spans, 20)
    sys.setswitchinterval(SWITCH_S)
    with tempfile.TemporaryDirectory(prefix="weir-bench-", dir=options.folder) as folder:
        good = asyncio.run(measure(Path(folder) / "spans", spans, times))
    return 0 if good else 1
