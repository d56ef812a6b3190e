"""Spans sent on: to another collector, through its outages, and across kill -9."""

import asyncio
import json
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from config import ConfigError, load
from tests.kits.running import until
from tests.kits.span_store import span
from tests.tracing.test_collector_process import Process, Senders
from tests.tracing.test_tail import ledger
from tests.vectors.zipkin import running
from tracing.pipeline.batch import batch_of
from tracing.pipeline.collector import Collector, CollectorError, open_store
from tracing.pipeline.collector_config import CollectorConfig
from tracing.pipeline.forward.forwarder import (
    Forwarder,
    RefusedError,
    UnreachableError,
)
from tracing.pipeline.forward.zipkin import ZipkinExporter
from tracing.pipeline.model import decode_strict
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.port import SpanStore
from tracing.pipeline.store.sqlite import SqliteStore


class Moody:
    """A destination that does as it is told; `taken` are the trace ids of the spans it took."""

    def __init__(self) -> None:
        self.down = False
        self.dislikes = ""
        self.taken: list[str] = []
        self.largest = 0

    async def send(self, body: bytes) -> None:
        self.largest = max(self.largest, len(body))
        if self.down:
            raise UnreachableError("down")
        spans = decode_strict(body)
        if any(one.name == self.dislikes for one in spans):
            raise RefusedError("no")
        self.taken += [one.trace_id[-1] for one in spans]

    async def aclose(self) -> None:
        """Nothing to let go."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    one = SqliteStore(tmp_path / "spans", exporters=["there"])
    yield one
    await one.aclose()


def balanced(store: SpanStore, appended: int) -> bool:
    counts = store.counts()
    flow, standing = counts.flow, counts.standing
    assert standing is not None
    assert counts.stored == sum(standing)
    dropped = sum(flow.dropped.values())
    return flow.read_back + appended == flow.stored + flow.exported + flow.queued + dropped


async def put(store: SqliteStore, number: int, name: str = "get") -> None:
    """One block of its own, indexed, so that exporters see it."""
    await store.append(batch_of([span(number, name=name)]))
    await store.services()


async def test_blocks_go_out_in_order_and_once(store: SqliteStore) -> None:
    there = Moody()
    forwarder = Forwarder("there", store, there, random.Random(1))
    for number in (1, 2, 3):
        await put(store, number)
    assert (store.counts().flow.queued, balanced(store, 3)) == (3, True)
    assert await forwarder.step()
    await put(store, 4)
    assert await forwarder.step()
    assert not await forwarder.step()
    assert there.taken == ["1", "2", "3", "4"]
    flow = store.counts().flow
    assert (flow.exported, flow.queued, flow.stored) == (4, 0, 0)
    assert balanced(store, 4)


async def test_an_outage_loses_nothing_and_the_next_process_goes_on(tmp_path: Path) -> None:
    there = Moody()
    store = SqliteStore(tmp_path / "spans", exporters=["there"])
    await put(store, 1)
    await Forwarder("there", store, there, random.Random(1)).step()
    there.down = True
    await put(store, 2)
    with pytest.raises(UnreachableError):
        await Forwarder("there", store, there, random.Random(1)).step()
    await store.aclose()
    store = SqliteStore(tmp_path / "spans", exporters=["there"])
    flow = store.counts().flow
    assert (flow.read_back, flow.queued) == (1, 1)
    there.down = False
    await put(store, 3)
    await Forwarder("there", store, there, random.Random(1)).step()
    assert there.taken == ["1", "2", "3"]
    assert store.counts().flow.exported == 2
    assert balanced(store, 1)
    await store.aclose()


async def test_a_refused_block_stays_and_its_neighbours_go(store: SqliteStore) -> None:
    there = Moody()
    there.dislikes = "bad"
    forwarder = Forwarder("there", store, there, random.Random(1))
    for number, name in ((1, "get"), (2, "bad"), (3, "get")):
        await put(store, number, name)
    await forwarder.step()
    assert there.taken == ["1", "3"]
    assert (forwarder.sent, forwarder.refused) == (2, 1)
    flow = store.counts().flow
    assert (flow.exported, flow.stored, flow.queued) == (2, 1, 0)
    assert balanced(store, 3)
    assert len(await store.trace(f"{2:016x}")) == 1


async def test_a_block_that_is_too_large_for_the_other_side_goes_in_parts(
    store: SqliteStore,
) -> None:
    there = Moody()
    forwarder = Forwarder("there", store, there, random.Random(1))
    long = {"text": "x" * 1_500_000}
    await store.append(batch_of([span(number, tags=long) for number in (1, 2, 3)]))
    await store.services()
    await forwarder.step()
    assert there.taken == ["1", "2", "3"]
    assert there.largest < 2 << 20
    assert (forwarder.sent, forwarder.refused) == (3, 0)


async def test_what_is_forgotten_before_it_was_sent_is_counted(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans", exporters=["there"], keep_bytes=1)
    await put(store, 1)
    await store.forget(time.time_ns() // 1_000_000)
    assert store.counts().flow.dropped["evicted_unexported"] == 1
    assert balanced(store, 1)
    await store.aclose()


async def test_the_slowest_of_two_decides_and_one_that_is_gone_does_not(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans", exporters=["a", "b"])
    await put(store, 1)
    await put(store, 2)
    await Forwarder("a", store, Moody(), random.Random(1)).step()
    assert store.counts().flow.exported == 0
    assert balanced(store, 2)
    await store.aclose()
    store = SqliteStore(tmp_path / "spans", exporters=["a"])
    standing = store.counts().standing
    assert standing is not None
    assert (standing.exported, standing.owed) == (2, 0)
    await store.aclose()
    store = SqliteStore(tmp_path / "spans", exporters=["new"])
    await put(store, 3)
    there = Moody()
    await Forwarder("new", store, there, random.Random(1)).step()
    assert there.taken == ["3"], "an exporter begins with what is stored from then on"
    await store.aclose()


async def test_a_collector_takes_what_another_forwards() -> None:
    async with running({}) as other:
        url = other.url
        exporter = ZipkinExporter(url)
        await exporter.send(batch_of([span(7, tags={"a": "b"})]).body)
        with pytest.raises(RefusedError, match="400"):
            await exporter.send(b'[{"traceId":"0","id":"0"}]')
        await exporter.aclose()
        assert other.ingest.counts["http"].stored == 1
    exporter = ZipkinExporter(url)
    with pytest.raises(UnreachableError, match="ConnectionRefusedError"):
        await exporter.send(b"[]")
    await exporter.aclose()


def read(text: str) -> CollectorConfig:
    return load(CollectorConfig, text, source="collector.yml")


def test_an_export_that_cannot_be_is_refused() -> None:
    one = "{kind: zipkin, url: 'http://127.0.0.1:1'}"
    with pytest.raises(ConfigError, match="same name"):
        read(f"export: [{one}, {one}]")
    with pytest.raises(ConfigError, match="is no URL such as"):
        read("export: [{kind: zipkin, url: 'http://a..b:9411'}]")
    config = read(f"export: [{one}]")
    with pytest.raises(CollectorError, match="on disk"):
        open_store(None, Settings(config=config))


class Forwarding(Process):
    """A collector that forwards, tail sampling before it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file = folder / "collector.yml"

    def configure(self, url: str) -> None:
        self._file.write_text(
            f"export: [{{kind: zipkin, url: '{url}'}}]\n"
            "tail: {window_s: 0.3, policies: [{kind: rate, rate: 0.5}]}\n"
        )

    def command(self, *more: str) -> list[str]:
        return super().command(*more, "--config", str(self._file), "--scribe-port", "0")


@pytest.fixture
def forwarding(tmp_path: Path) -> Iterator[Forwarding]:
    started = Forwarding(tmp_path)
    yield started
    if started.process is not None and started.process.poll() is None:
        started.end(signal.SIGKILL)


@pytest.mark.slow
async def test_killed_under_load_with_tail_and_export_the_ledger_balances(
    forwarding: Forwarding,
) -> None:
    """Twenty times kill -9: every kept span arrives behind, and each one is counted once."""
    acknowledged: list[int] = []
    tried: list[int] = []
    by_scribe = 0
    dice = random.Random(11)
    async with running({}) as behind:
        forwarding.configure(behind.url)
        for _ in range(20):
            await asyncio.to_thread(forwarding.start)
            port = forwarding.told["scribe_port"]
            senders = Senders(forwarding.url, 1 + 20 * len(tried), port)
            await asyncio.to_thread(senders.until, dice.randint(2, 60))
            await asyncio.to_thread(ledger, forwarding)
            await asyncio.sleep(dice.uniform(0.0, 0.02))
            await asyncio.to_thread(forwarding.end, signal.SIGKILL)
            await asyncio.to_thread(senders.stop)
            acknowledged += senders.acknowledged
            tried += senders.tried
            by_scribe += senders.by_scribe
        await asyncio.to_thread(forwarding.start)
        told = await asyncio.to_thread(until, lambda: all_sent(forwarding), 120)
        assert 20 < by_scribe < len(acknowledged), (by_scribe, len(acknowledged), len(tried))
        assert await asyncio.to_thread(scraped, forwarding) == told["since_start"]
        accepted = told["tail"]["accepted"]
        assert 20 * len(acknowledged) <= accepted <= 20 * len(tried)
        gone = sum(told["tail"]["dropped"].values())
        assert accepted == told["tail"]["kept"] + gone
        assert told["store"]["exported"] == told["store"]["stored"] == told["tail"]["kept"]
        await check_behind(behind, forwarding, told["store"]["stored"])


def all_sent(forwarding: Forwarding) -> dict[str, Any] | None:
    """The ledger, once nothing waits any more."""
    told: dict[str, Any] = ledger(forwarding)
    return None if told["since_start"]["queued"] else told


def scraped(forwarding: Forwarding) -> dict[str, Any]:
    """The ledger as /metrics tells it to a scraper."""
    url = forwarding.url + "/metrics"
    text = httpx.get(url, headers={"accept": "text/plain;version=0.0.4"}, trust_env=False).text
    parts = re.findall(r'^weir_ledger_spans\{part="(\w+)"\} (\d+)$', text, re.MULTILINE)
    reasons = re.findall(r'^weir_ledger_dropped_spans\{reason="(.+)"\} (\d+)$', text, re.MULTILINE)
    dropped = {reason: int(spans) for reason, spans in reasons}
    return {part: int(spans) for part, spans in parts} | {"dropped": dropped}


async def check_behind(behind: Collector, forwarding: Forwarding, stored: int) -> None:
    """Every kept trace is there; those sent twice count once."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        found = []
        for url in (behind.url, forwarding.url):
            answer = await client.get(url + "/api/v2/traces?limit=10000000")
            found.append({trace[0]["traceId"] for trace in json.loads(answer.content)})
    assert found[0] == found[1]
    assert len(found[0]) == stored > 100
