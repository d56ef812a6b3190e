"""gRPC on both ports: real clients as senders, and bytes that no client sends."""

import asyncio
import contextlib
import gzip
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tests.kits.collecting import full
from tests.kits.http2 import Raw
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.decode.protobuf import write_field
from tracing.pipeline.environment import read_settings
from tracing.pipeline.grpc.services import OTLP_PATH, ZIPKIN_PATH
from tracing.pipeline.http.collect import BODY_BYTES_MAX
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
ONE = write_field(
    1,
    write_field(1, bytes.fromhex(TRACE))
    + write_field(3, bytes.fromhex(SPAN))
    + write_field(5, b"get"),
)


async def started(settings: Settings) -> Collector:
    ports = [bind("127.0.0.1", 0) for _ in range(2)]
    collector = Collector(MemoryStore(), settings, ports[0], otlp_grpc=ports[1])
    await collector.start()
    return collector


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    one = await started(Settings())
    yield one
    await one.aclose()


def otlp_url(collector: Collector) -> str:
    assert collector.otlp_grpc_url is not None
    return collector.otlp_grpc_url


async def call(
    url: str, path: str, message: bytes, compression: grpc.Compression | None = None
) -> bytes:
    """One unary call of a real client."""
    async with grpc.aio.insecure_channel(
        url.removeprefix("http://"), options=[("grpc.enable_http_proxy", 0)]
    ) as channel:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path)
        reply: bytes = await method(message, timeout=30, compression=compression)
        return reply


async def refusal(url: str, path: str, message: bytes) -> tuple[grpc.StatusCode, str | None]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(url, path, message)
    return caught.value.code(), caught.value.details()


async def get(url: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url + path)


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_zipkin_report_is_stored_before_its_empty_reply(
    collector: Collector, compression: grpc.Compression | None
) -> None:
    assert await call(collector.url, ZIPKIN_PATH, ONE, compression) == b""
    answer = await get(collector.url, f"/api/v2/trace/{TRACE}")
    assert answer.json() == [{"traceId": TRACE, "id": SPAN, "name": "get"}]
    assert collector.ingest.counts["grpc"].stored == 1


async def test_an_empty_report_is_a_message_without_spans(collector: Collector) -> None:
    assert await call(collector.url, ZIPKIN_PATH, b"") == b""
    counts = collector.ingest.counts["grpc"]
    assert (counts.messages, counts.spans, counts.messages_dropped) == (1, 0, 0)


async def test_bad_data_is_internal_with_zipkins_text(collector: Collector) -> None:
    code, text = await refusal(collector.url, ZIPKIN_PATH, b"\x0a\x02\x0a\x00")
    assert (code, text) == (
        grpc.StatusCode.INTERNAL,
        "traceId == null reading List<Span> from proto3",
    )
    assert collector.ingest.counts["grpc"].messages_dropped == 1


async def test_a_method_that_is_not_there_is_unimplemented(collector: Collector) -> None:
    code, text = await refusal(otlp_url(collector), "/a.Service/Absent", b"")
    assert (code, text) == (grpc.StatusCode.UNIMPLEMENTED, "no method /a.Service/Absent")


async def test_a_message_past_the_cap_is_refused_and_counted(collector: Collector) -> None:
    code, text = await refusal(collector.url, ZIPKIN_PATH, bytes(BODY_BYTES_MAX + 1))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert text == f"the message is larger than {BODY_BYTES_MAX} bytes"
    assert collector.ingest.counts["grpc"].messages_dropped == 1


async def test_a_bomb_is_refused_before_it_is_unpacked(collector: Collector) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(collector.url, ZIPKIN_PATH, bytes(100 << 20), grpc.Compression.Gzip)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_switched_off_it_is_not_there() -> None:
    collector = await started(read_settings({"COLLECTOR_GRPC_ENABLED": "false"}))
    try:
        code, _ = await refusal(collector.url, ZIPKIN_PATH, ONE)
        assert code is grpc.StatusCode.UNIMPLEMENTED
    finally:
        await collector.aclose()


async def test_a_full_queue_is_unavailable_and_nothing_is_taken(tmp_path: Path) -> None:
    async with full(tmp_path) as (collector, _):
        for url, path, message in (
            (collector.url, ZIPKIN_PATH, ONE),
            (otlp_url(collector), OTLP_PATH, otlp_request()),
        ):
            code, text = await refusal(url, path, message)
            assert (code, text) == (grpc.StatusCode.UNAVAILABLE, "queue full, try later")
        assert collector.ingest.counts["grpc"].stored == 0


def otlp_request(span_id: str = SPAN) -> bytes:
    span = (
        write_field(1, bytes.fromhex(TRACE))
        + write_field(2, bytes.fromhex(span_id))
        + write_field(5, b"get")
    )
    return write_field(1, write_field(2, write_field(2, span)))


async def test_the_sdks_exporter_sends_its_spans(collector: Collector) -> None:
    address = otlp_url(collector).removeprefix("http://")

    def send() -> str:
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        exporter = OTLPSpanExporter(
            endpoint=address,
            insecure=True,
            compression=grpc.Compression.Gzip,
            channel_options=(("grpc.enable_http_proxy", "0"),),
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        with provider.get_tracer("test").start_as_current_span("buy") as span:
            trace_id = f"{span.get_span_context().trace_id:032x}"
        provider.shutdown()
        return trace_id

    trace_id = await asyncio.to_thread(send)
    answer = await get(collector.url, f"/api/v2/trace/{trace_id}")
    (span,) = answer.json()
    assert span["name"] == "buy"
    assert span["localEndpoint"] == {"serviceName": "shop"}
    assert collector.ingest.counts["otlp_grpc"].stored == 1


async def test_spans_without_ids_are_a_partial_success(collector: Collector) -> None:
    reply = await call(otlp_url(collector), OTLP_PATH, otlp_request("00" * 8))
    answer = ExportTraceServiceResponse.FromString(reply)
    assert answer.partial_success.rejected_spans == 1
    assert "all zeros" in answer.partial_success.error_message


async def test_an_otlp_message_that_cannot_be_read_is_not_to_be_sent_again(
    collector: Collector,
) -> None:
    code, _ = await refusal(otlp_url(collector), OTLP_PATH, b"\x0a\xff")
    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_whole_surface_answers_over_http2_too(collector: Collector) -> None:
    async with httpx.AsyncClient(trust_env=False, http1=False, http2=True) as client:
        spans = [
            {"traceId": f"{n:016x}", "id": f"{n:016x}", "name": "x" * 900, "timestamp": n}
            for n in range(1, 2001)
        ]
        answer = await client.post(collector.url + "/api/v2/spans", json=spans)
        assert (answer.status_code, answer.http_version) == (202, "HTTP/2")
        # Larger than every window, so that the answer waits for the reader again and again.
        answer = await client.get(
            collector.url + "/api/v2/traces?endTs=1000&limit=3000",
            headers={"accept-encoding": "identity"},
        )
        assert len(answer.json()) == 2000
        assert (await client.get(collector.url + "/nowhere")).status_code == 404


async def test_a_hundred_calls_share_a_connection(collector: Collector) -> None:
    async with grpc.aio.insecure_channel(
        collector.url.removeprefix("http://"), options=[("grpc.enable_http_proxy", 0)]
    ) as channel:
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(ZIPKIN_PATH)
        messages = [
            write_field(
                1,
                write_field(1, struct.pack(">Q", n))
                + write_field(3, struct.pack(">Q", n))
                + write_field(5, b"x" * 20_000),
            )
            for n in range(1, 301)
        ]
        await asyncio.gather(*[method(message, timeout=20) for message in messages])
    assert collector.ingest.counts["grpc"].stored == 300


@pytest.fixture
async def raw(collector: Collector) -> AsyncIterator[Raw]:
    one = await Raw.open(collector.url)
    yield one
    one.close()


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"", "identity", "13"),
        (b"\0\0\0\0\x09short", "identity", "13"),
        (struct.pack(">BI", 0, len(ONE)) + ONE + b"\0\0\0\0\0", "identity", "13"),
        (b"\1\0\0\0\5never", "gzip", "13"),
        (b"\1\0\0\0\1x", "snappy", "12"),
        (
            struct.pack(">BI", 1, len(gzip.compress(ONE)[:-6])) + gzip.compress(ONE)[:-6],
            "gzip",
            "13",
        ),
    ],
    ids=["nothing", "cut", "two messages", "no gzip", "unknown coding", "cut gzip"],
)
async def test_a_body_that_is_no_message_ends_with_its_status(
    raw: Raw, collector: Collector, body: bytes, encoding: str, status: str
) -> None:
    stream = raw.head(ZIPKIN_PATH, grpc_encoding=encoding)
    raw.h2.send_data(stream, body, end_stream=True)
    await raw.until(lambda: "grpc-status" in raw.lines(stream))
    assert raw.lines(stream)["grpc-status"] == status
    assert collector.ingest.counts["grpc"].messages_dropped == 1


async def test_another_content_type_is_415_and_http1_is_505(raw: Raw, collector: Collector) -> None:
    stream = raw.head(ZIPKIN_PATH, content_type="application/json")
    raw.h2.end_stream(stream)
    await raw.until(lambda: ":status" in raw.lines(stream))
    assert raw.lines(stream)[":status"] == "415"
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(
            collector.url + ZIPKIN_PATH, headers={"content-type": "application/grpc"}
        )
    assert answer.status_code == 505


async def test_a_sender_that_resets_its_calls_again_and_again_is_cut_off(raw: Raw) -> None:
    for _ in range(400):
        raw.h2.reset_stream(raw.head(ZIPKIN_PATH))
    await raw.until(lambda: False)
    assert raw.over


async def test_what_is_no_http2_after_the_preface_ends_the_connection(collector: Collector) -> None:
    host, port = collector.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"PRI * HT")
    await writer.drain()
    # "GET" would be a frame of 4 MiB, which nobody is going to hold.
    writer.write(b"TP/2.0\r\n\r\nSM\r\n\r\nGET / HTTP/1.1\r\n\r\n" + bytes(2 << 20))
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1" not in await reader.read()
    writer.close()
    assert (await get(collector.url, "/health")).status_code == 200


async def test_closing_answers_what_is_under_way() -> None:
    collector = await started(Settings())
    raw = await Raw.open(collector.url)
    stream = raw.head(ZIPKIN_PATH)
    raw.h2.send_data(stream, struct.pack(">BI", 0, len(ONE)))
    await raw.until(lambda: any(isinstance(e, h2.events.SettingsAcknowledged) for e in raw.events))
    closing = asyncio.ensure_future(collector.aclose())
    raw.h2.send_data(stream, ONE, end_stream=True)
    await raw.until(lambda: "grpc-status" in raw.lines(stream))
    assert raw.lines(stream)["grpc-status"] == "0"
    await raw.until(lambda: False)
    await closing
    raw.close()
