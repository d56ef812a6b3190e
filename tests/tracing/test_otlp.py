"""OTLP/HTTP: real SDKs as senders, and bytes that no SDK sends."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from tests.kits.collecting import collecting, full
from tests.kits.otlp_bodies import SPAN, SPAN_FIELDS, TRACE, in_json, in_proto
from tracing.pipeline.collector import Collector
from tracing.pipeline.decode.otel import OtelSpan, Scope, to_batch
from tracing.pipeline.decode.otel import Resource as OtelResource
from tracing.pipeline.decode.protobuf import write_field
from tracing.pipeline.store.memory import MemoryStore

PROTO = {"content-type": "application/x-protobuf"}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting(MemoryStore()) as started:
        yield started


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as one:
        yield one


def url(collector: Collector) -> str:
    assert collector.otlp_url is not None
    return collector.otlp_url


# ── real senders ─────────────────────────────────────────────────────────────────────────────


def send_with(exporter: SpanExporter) -> str:
    """A trace of two spans through the real SDK; its id."""
    resource = Resource.create({"service.name": "Shop", "deployment.environment": "test"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("shop.views", "1.2")
    outside = SpanContext(trace_id=7, span_id=9, is_remote=True)
    with tracer.start_as_current_span(
        "GET /Cart", kind=SpanKind.SERVER, links=[Link(outside)]
    ) as server:
        server.set_attribute("http.response.status_code", 500)
        server.add_event("cache miss", {"key": "cart", "tries": 2})
        with tracer.start_as_current_span("query", kind=SpanKind.CLIENT) as call:
            call.set_attributes({"server.address": "DB", "server.port": 5432, "rows": [1, 2]})
            call.set_attribute("ok", value=False)
        server.set_status(Status(StatusCode.ERROR, "no database"))
    provider.shutdown()
    return f"{server.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("compression", list(Compression), ids=lambda c: c.name)
async def test_the_real_sdk_sends_a_trace_as_otlp(
    collector: Collector, client: httpx.AsyncClient, compression: Compression
) -> None:
    exporter = OTLPSpanExporter(url(collector), compression=compression)
    trace_id = await asyncio.to_thread(send_with, exporter)
    spans = (await client.get(f"{collector.url}/api/v2/trace/{trace_id}")).json()
    call, server = sorted(spans, key=lambda span: str(span["kind"]))
    assert (server["kind"], server["name"], call["kind"]) == ("SERVER", "get /cart", "CLIENT")
    assert call["parentId"] == server["id"]
    assert server["localEndpoint"] == call["localEndpoint"] == {"serviceName": "shop"}
    assert call["remoteEndpoint"] == {"serviceName": "db", "port": 5432}
    assert server["duration"] >= call["duration"] >= 1
    assert server["annotations"][0]["value"] == '"cache miss":{"key":"cart","tries":2}'
    tags = server["tags"]
    assert (tags["error"], tags["otel.status_code"]) == ("no database", "ERROR")
    assert tags["http.response.status_code"] == "500"
    assert tags["deployment.environment"] == "test"
    assert (tags["otel.scope.name"], tags["otel.scope.version"]) == ("shop.views", "1.2")
    assert tags["otel.links"] == f"{7:032x}-{9:016x}"
    assert (call["tags"]["rows"], call["tags"]["ok"]) == ("[1,2]", "false")
    assert "error" not in call["tags"]
    assert collector.ingest.counts["otlp"].stored == 2


async def test_the_real_sdk_tells_the_same_trace_in_zipkins_json(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    exporter = ZipkinExporter(endpoint=f"{collector.url}/api/v2/spans")
    trace_id = await asyncio.to_thread(send_with, exporter)
    spans = (await client.get(f"{collector.url}/api/v2/trace/{trace_id}")).json()
    [server] = [span for span in spans if span["kind"] == "SERVER"]
    assert server["localEndpoint"]["serviceName"] == "shop"
    assert (server["tags"]["error"], server["tags"]["otel.status_code"]) == ("no database", "ERROR")
    assert collector.ingest.counts["http"].stored == 2


# ── answers ──────────────────────────────────────────────────────────────────────────────────


async def test_json_and_protobuf_tell_the_same_span(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    span = {"name": "work", "kind": 3, "startTimeUnixNano": "1763000000000000999"}
    answer = await client.post(url(collector), json=in_json(**span))
    assert (answer.status_code, answer.json()) == (200, {})
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "Shop"
    sent = resource.scope_spans.add().spans.add()
    sent.trace_id, sent.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    sent.name, sent.start_time_unix_nano = "work", 1763000000000000999
    sent.kind = sent.SPAN_KIND_CLIENT
    answer = await client.post(url(collector), content=request.SerializeToString(), headers=PROTO)
    assert (answer.status_code, answer.content) == (200, b"")
    # Equal spans come back once.
    spans = (await client.get(f"{collector.url}/api/v2/trace/{TRACE}")).json()
    assert [(span["name"], span["timestamp"]) for span in spans] == [("work", 1763000000000000)]
    assert collector.ingest.counts["otlp"].stored == 2


async def test_spans_without_an_id_are_rejected_and_the_rest_is_kept(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    good = {"traceId": TRACE, "spanId": SPAN}
    spans = [good, good | {"traceId": "0" * 32}, good | {"spanId": "1"}]
    body = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    answer = await client.post(url(collector), json=body)
    assert answer.status_code == 200
    assert answer.json()["partialSuccess"]["rejectedSpans"] == "2"
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(name="nameless")
    answer = await client.post(url(collector), content=request.SerializeToString(), headers=PROTO)
    told = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert told.rejected_spans == 1
    assert "all zeros" in told.error_message
    counts = collector.ingest.counts["otlp"]
    assert (counts.spans, counts.stored, counts.dropped["invalid"]) == (4, 1, 3)


def test_a_parent_of_zeros_is_none() -> None:
    for zeros in ("", "0", "0" * 16):
        [span] = to_batch([resource_of(parent_id=zeros)]).spans
        assert span.parent_id is None


def resource_of(**more: str) -> OtelResource:
    span = OtelSpan(trace_id=TRACE, span_id=SPAN, **more)  # type: ignore[arg-type] # all are texts
    return OtelResource(scopes=[Scope(spans=[span])])


@pytest.mark.parametrize(
    "body",
    [
        b"\x0a",
        b"\x0a\x05\x00",
        b"\x08\x01",
        b"\x00",
        b"\x0a" + b"\xff" * 11,
        b"\x0b\x0c",
        in_proto(SPAN_FIELDS + write_field(1, 7)),
        in_proto(SPAN_FIELDS + b"\x38\x01"),
        in_proto(SPAN_FIELDS + b"\x39\x01\x02"),
        in_proto(SPAN_FIELDS + write_field(9, write_field(2, b"\x09\x01"))),
    ],
    ids=[
        "no length", "a length past the end", "resource spans as a number", "field zero",
        "a varint without an end", "a group", "a trace id as a number", "a time as a varint",
        "half a time", "a boolean's field as fixed64, cut",
    ],
)  # fmt: skip
async def test_bytes_that_are_no_request_are_a_400_with_a_reason(
    collector: Collector, client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post(url(collector), content=body, headers=PROTO)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert b"Malformed" in answer.content or b"Truncated" in answer.content
    assert collector.ingest.counts["otlp"].messages_dropped == 1


@pytest.mark.parametrize(
    "span",
    [
        {"traceId": "W47/95gDgQPSabYzgT/GDA=="},
        {"kind": "SPAN_KIND_SERVER"},
        {"startTimeUnixNano": "-1"},
        {"startTimeUnixNano": "1e999"},
        {"attributes": [{"key": "a", "value": {"intValue": "x"}}]},
        {"attributes": [{"key": "a", "value": {"bytesValue": "?"}}]},
        {"attributes": {"a": "b"}},
        {"events": [7]},
    ],
)
async def test_json_that_is_no_request_is_a_400_with_a_reason(
    collector: Collector, client: httpx.AsyncClient, span: dict[str, object]
) -> None:
    answer = await client.post(url(collector), json=in_json(**span))
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert answer.json()["message"]


async def test_what_is_packed_must_be_whole_small_and_of_a_known_kind(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    body = in_proto(SPAN_FIELDS)
    bomb = zlib.compress(bytes(65 << 20))
    for packed, coding, status in (
        (gzip.compress(body), "gzip", 200),
        (zlib.compress(body), "deflate", 200),
        (gzip.compress(body)[:-5], "gzip", 400),
        (b"\x0a\x00", "gzip", 400),
        (body, "br", 400),
        (bomb, "deflate", 413),
    ):
        headers = PROTO | {"content-encoding": coding}
        answer = await client.post(url(collector), content=packed, headers=headers)
        assert answer.status_code == status, coding
    answer = await client.post(url(collector), content=bytes(11 << 20), headers=PROTO)
    assert answer.status_code == 413


async def test_another_path_method_or_type_is_told_so(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    base = url(collector)
    assert (await client.get(base)).status_code == 405
    assert (await client.post(base.replace("traces", "logs"))).status_code == 404
    assert (await client.post(base, content=b"{}")).status_code == 415
    answer = await client.post(base, content=b"", headers=PROTO)
    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_full_queue_asks_to_come_again(client: httpx.AsyncClient, tmp_path: Path) -> None:
    async with full(tmp_path) as (collector, _):
        answer = await client.post(url(collector), json=in_json())
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        counts = collector.ingest.counts["otlp"]
        assert (counts.spans, counts.dropped["busy"], counts.stored) == (1, 1, 0)
