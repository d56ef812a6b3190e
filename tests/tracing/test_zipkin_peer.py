"""A real Zipkin server beside ours: the same spans to both, the same answers from both."""

import gzip
import json
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.kits.running import free_port
from tests.kits.span_store import span
from tests.kits.zipkin_server import NEEDS_ZIPKIN, bag, wait_for, zipkin_server
from tests.tracing.pages_data import traffic
from tests.tracing.test_encode import record
from tests.tracing.test_exchange import exchange
from tests.vectors.zipkin import running
from tracing.context import TraceContext
from tracing.encode.zipkin_json import encode_spans
from tracing.pipeline.batch import batch_of
from tracing.pipeline.collector import Collector
from tracing.pipeline.collector_config import CollectorConfig, ZipkinExportConfig
from tracing.recorder import Recorder, ZipkinHttpExporter
from tracing.recorder.destination import open_exporter
from tracing.recorder.scribe import ScribeExporter

pytestmark = [pytest.mark.peer, pytest.mark.slow, NEEDS_ZIPKIN]


@pytest.fixture(scope="module")
def scribe_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, scribe_port: int
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    env = {"COLLECTOR_SCRIBE_ENABLED": "true", "COLLECTOR_PORT": str(scribe_port)}
    with zipkin_server(tmp_path_factory.mktemp("zipkin"), env) as started:
        yield started


@pytest.fixture(scope="module")
def zipkin(server: tuple[str, subprocess.Popen[bytes]]) -> str:
    return server[0]


@pytest.fixture
async def ours() -> AsyncIterator[Collector]:
    async with running({}) as started:
        yield started


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as one:
        yield one


async def test_our_recorder_feeds_a_real_server(zipkin: str, client: httpx.AsyncClient) -> None:
    recorder = Recorder(ZipkinHttpExporter(zipkin))
    await recorder.start()
    trace_id = random.randbytes(16)
    recorder.record(record(trace_id=trace_id))
    await recorder.aclose()
    assert recorder.exported == 1

    async def stored() -> bool:
        answer = await client.get(f"{zipkin}/api/v2/trace/{trace_id.hex()}")
        return answer.status_code == 200

    assert await wait_for(stored)


async def test_our_recorder_feeds_a_real_server_over_scribe(
    zipkin: str, scribe_port: int, client: httpx.AsyncClient
) -> None:
    recorder = Recorder(ScribeExporter("127.0.0.1", scribe_port))
    await recorder.start()
    trace_id = random.randbytes(16)
    spans = [record(trace_id=trace_id), record(trace_id=trace_id, kind="SERVER", shared=True)]
    for one in spans:
        recorder.record(one)
    await recorder.aclose()
    assert recorder.exported == 2
    wanted = json.loads(encode_spans(spans))

    async def stored() -> bool:
        answer = await client.get(f"{zipkin}/api/v2/trace/{trace_id.hex()}")
        return answer.status_code == 200 and bag(answer.json()) == bag(wanted)

    assert await wait_for(stored)


async def test_an_exporter_of_the_sdk_feeds_a_real_server(
    zipkin: str, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ZIPKIN_ENDPOINT", zipkin + "/api/v2/spans")
    recorder = Recorder(open_exporter("otel:zipkin_json"))
    await recorder.start()
    trace_id = random.randbytes(16)
    recorder.record(record(trace_id=trace_id))
    recorder.record(exchange(trace=TraceContext(trace_id, b"serverse")))
    await recorder.aclose()
    assert recorder.exported == 3

    async def stored() -> bool:
        answer = await client.get(f"{zipkin}/api/v2/trace/{trace_id.hex()}")
        found = {span["id"]: span for span in answer.json()} if answer.status_code == 200 else {}
        return len(found) == 3 and found[b"serverse".hex()]["tags"]["service"] == "/svc/hello"

    assert await wait_for(stored)


async def test_what_is_stored_is_sent_on_to_a_real_server_through_its_pause(
    server: tuple[str, subprocess.Popen[bytes]], client: httpx.AsyncClient
) -> None:
    zipkin, process = server
    export = (ZipkinExportConfig(kind="zipkin", url=zipkin, timeout_s=0.5),)
    config = CollectorConfig(export=export)
    traces = [json.loads(batch_of([span(0xF00 + n), span(0xF00 + n, 2)]).body) for n in range(20)]
    ids = ",".join(trace[0]["traceId"] for trace in traces)
    path = f"/api/v2/traceMany?traceIds={ids}"
    async with running({}, config) as ours:
        await client.post(ours.url + "/api/v2/spans", json=traces[0])

        async def exported(count: int) -> bool:
            told = (await client.get(ours.url + "/ledger")).json()
            return bool(told["store"]["exported"] == count)

        assert await wait_for(lambda: exported(len(traces[0])))
        process.send_signal(signal.SIGSTOP)
        try:
            for trace in traces[1:]:
                await client.post(ours.url + "/api/v2/spans", json=trace)

            async def troubled() -> bool:
                told = (await client.get(ours.url + "/ledger")).json()
                return "Timeout" in (told["export"]["zipkin"]["problem"] or "")

            assert await wait_for(troubled)
        finally:
            process.send_signal(signal.SIGCONT)
        assert await wait_for(lambda: exported(sum(map(len, traces))))

        async def same() -> bool:
            theirs, own = [await client.get(url + path) for url in (zipkin, ours.url)]
            return bag(theirs.json()) == bag(own.json())

        assert await wait_for(same)
        assert len((await client.get(zipkin + path)).json()) == len(traces)


async def test_a_span_that_a_real_server_never_takes_does_not_stop_the_others(
    zipkin: str, client: httpx.AsyncClient
) -> None:
    export = (ZipkinExportConfig(kind="zipkin", url=zipkin),)
    huge = [{"traceId": "fa", "id": "1", "tags": {"text": "x" * (11 << 20)}}]
    async with running({}, CollectorConfig(export=export)) as ours:
        packed = gzip.compress(json.dumps(huge).encode())
        url = ours.url + "/api/v2/spans"
        await client.post(url, content=packed, headers={"content-encoding": "gzip"})
        await client.post(url, json=[{"traceId": "fb", "id": "2"}])

        async def told() -> bool:
            store = (await client.get(ours.url + "/ledger")).json()["export"]["zipkin"]
            # What is refused is counted by blocks, and both may lie in one.
            return bool(store["refused"] and store["sent"] + store["refused"] == 2)

        assert await wait_for(told)
    assert (await client.get(f"{zipkin}/api/v2/trace/fb")).status_code == 200


async def test_both_answer_the_same_questions_the_same_way(
    zipkin: str, ours: Collector, client: httpx.AsyncClient
) -> None:
    end_us = 1_600_000_000_000_000
    traces = list(traffic(end_us, 30))
    for url in (zipkin, ours.url):
        for trace in traces:
            answer = await client.post(url + "/api/v2/spans", json=trace)
            assert answer.status_code == 202
    window = f"endTs={end_us // 1000}&lookback=3600000"
    for path in (
        f"/api/v2/dependencies?{window}",
        f"/api/v2/traces?{window}&limit=100",
        f"/api/v2/traces?{window}&limit=7&serviceName=cart",
        f"/api/v2/traces?{window}&limit=100&annotationQuery=error",
        f"/api/v2/traces?{window}&limit=100&annotationQuery=http.status_code%3D503+and+cache.miss",
        f"/api/v2/traces?{window}&limit=100&minDuration=20000&maxDuration=30000",
        f"/api/v2/traces?{window}&limit=100&serviceName=edge&remoteServiceName=users",
        f"/api/v2/trace/{traces[4][0]['traceId']}",
    ):

        async def same(path: str = path) -> bool:
            theirs, own = [await client.get(url + path) for url in (zipkin, ours.url)]
            return bag(theirs.json()) == bag(own.json())

        assert await wait_for(same), path
