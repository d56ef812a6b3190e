"""Connections that are slow, idle or many, on every port of a collector."""

import asyncio
import contextlib
import struct

import h2.errors
import h2.settings
import httpx
import pytest

from tests.kits.dialling import GET, PORTS, Dial, bounded, ended, statuses
from tests.kits.http2 import Raw
from tests.kits.running import soon
from tests.kits.span_store import span
from tests.kits.zipkin_bodies import scribe_log, thrift_span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.connections import Bounds, Crowd
from tracing.pipeline.http.h2c import PREFACE
from tracing.pipeline.store.memory import MemoryStore


@pytest.mark.parametrize("port", ["http", "otlp", "otlp_grpc"])
@pytest.mark.parametrize(
    "begun", [b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nX", b"G", PREFACE[:9]], ids=repr
)
async def test_a_head_that_is_not_whole_in_time_is_answered_408(
    port: str, begun: bytes, dial: Dial
) -> None:
    async with bounded(head_within_s=0.05) as collector:
        peer = await dial(collector, port)
        await peer.say(begun)
        assert statuses(await peer.rest()) == [408]
        assert await ended(collector, port, "slow") == 1


async def test_a_head_that_comes_byte_by_byte_wins_no_time(dial: Dial) -> None:
    async with bounded(head_within_s=0.1) as collector:
        peer = await dial(collector)
        heard = asyncio.ensure_future(peer.rest())
        await peer.say(b"GET /health HTTP/1.1\r\nX: ")
        while not heard.done():
            await peer.say(b"x")
            await asyncio.sleep(0.01)
        assert statuses(await heard) == [408]


async def test_the_next_head_has_its_time_too_and_what_was_asked_is_answered(dial: Dial) -> None:
    async with bounded(head_within_s=0.05) as collector:
        peer = await dial(collector)
        await peer.say(GET + b"GET /hea")
        assert statuses(await peer.rest()) == [200, 408]


@pytest.mark.parametrize("port", ["http", "otlp", "otlp_grpc"])
async def test_connections_that_idle_are_closed(port: str, dial: Dial) -> None:
    async with bounded(idle_within_s=0.05) as collector:
        silent = await dial(collector, port)
        spoken = await dial(collector, port, GET)
        second = await dial(collector, port, PREFACE + b"\0\0\0\4\0\0\0\0\0")
        assert await silent.rest() == b""
        assert len(statuses(await spoken.rest())) == 1
        assert b"\7\0\0\0\0\0" in await second.rest()  # GOAWAY


async def test_a_body_that_nobody_reads_may_come_but_not_for_long(dial: Dial) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n"
    async with bounded() as collector:
        peer = await dial(collector)
        await peer.say(head)
        assert await peer.status() == 200
        await peer.say(b"whatever" + GET)
        assert await peer.status() == 200
    async with bounded(head_within_s=0.1) as collector:
        peer = await dial(collector)
        await peer.say(head)
        assert statuses(await peer.rest()) == [200]


async def test_http2_frames_that_do_not_end_are_cut_off(dial: Dial) -> None:
    async with bounded(head_within_s=0.05) as collector:
        peer = await dial(collector)
        # HEADERS of a stream that go on in a frame which never comes.
        await peer.say(PREFACE + b"\0\0\0\4\0\0\0\0\0")
        await peer.reader.read(1)
        await peer.say(b"\0\0\1\1\0\0\0\0\1\x82")
        assert b"\7\0\0\0\0\0" in await peer.rest()
        assert await ended(collector, "http", "slow") == 1


LARGE = "/api/v2/trace/b16"


async def with_a_large_trace() -> MemoryStore:
    """A store with one of 18 MB."""
    store = MemoryStore()
    spans = [span(0xB16, own, tags={"t": "x" * (9 << 20)}) for own in (1, 2)]
    await store.append(batch_of(spans))
    return store


async def test_who_does_not_read_an_answer_does_not_keep_it_in_memory(dial: Dial) -> None:
    async with bounded(await with_a_large_trace(), message_within_s=0.1) as collector:
        one = await dial(collector)
        await one.say(f"GET {LARGE} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        crowd = collector.crowds["http"]
        await soon(lambda: crowd.ended["unread"] == 1)
        one.writer.close()


async def test_a_long_answer_over_http2_comes_whole_and_holds_up_nobody() -> None:
    async with bounded(await with_a_large_trace()) as collector:
        async with httpx.AsyncClient(trust_env=False, http1=False, http2=True) as client:
            urls = (collector.url + LARGE, collector.url + "/health")
            async with asyncio.timeout(20):
                long, short = await asyncio.gather(*map(client.get, urls))
        assert (long.status_code, short.status_code) == (200, 200)
        assert [len(span["tags"]["t"]) for span in long.json()] == [9 << 20] * 2


async def test_who_opens_no_window_for_an_answer_is_reset() -> None:
    async with bounded(message_within_s=0.05) as collector:
        raw = await Raw.open(collector.url)
        stream = raw.head("/api/v2/services", **{":method": "GET"})
        raw.h2.end_stream(stream)
        await raw.until(lambda: ":status" in raw.lines(stream))
        raw.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
        raw.flush()
        stream = raw.head("/api/v2/services", **{":method": "GET"})
        raw.h2.end_stream(stream)
        await raw.until(lambda: raw.reset(stream) is not None)
        assert raw.reset(stream) == h2.errors.ErrorCodes.INTERNAL_ERROR
        raw.close()


async def test_a_sender_that_reads_no_replies_of_scribe_is_not_read_either(dial: Dial) -> None:
    call = scribe_log([]).replace(b"Log", b"Foo")
    frame = struct.pack(">i", len(call)) + call
    async with bounded(message_within_s=0.1) as collector:
        peer = await dial(collector, "scribe")
        crowd = collector.crowds["scribe"]
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                while not crowd.ended["unread"]:
                    await peer.say(frame * 1_000)
        assert crowd.ended["unread"] == 1
        assert collector.ingest.intake.held == 0


# ── many ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("port", PORTS)
async def test_idle_connections_shut_out_nobody(port: str, dial: Dial) -> None:
    async with bounded(connections_max=3) as collector:
        idle = [await dial(collector, port) for _ in range(3)]
        crowd = collector.crowds[port]
        await soon(lambda: len(crowd) == 3)
        span = scribe_log([thrift_span({"traceId": "1", "id": "1"})])
        asked = GET if port != "scribe" else struct.pack(">i", len(span)) + span
        late = await dial(collector, port)
        await late.say(asked)
        async with asyncio.timeout(30):
            assert await late.reader.read(4)
        assert await idle[0].rest() == b""
        assert crowd.ended["crowded"] == 1


async def test_where_all_are_busy_the_next_one_goes(dial: Dial) -> None:
    async with bounded(connections_max=1) as collector:
        busy = await dial(collector)
        await busy.say(b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[")
        await soon(lambda: collector.ingest.intake.held == 1)
        assert await (await dial(collector)).rest() == b""
        await busy.say(b"]")
        assert await busy.status() == 202


def test_places_go_to_whom_has_waited_least() -> None:
    class One:
        away = False

        def turn_away(self) -> None:
            self.away = True

    crowd = Crowd(Bounds(connections_max=2))
    first, second, third, fourth = [One() for _ in range(4)]
    crowd.enter(first)
    crowd.enter(second)
    crowd.busy(first)
    crowd.idle(first)
    crowd.enter(third)
    assert [one.away for one in (first, second, third)] == [False, True, False]
    crowd.busy(first)
    crowd.busy(third)
    crowd.enter(fourth)
    crowd.busy(fourth)
    assert fourth.away
    assert len(crowd) == 2
