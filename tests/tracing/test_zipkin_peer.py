"""A real Zipkin server beside ours: the same spans to both, the same answers from both."""

import asyncio
import json
import random
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest

from bench.collector import free_port, wait_ready, zipkin_command
from tests.tracing.pages_data import traffic
from tests.tracing.test_encode import record
from tests.tracing.test_exchange import exchange
from tests.vectors.zipkin import running
from tracing.context import TraceContext
from tracing.encode.zipkin_json import encode_spans
from tracing.pipeline.collector import Collector
from tracing.recorder import Recorder, ZipkinHttpExporter
from tracing.recorder.destination import open_exporter
from tracing.recorder.scribe import ScribeExporter

COMMAND = zipkin_command()

pytestmark = [
    pytest.mark.peer,
    pytest.mark.slow,
    pytest.mark.skipif(
        COMMAND is None,
        reason="no Java, or no jar of io.zipkin:zipkin-server:3.6.1:jar:exec in ~/.m2",
    ),
]


@pytest.fixture(scope="module")
def scribe_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def zipkin(tmp_path_factory: pytest.TempPathFactory, scribe_port: int) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("zipkin") / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*(COMMAND or ()), f"--server.port={port}", f"--armeria.ports[0].port={port}"],
            env={
                "QUERY_PORT": str(port),
                "COLLECTOR_SCRIBE_ENABLED": "true",
                "COLLECTOR_PORT": str(scribe_port),
                "PATH": "/usr/bin:/bin",
            },
            stdout=out,
            stderr=out,
        )
        try:
            wait_ready(process, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
async def ours() -> AsyncIterator[Collector]:
    async with running({}) as started:
        yield started


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as one:
        yield one


def bag(value: object) -> object:
    """Lists as multisets at every depth."""
    if isinstance(value, list):
        return sorted(json.dumps(bag(item), sort_keys=True) for item in value)
    return value


async def wait_for(holds: Callable[[], Awaitable[bool]], *, seconds: float = 5.0) -> bool:
    """The real server stores behind its answer."""
    try:
        async with asyncio.timeout(seconds):
            while not await holds():  # noqa: ASYNC110 - another process tells nobody
                await asyncio.sleep(0.05)
    except TimeoutError:
        return False
    return True


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
    for span in spans:
        recorder.record(span)
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
    recorder.exchange(exchange(trace=TraceContext(trace_id, b"serverse")))
    await recorder.aclose()
    assert recorder.exported == 3

    async def stored() -> bool:
        answer = await client.get(f"{zipkin}/api/v2/trace/{trace_id.hex()}")
        found = {span["id"]: span for span in answer.json()} if answer.status_code == 200 else {}
        return len(found) == 3 and found[b"serverse".hex()]["tags"]["service"] == "/svc/hello"

    assert await wait_for(stored)


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
