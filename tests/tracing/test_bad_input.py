"""What hurts is refused or kept as told, counted, and harms nothing else, at every receiver."""

import resource
import struct
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest

from tests.kits.collecting import collecting
from tests.kits.packing import pack, pack_zeros
from tests.kits.receivers import PACKED, RECEIVERS, REFUSED, TAKEN, TOO_LARGE, Receiver
from tracing.pipeline.collector import Collector
from tracing.pipeline.collector_config import CollectorConfig, TagsConfig
from tracing.pipeline.model import V2Endpoint, V2Span
from tracing.pipeline.normalise import normalised
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.tags import TagRules

TRACE = "463ac35c9f6413ad48485a3953bb6124"
GOOD: dict[str, Any] = {"traceId": TRACE, "id": "a2fb4a1d1a96d312", "name": "get", "timestamp": 5}


def started(config: CollectorConfig) -> AbstractAsyncContextManager[Collector]:
    return collecting(MemoryStore(), Settings(config=config))


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with started(CollectorConfig()) as one:
        yield one
        await unharmed(one)


def good_of(number: int) -> dict[str, Any]:
    """A good span of a trace of its own."""
    return GOOD | {"traceId": f"{TRACE[:-2]}{number:02x}"}


async def unharmed(collector: Collector) -> None:
    """Every receiver still takes a good message, and the ledger balances."""
    for receiver in RECEIVERS:
        assert await receiver.send(collector, receiver.message([GOOD]), "") == TAKEN
    for counts in collector.ingest.counts.values():
        assert counts.spans == counts.stored + counts.queued + counts.spans_dropped
    assert collector.ingest.intake.held == 0


async def refused(
    collector: Collector, receiver: Receiver, message: bytes, coding: str = "", how: str = REFUSED
) -> None:
    counts = collector.ingest.counts[receiver.transport]
    before = (counts.messages_dropped, counts.stored)
    assert await receiver.send(collector, message, coding) == how
    assert (counts.messages_dropped, counts.stored) == (before[0] + 1, before[1])


def resident_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def codings(receiver: Receiver) -> Iterator[str]:
    """What it unpacks. A Zipkin server's HTTP collector passes over deflate, and so does ours."""
    yield from ("gzip", "zstd") if receiver.transport == "http" else ("gzip", "zstd", "deflate")


async def test_every_coding_is_unpacked(collector: Collector) -> None:
    number = 0
    for receiver in PACKED:
        for coding in codings(receiver):
            number += 1
            span = good_of(number)
            message = pack(receiver.message([span]), coding)
            assert await receiver.send(collector, message, coding) == TAKEN, (receiver.name, coding)
            assert len(await spans(collector, span["traceId"])) == 1


async def test_a_bomb_is_too_large_and_never_unpacked_whole(collector: Collector) -> None:
    bombs = {coding: pack_zeros(200 << 20, coding) for coding in ("gzip", "zstd", "deflate")}
    before = resident_kib()
    for receiver in PACKED:
        await refused(collector, receiver, bombs["gzip"], "gzip", TOO_LARGE)
    for receiver in PACKED[0], PACKED[-1]:
        for coding in codings(receiver):
            await refused(collector, receiver, bombs[coding], coding, TOO_LARGE)
    assert resident_kib() - before < 150 << 10


async def test_what_is_packed_and_cut_is_refused(collector: Collector) -> None:
    for receiver in PACKED:
        for coding in codings(receiver):
            whole = pack(receiver.message([GOOD]), coding)
            for size in (1, 9, 12, len(whole) // 2):
                await refused(collector, receiver, whole[:size], coding)
        await refused(collector, receiver, b"\x1f\x8b" + bytes(40), "gzip")


async def test_a_coding_that_nobody_speaks_is_refused(collector: Collector) -> None:
    for receiver in PACKED:
        # Snappy's form: a length of 4 GiB, then nothing of it.
        await refused(collector, receiver, b"\xff\xff\xff\xff\x0f\x00", "snappy")


async def test_text_without_end_or_sense_is_refused(collector: Collector) -> None:
    for receiver in RECEIVERS:
        message = receiver.message([GOOD])
        for bad in (b"\x00", b"\xff" * 50, b"NaN", b"[NaN]", message[:-1] + b"\xff\xff", b"[" * 9):
            await refused(collector, receiver, bad)


async def test_nesting_without_end_is_refused(collector: Collector) -> None:
    for receiver in RECEIVERS:
        deep = 100_000
        if "JSON" in receiver.name:
            head, tail = receiver.message([GOOD]).rsplit(b'"name"', 1)
            for opened, closed in ((b"[", b"]"), (b'{"a":', b"}")):
                nested = opened * deep + (b"1" if opened != b"[" else b"") + closed * deep
                await refused(collector, receiver, head + b'"more":' + nested + b',"name"' + tail)
                await refused(collector, receiver, b"[" * deep)
        elif receiver.name in ("thrift", "scribe"):
            field = struct.pack(">bh", 12, 99)
            message = receiver.message([GOOD])
            await refused(collector, receiver, message[:-1] + field * deep + b"\0" * deep)
        else:
            value = b""
            for _ in range(3_000):
                value = b"\x0a" + _varint(len(value)) + value
            await refused(collector, receiver, b"\x0b" + value)


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


async def test_large_tags_are_kept_whole_or_cut_as_told(collector: Collector) -> None:
    tags = {f"key-{number}": "v" for number in range(10_000)} | {"long": "x" * (1 << 20)}
    bounds = TagsConfig(value_chars_max=100, tags_max=50)
    async with started(CollectorConfig(tags=bounds)) as bounded:
        for number, receiver in enumerate(RECEIVERS, 1):
            span = good_of(number) | {"tags": tags}
            for one, kept in ((collector, 10_001), (bounded, 51)):
                assert await receiver.send(one, receiver.message([span]), "") == TAKEN
                [read] = await spans(one, span["traceId"])
                assert len(read["tags"]) == kept, receiver.name
        assert bounded.ingest.rewritten == len(RECEIVERS)


async def spans(collector: Collector, trace: str = TRACE) -> list[Any]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{collector.url}/api/v2/trace/{trace}")
    return list(answer.json()) if answer.status_code == 200 else []


def test_long_texts_are_not_remembered() -> None:
    rules = TagRules(["authorization"])
    tracemalloc.start()
    try:
        for number in range(200):
            long = f"{number}." + "x" * 100_000
            place = V2Endpoint(long, long, long)
            one = V2Span(TRACE, id="a2fb4a1d1a96d312", local_endpoint=place, tags={long: "v"})
            assert normalised(one).service == long
            rules.apply(one)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 5_000_000  # of 20 MB and more that came by


async def test_a_key_that_comes_twice_counts_once(collector: Collector) -> None:
    for number, receiver in enumerate((RECEIVERS[0], RECEIVERS[2], RECEIVERS[6])):
        span = good_of(number)
        message = receiver.message([span]).replace(b'"name": "get"', b'"name": "a", "name": "b"')
        assert await receiver.send(collector, message, "") == TAKEN
        assert [one["name"] for one in await spans(collector, span["traceId"])] == ["b"]


async def test_bad_utf8_is_kept_with_marks(collector: Collector) -> None:
    for number, receiver in enumerate(PACKED):  # scribe's messages are base64 of thrift
        span = good_of(number)
        message = receiver.message([span]).replace(b"get", b"g\xfft")
        assert await receiver.send(collector, message, "") == TAKEN, receiver.name
        assert [one["name"] for one in await spans(collector, span["traceId"])] == ["g\ufffdt"]


async def test_a_bad_id_refuses_its_message_and_nothing_else(collector: Collector) -> None:
    for receiver in RECEIVERS:
        zero = GOOD | {"id": "0" * 16}
        message = receiver.message([GOOD, zero])
        if receiver.transport.startswith("otlp"):
            assert await receiver.send(collector, message, "") == TAKEN
            counts = collector.ingest.counts[receiver.transport]
            assert counts.dropped["invalid"] == counts.stored > 0
        else:
            await refused(collector, receiver, message)
        if receiver.name in ("v2 JSON", "v1 JSON"):
            for bad in ("", "g", "A" * 16, "1" * 33, "-1", "0x1"):
                await refused(collector, receiver, receiver.message([GOOD | {"traceId": bad}]))


async def test_spans_from_the_future_are_kept_and_found(collector: Collector) -> None:
    for number, receiver in enumerate(RECEIVERS):
        later = 4_000_000_000_000_000 if receiver.transport.startswith("otlp") else 1 << 62
        span = good_of(number) | {"timestamp": later}
        assert await receiver.send(collector, receiver.message([span]), "") == TAKEN
        assert [one["timestamp"] for one in await spans(collector, span["traceId"])] == [later]
    ends = (None, 4_000_000_000_001, (1 << 62) // 1000 + 1, (1 << 63) - 1)
    async with httpx.AsyncClient(trust_env=False, base_url=collector.url) as client:
        for end_ms, found in zip(ends, (0, 3, 6, 6), strict=True):
            window = f"lookback=10000&limit=99&endTs={end_ms}" if end_ms else "limit=99"
            answer = await client.get(f"/api/v2/traces?{window}")
            assert len(answer.json()) == found or end_ms == ends[3]
            links = await client.get(f"/api/v2/dependencies?endTs={end_ms or 1}")
            assert (answer.status_code, links.status_code) == (200, 200)


async def test_a_message_that_is_cut_anywhere_is_refused_or_whole(collector: Collector) -> None:
    for receiver in RECEIVERS:
        message = receiver.message([GOOD | {"tags": {"a": "b"}}])
        counts = collector.ingest.counts[receiver.transport]
        for size in range(1, len(message), 11):
            outcome = await receiver.send(collector, message[:size], "")
            assert outcome == REFUSED or counts.stored <= counts.messages, message[:size]


async def test_a_trace_of_a_hundred_thousand_spans_is_read_at_once(collector: Collector) -> None:
    receiver = RECEIVERS[0]
    for first in range(1, 100_001, 10_000):
        part = [GOOD | {"id": f"{number:016x}"} for number in range(first, first + 10_000)]
        assert await receiver.send(collector, receiver.message(part), "") == TAKEN
    await spans(collector)
    start = time.process_time()
    assert len(await spans(collector)) == 100_000
    assert time.process_time() - start < 3  # our own reading of the answer is in it
