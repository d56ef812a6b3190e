"""Connections that end: what was asked on them ends too, and nothing is held for them."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

import h2.connection
import h2.events
import httpx
import pytest

from tests.kits.dialling import GET, Dial, bounded, ended, port_of
from tests.kits.http2 import Raw
from tests.kits.zipkin_bodies import scribe_log, thrift_span
from tracing.pipeline.batch import Batch
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.collector_config import CollectorConfig, LimitsConfig
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - a count tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with bounded() as one:
        yield one


@pytest.fixture
async def mishaps() -> AsyncIterator[None]:
    """Nothing in the loop fails where nobody catches it."""
    met: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: met.append(context))
    yield
    gc.collect()
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert met == []


@pytest.mark.parametrize("version", ["1.1", "2"])
async def test_who_leaves_the_last_of_an_answer_unread_is_cut_off(version: str) -> None:
    """Less than a full buffer; else it would keep its place, and the closed socket, for ever."""
    http = bind("127.0.0.1", 0)
    http.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    limits = LimitsConfig(message_within_s=0.2, idle_within_s=0.1)
    settings = Settings(config=CollectorConfig(limits=limits))
    collector = Collector(MemoryStore(), settings, http)
    await collector.start()
    span = {"traceId": "1", "id": "1", "tags": {"t": "x" * 50_000}}
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(collector.url + "/api/v2/spans", json=[span])
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        peer.connect(("127.0.0.1", port_of(collector, "http")))
        asked = b"GET /api/v2/trace/1 HTTP/1.1\r\nHost: a\r\n\r\n"
        if version == "2":
            raw = h2.connection.H2Connection()
            raw.initiate_connection()
            lines = {":method": "GET", ":path": "/api/v2/trace/1", ":scheme": "http"}
            raw.send_headers(1, [*lines.items(), (":authority", "a")], end_stream=True)
            asked = raw.data_to_send()
        peer.send(asked)
        crowd = collector.crowds["http"]
        await until(lambda: crowd.ended["unread"] == 1)
    await collector.aclose()


@pytest.mark.usefixtures("mishaps")
async def test_a_call_that_finds_no_room_ends_its_connection(dial: Dial) -> None:
    async with bounded(reading_bytes_max=10) as collector:
        peer = await dial(collector, "scribe")
        call = scribe_log([thrift_span({"traceId": "1", "id": "1"})])
        await peer.say(struct.pack(">i", len(call)) + call)
        assert await peer.rest() == b""
        counts = collector.ingest.counts["scribe"]
        assert (counts.messages_dropped, counts.spans) == (1, 0)


class _Slow(MemoryStore):
    """Stores once it may."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def append(self, batch: Batch) -> None:
        self.asked.set()
        await self.may.wait()
        await super().append(batch)


async def test_a_collector_that_ends_answers_what_was_sent_to_scribe(dial: Dial) -> None:
    call = scribe_log([thrift_span({"traceId": "1", "id": "1"})])
    store = _Slow()
    collector = Collector(store, Settings(), bind("127.0.0.1", 0), bind("127.0.0.1", 0))
    await collector.start()
    busy, idle = await dial(collector, "scribe"), await dial(collector, "scribe")
    await until(lambda: len(collector.crowds["scribe"]) == 2)
    await busy.say((struct.pack(">i", len(call)) + call) * 3)
    await store.asked.wait()
    ending = asyncio.ensure_future(collector.aclose())
    assert await idle.rest() == b""
    store.may.set()
    await ending
    assert (await busy.rest()).count(b"Log") == 3


async def test_a_collector_that_ends_answers_what_came_whole_beside_half_a_body() -> None:
    store = _Slow()
    collector = Collector(store, Settings(), bind("127.0.0.1", 0))
    await collector.start()
    raw = await Raw.open(collector.url)
    half = raw.head("/api/v2/spans", content_type="application/json")
    raw.h2.send_data(half, b"[")
    whole = raw.head("/api/v2/spans", content_type="application/json")
    raw.h2.send_data(whole, b'[{"traceId": "1", "id": "1"}]', end_stream=True)
    raw.flush()
    await store.asked.wait()
    ending = asyncio.ensure_future(collector.aclose())
    await raw.until(lambda: raw.reset(half) is not None)
    assert not raw.over
    store.may.set()
    await raw.until(lambda: False)
    assert raw.lines(whole)[":status"] == "202"
    await ending
    raw.close()


async def test_a_collector_that_ends_does_not_wait_for_bodies_and_says_nothing(
    dial: Dial, caplog: pytest.LogCaptureFixture
) -> None:
    half = b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n["
    async with bounded() as collector:
        peer = await dial(collector)
        await peer.say(half)
        raw = await Raw.open(collector.url)
        raw.h2.send_data(raw.head("/api/v2/spans"), b"[")
        raw.flush()
        await until(lambda: collector.ingest.intake.held == 2)
    assert (await peer.rest()).startswith(b"HTTP/1.1 503 ")
    await raw.until(lambda: False)
    assert isinstance(raw.events[-1], h2.events.ConnectionTerminated)
    raw.close()
    assert caplog.records == []


async def test_a_failure_of_ours_is_a_500_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        async def services(self) -> list[str]:
            raise RuntimeError("<b>broken</b>")

    async with bounded(Broken()) as collector:
        for two in (False, True):
            async with httpx.AsyncClient(trust_env=False, http1=not two, http2=two) as client:
                answer = await client.get(collector.url + "/api/v2/services")
            assert (answer.status_code, answer.text) == (500, "<b>broken</b>")
            assert answer.headers["content-type"].startswith("text/plain")
    assert [one.getMessage() for one in caplog.records] == ["GET '/api/v2/services' failed"] * 2


async def test_bytes_that_are_no_frame_of_scribe_are_counted(
    collector: Collector, dial: Dial
) -> None:
    peer = await dial(collector, "scribe")
    await peer.say(GET)
    assert await peer.rest() == b""
    assert await ended(collector, "scribe", "malformed") == 1


@pytest.mark.usefixtures("mishaps")
@pytest.mark.parametrize(
    "end", [b"\0\0\4\6\0\0\0\0\1ping", b"\0\0\x08\7\0\0\0\0\0" + bytes(8)], ids=["bad", "goaway"]
)
async def test_what_ends_a_connection_ends_what_was_asked_on_it(
    collector: Collector, dial: Dial, end: bytes
) -> None:
    raw = h2.connection.H2Connection()
    raw.initiate_connection()
    lines = {":method": "TRACE", ":path": "/", ":scheme": "http", ":authority": "a"}
    raw.send_headers(1, list(lines.items()), end_stream=True)
    peer = await dial(collector)
    await peer.say(raw.data_to_send() + end)
    await peer.rest()
    await until(lambda: len(collector.crowds["http"]) == 0)


async def test_the_answer_to_head_is_a_head_over_http2_too(collector: Collector) -> None:
    async with httpx.AsyncClient(trust_env=False, http1=False, http2=True) as client:
        heads = [await client.head(collector.url + path) for path in ("/health", "/traces")]
    assert [(one.status_code, one.content) for one in heads] == [(200, b"")] * 2
