"""Bytes that are no HTTP, or nearly, on every port of a collector that speaks it."""

import asyncio
from collections.abc import AsyncIterator

import h2.events
import httpx
import pytest

from tests.kits.dialling import GET, Dial, bounded, ended, statuses
from tests.kits.http2 import Raw
from tests.security import cases
from tests.security.cases import Case
from tracing.pipeline.collector import Collector
from tracing.pipeline.http.h2c import PREFACE


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with bounded() as one:
        yield one


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
        async with asyncio.timeout(30):
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
    raw = await Raw.open(collector.url)
    stream = raw.head("/api/v2/spans?serviceName=café", **{":method": "GET"})
    raw.h2.end_stream(stream)
    await raw.until(lambda: raw.body(stream) == '["é"]'.encode())
    raw.close()


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
