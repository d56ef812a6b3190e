"""Spans by every exporter, to real receivers."""

import socket
from collections.abc import AsyncIterator

import pytest
from opentelemetry.exporter.zipkin.json import ZipkinExporter

from tests.tracing.test_encode import EDGE, record
from tests.tracing.test_exchange import exchange
from tests.vectors.zipkin import running
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.model import V2Span
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.recorder import Recorder
from tracing.recorder.destination import DestinationError, check_destination, open_exporter
from tracing.recorder.exporter import ExportError
from tracing.recorder.otel import OtelExporter

TRACE = b"tracetra".hex()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running({}) as started:
        yield started


async def test_otlp_delivers_the_same_spans() -> None:
    http, otlp = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    collector = Collector(MemoryStore(), Settings(), http, otlp=otlp)
    await collector.start()
    try:
        recorder = await delivered(f"otlp+http://127.0.0.1:{otlp.getsockname()[1]}")
        assert (recorder.exported, collector.ingest.counts["otlp"].stored) == (3, 3)
        judge(await stored(collector))
    finally:
        await collector.aclose()


async def delivered(destination: str) -> Recorder:
    recorder = Recorder(open_exporter(destination), attempts_max=2)
    await recorder.start()
    recorder.record(exchange())
    recorder.record(
        record(trace_id=b"tracetra", tags={"error": "late"}, annotations=((5, "wire"),))
    )
    await recorder.aclose()
    return recorder


async def stored(collector: Collector) -> dict[tuple[str, str], V2Span]:
    spans = await collector.ingest._store.trace(TRACE)
    return {(span.id, span.kind or ""): span for span in spans}


def judge(spans: dict[tuple[str, str], V2Span]) -> None:
    client = spans[b"clientcl".hex(), "CLIENT"]
    server = spans[b"serverse".hex(), "SERVER"]
    assert (client.parent_id, server.parent_id) == (b"serverse".hex(), b"parentpa".hex())
    assert (client.timestamp, client.duration) == (1_763_000_000_000_000, 1_500)
    assert (client.service, server.service) == ("#/io.l5d.fs/hello", "edge")
    assert (client.tags or {})["http.uri"] == "/things/42"
    assert (server.tags or {})["service"] == "/svc/hello"
    other = spans["00f067aa0ba902b7", "CLIENT"]
    assert "error" in (other.tags or {})


async def test_zipkin_and_scribe_deliver_the_same_spans(collector: Collector) -> None:
    for destination in (collector.url, f"scribe://127.0.0.1:{collector.scribe_port}"):
        recorder = await delivered(destination)
        assert (recorder.exported, recorder.dropped_export_failed) == (3, 0)
    spans = await stored(collector)
    judge(spans)
    counts = collector.ingest.counts
    assert (counts["http"].stored, counts["scribe"].stored) == (3, 3)


async def test_an_exporter_of_the_sdk_delivers_each_service_by_itself(collector: Collector) -> None:
    recorder = Recorder(OtelExporter(ZipkinExporter(endpoint=collector.url + "/api/v2/spans")))
    await recorder.start()
    recorder.record(exchange())
    recorder.record(record(trace_id=b"tracetra", tags={"error": "late"}, local=EDGE))
    await recorder.aclose()
    assert recorder.exported == 3
    judge(await stored(collector))


async def test_nobody_at_home_is_a_failure_that_is_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}/api/v2/spans"
        exporter = OtelExporter(ZipkinExporter(endpoint=endpoint))
        with pytest.raises(ExportError, match="ZipkinExporter: ConnectionError"):
            await exporter.send([exporter.encode([record()])])
        await exporter.aclose()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:9411",
        "scribe://",
        "scribe://h/p",
        "otlp+scribe://x",
        "otel:",
        "scribe://h:x",
        "scribe://a..b",
    ],
)
def test_what_is_no_destination_is_refused(text: str) -> None:
    with pytest.raises(DestinationError):
        check_destination(text)


def test_an_exporter_that_is_not_installed_is_named_with_those_that_are() -> None:
    with pytest.raises(DestinationError, match=r"there are: .*otlp_proto_http.*zipkin_json"):
        check_destination("otel:jaeger")


async def test_an_installed_exporter_is_opened_by_its_name(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", collector.url + "/api/v2/spans")
    recorder = await delivered("otel:zipkin_json")
    assert recorder.exported == 3
    judge(await stored(collector))


async def test_otlp_goes_over_grpc_too(monkeypatch: pytest.MonkeyPatch) -> None:
    http, grpc = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
    collector = Collector(MemoryStore(), Settings(), http, otlp_grpc=grpc)
    await collector.start()
    url = f"http://127.0.0.1:{grpc.getsockname()[1]}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url)
    try:
        recorder = await delivered("otel:otlp_proto_grpc")
        assert recorder.exported == 3
        judge(await stored(collector))
    finally:
        await collector.aclose()
