"""Connections that are slow, idle, many, or no HTTP at all, on every port of a collector."""

import asyncio
import contextlib
import json
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import h2.errors
import h2.events
import h2.settings
import httpx
import pytest

from tests.kits.collecting import collecting
from tests.kits.http2 import Raw
from tests.kits.zipkin_bodies import scribe_log, thrift_span
from tests.security import cases
from tests.security.cases import Case
from tracing.pipeline.collector import Collector
from tracing.pipeline.collector_config import CollectorConfig, LimitsConfig
from tracing.pipeline.connections import Bounds, Crowd
from tracing.pipeline.http.h2c import PREFACE
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore

GET = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
PORTS = ["http", "otlp", "otlp_grpc", "scribe"]


@asynccontextmanager
async def bounded(**limits: Any) -> AsyncIterator[Collector]:
    config = CollectorConfig(limits=LimitsConfig(**limits))
    async with collecting(MemoryStore(), Settings(config=config)) as one:
        yield one


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with bounded() as one:
        yield one


def port_of(collector: Collector, name: str) -> int:
    if name == "scribe":
        return collector.scribe_port or 0
    urls = {"http": collector.url, "otlp": collector.otlp_url, "otlp_grpc": collector.otlp_grpc_url}
    return httpx.URL(urls[name] or "").port or 0


class Peer:
    """One connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the other side ends it."""
        heard = b""
        async with asyncio.timeout(10):
            try:
                while data := await self.reader.read(1 << 16):
                    heard += data
            except ConnectionError:
                pass
        self.writer.close()
        return heard

    async def status(self) -> int:
        """Of one answer, whose body is read."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await self.reader.readexactly(int(length[1]))
        return int(head.split()[1])


Dial = Callable[..., Awaitable[Peer]]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connections to a port of a collector, which end with the test."""
    made: list[Peer] = []

    async def to(collector: Collector, port: str = "http") -> Peer:
        made.append(Peer(*await asyncio.open_connection("127.0.0.1", port_of(collector, port))))
        return made[-1]

    yield to
    for one in made:
        one.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await one.writer.wait_closed()


def statuses(heard: bytes) -> list[int]:
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d+)", heard)]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - a count tells nobody
            await asyncio.sleep(0.005)


async def ended(collector: Collector, port: str, reason: str) -> int:
    """What the metrics count."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(collector.url + "/prometheus")).text
    name = f'weir_collector_connections_ended_total{{port="{port}",reason="{reason}"}} '
    [line] = [line for line in text.splitlines() if line.startswith(name)]
    return int(line.rpartition(" ")[2])


# ── slow ─────────────────────────────────────────────────────────────────────────────────────


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
        silent, spoken, second = [await dial(collector, port) for _ in range(3)]
        await spoken.say(GET)
        await second.say(PREFACE + b"\0\0\0\4\0\0\0\0\0")
        assert await silent.rest() == b""
        assert len(statuses(await spoken.rest())) == 1
        assert b"\7\0\0\0\0\0" in await second.rest()  # GOAWAY


async def test_a_body_that_nobody_reads_may_come_but_not_for_long(dial: Dial) -> None:
    head = b"GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n"
    async with bounded(head_within_s=0.1) as collector:
        kept, left = await dial(collector), await dial(collector)
        for peer in (kept, left):
            await peer.say(head)
            assert await peer.status() == 200
        await kept.say(b"whatever" + GET)
        assert await kept.status() == 200
        assert await left.rest() == b""


async def test_http2_frames_that_do_not_end_are_cut_off(dial: Dial) -> None:
    async with bounded(head_within_s=0.05) as collector:
        peer = await dial(collector)
        # HEADERS of a stream that go on in a frame which never comes.
        await peer.say(PREFACE + b"\0\0\0\4\0\0\0\0\0")
        await peer.reader.read(1)
        await peer.say(b"\0\0\1\1\0\0\0\0\1\x82")
        assert b"\7\0\0\0\0\0" in await peer.rest()
        assert await ended(collector, "http", "slow") == 1


async def big_trace(collector: Collector) -> str:
    """The path of a trace of 20 MB."""
    span = {"traceId": "b16", "id": "1", "tags": {"t": "x" * (9 << 20)}}
    async with httpx.AsyncClient(trust_env=False) as client:
        for number in ("1", "2"):
            spans = json.dumps([span | {"id": number}])
            await client.post(collector.url + "/api/v2/spans", content=spans)
    return "/api/v2/trace/b16"


async def test_who_does_not_read_an_answer_does_not_keep_it_in_memory(dial: Dial) -> None:
    async with bounded(message_within_s=0.1) as collector:
        path = await big_trace(collector)
        one = await dial(collector)
        await one.say(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        crowd = collector.crowds["http"]
        await until(lambda: crowd.ended["unread"] == 1)
        one.writer.close()


async def test_a_long_answer_over_http2_comes_whole_and_holds_up_nobody() -> None:
    async with bounded() as collector:
        path = await big_trace(collector)
        async with httpx.AsyncClient(trust_env=False, http1=False, http2=True) as client:
            urls = (collector.url + path, collector.url + "/health")
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
        await until(lambda: len(crowd) == 3)
        span = scribe_log([thrift_span({"traceId": "1", "id": "1"})])
        asked = GET if port != "scribe" else struct.pack(">i", len(span)) + span
        late = await dial(collector, port)
        await late.say(asked)
        async with asyncio.timeout(10):
            assert await late.reader.read(4)
        assert await idle[0].rest() == b""
        assert crowd.ended["crowded"] == 1


async def test_where_all_are_busy_the_next_one_goes(dial: Dial) -> None:
    async with bounded(connections_max=1) as collector:
        busy = await dial(collector)
        await busy.say(b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n[")
        await until(lambda: collector.ingest.intake.held == 1)
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


# ── malformed ────────────────────────────────────────────────────────────────────────────────

# What a router must refuse, and an end that passes nothing on need not.
HARMLESS = {
    "a long extension": "a chunk's extension is passed over, and the body has a bound",
    "many extensions": "likewise",
    "endless trailers": "trailers are passed over, and the message has a bound",
    "two blanks before the target": "the parser reads it as one",
    "two blanks before the version": "likewise",
    "CRLF first": "RFC 9112, 2.2: ignored",
    "OPTIONS that counts hops": "404, as every OPTIONS that is no preflight",
    "a long target": "up to 40,000 bytes: a question may name 1,000 traces",
    "a raw high byte": "read as UTF-8, as the real server does",
    "no Host": "nothing here goes by it, and the real server asks for none",
    "Host b''": "likewise",
    "RTSP": "its version is read as HTTP's",
    "ICE": "likewise",
}
CASES = {
    case.name: case
    for table in vars(cases).values()
    if isinstance(table, list)
    for case in table
    if isinstance(case, Case)
}


def harmless(name: str) -> bool:
    return name in HARMLESS or name.startswith("chunk size b'0000")


def test_what_is_called_harmless_is_an_attack() -> None:
    assert HARMLESS.keys() <= CASES.keys()


async def test_what_the_gateway_refuses_as_malformed_is_refused_here_too(
    collector: Collector, dial: Dial
) -> None:
    """As many answers as the gateway gives to each of its cases, and none to what hides in it."""

    async def judged(case: Case, port: str) -> str:
        peer = await dial(collector, port)
        await peer.say(case.sent)
        refused = any(status >= 400 for status in case.statuses) and not harmless(case.name)
        if refused and case.statuses != (405,):
            heard = await peer.rest()
            told = statuses(heard)
            right = len(told) <= len(case.statuses) and all(
                400 <= status < 600 for status in told[len(case.statuses) - 1 :]
            )
            return "" if right else f"{port} {case.name}: {told}"
        async with asyncio.timeout(10):
            told = statuses(await peer.reader.read(65_536))
        peer.writer.close()
        return "" if told else f"{port} {case.name}: no answer"

    gate = asyncio.Semaphore(50)

    async def one(case: Case, port: str) -> str:
        async with gate:
            return await judged(case, port)

    wrong = await asyncio.gather(
        *(one(case, port) for port in ("http", "otlp") for case in CASES.values())
    )
    assert [line for line in wrong if line] == []


async def test_what_was_asked_before_something_malformed_is_answered(
    collector: Collector, dial: Dial
) -> None:
    peer = await dial(collector)
    await peer.say(GET * 3 + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
    assert statuses(await peer.rest()) == [200, 200, 200]


async def test_a_question_may_be_typed_in_raw_utf8(collector: Collector, dial: Dial) -> None:
    async with httpx.AsyncClient(trust_env=False, base_url=collector.url) as client:
        span = {"traceId": "1", "id": "2", "name": "é", "localEndpoint": {"serviceName": "café"}}
        await client.post("/api/v2/spans", json=[span])
    peer = await dial(collector)
    await peer.say("GET /api/v2/spans?serviceName=café HTTP/1.0\r\n\r\n".encode())
    assert (await peer.rest()).endswith('["é"]'.encode())


@pytest.mark.parametrize("pieces", [1, 1_000])
async def test_a_body_is_read_though_another_protocol_was_asked_for(
    collector: Collector, dial: Dial, pieces: int
) -> None:
    """As Java's client and curl --http2 ask for h2c with their first request."""
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
    body = b'[{"traceId":"1","id":"%d"}]'
    start = b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\n" + upgrade
    sent = start + b"Content-Length: %d\r\n\r\n" % len(body % 1) + body % 1
    sent += start + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body % 2)
    sent += body % 2 + b"\r\n0\r\n\r\n" + b"GET /api/v2/trace/1 HTTP/1.1\r\nHost: a\r\n" + upgrade
    peer = await dial(collector)
    size = len(sent) // pieces + 1
    for at in range(0, len(sent), size):
        await peer.say(sent[at : at + size])
    assert [await peer.status(), await peer.status()] == [202, 202]
    await peer.say(b"\r\n")
    assert await peer.status() == 200
    assert collector.ingest.counts["http"].stored == 2


async def test_trailers_do_not_change_what_a_body_is(collector: Collector, dial: Dial) -> None:
    peer = await dial(collector)
    body = b'[{"traceId":"1","id":"2"}]'
    await peer.say(
        b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n%b\r\n0\r\nContent-Type: application/x-protobuf\r\n\r\n" % (len(body), body)
    )
    assert await peer.status() == 202
    peer.writer.close()


@pytest.mark.parametrize(
    ("head", "each", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x", 431),
        (b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
         b"x", 413),
    ],
    ids=["head", "trailer"],
)  # fmt: skip
async def test_what_goes_on_without_end_is_cut_off(
    collector: Collector, head: bytes, each: bytes, status: int, dial: Dial
) -> None:
    peer = await dial(collector)
    peer.writer.write(head)
    peer.writer.write(each * (26 << 20))
    heard = await peer.rest()
    assert statuses(heard) in ([status], [])  # it may be lost where the sender goes on sending
    assert await ended(collector, "http", "too_large") == 1


@pytest.mark.parametrize(
    "noise",
    [
        b"\0\0\x08\6\0\0\0\0\0" + bytes(8),  # PING
        b"\0\0\0\4\0\0\0\0\0",  # SETTINGS
        b"\0\0\5\2\0\0\0\0\3" + b"\0\0\0\0\7",  # PRIORITY
    ],
    ids=["ping", "settings", "priority"],
)
async def test_http2_frames_that_bring_nothing_are_cut_off(
    collector: Collector, noise: bytes, dial: Dial
) -> None:
    peer = await dial(collector)
    peer.writer.write(PREFACE + b"\0\0\0\4\0\0\0\0\0" + noise * 5_000)
    await peer.rest()
    assert await ended(collector, "http", "malformed") == 1


async def test_other_calls_on_a_connection_go_on_where_one_is_bad(collector: Collector) -> None:
    raw = await Raw.open(collector.url)
    bad = raw.head("/zipkin.proto3.SpanService/Report")
    raw.h2.send_data(bad, b"\0\0\0\0\1\xff", end_stream=True)
    good = [raw.head("/zipkin.proto3.SpanService/Report") for _ in range(20)]
    for stream in good:
        raw.h2.send_data(stream, b"\0\0\0\0\0", end_stream=True)
    await raw.until(lambda: all("grpc-status" in raw.lines(one) for one in (bad, *good)))
    assert raw.lines(bad)["grpc-status"] == "13"
    assert {raw.lines(one)["grpc-status"] for one in good} == {"0"}
    assert not any(isinstance(event, h2.events.ConnectionTerminated) for event in raw.events)
    raw.close()
