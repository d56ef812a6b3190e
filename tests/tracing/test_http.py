"""The HTTP surface under bad input, and what it counts."""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.kits.collecting import collecting, full
from tests.kits.limits import no_longer_files
from tests.kits.packing import pack
from tests.vectors.zipkin import running
from tracing.pipeline.collector import Collector
from tracing.pipeline.http.unpack import BombError, gunzip, inflate
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.sqlite import SqliteStore

GOOD = {"traceId": "463ac35c9f6413ad", "id": "a2fb4a1d1a96d312"}


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running({}) as started:
        yield started


@pytest.fixture
async def client(collector: Collector) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=collector.url, trust_env=False) as one:
        yield one


async def post(client: httpx.AsyncClient, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post("/api/v2/spans", content=body, headers=named)


async def test_a_bomb_is_refused_before_it_fills_the_memory(client: httpx.AsyncClient) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(80)) + packer.flush()
    answer = await post(client, b"[" + bomb, content_encoding="gzip")
    assert answer.status_code == 400
    answer = await post(client, bomb, content_encoding="gzip")
    assert answer.status_code == 413
    assert (await client.get("/health")).status_code == 200


async def test_a_body_over_ten_mib_is_413(client: httpx.AsyncClient) -> None:
    answer = await post(client, b"[" + b" " * (10 << 20) + b"]")
    assert answer.status_code == 413


def test_unpacking_stops_at_its_cap() -> None:
    assert gunzip(gzip.compress(b"x" * 100), 100) == b"x" * 100
    with pytest.raises(BombError):
        gunzip(gzip.compress(b"x" * 101), 100)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'[{"traceId":"1","id":"1","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b'[{"traceId":"1","id":"1","timestamp":NaN}]',
        b'[{"traceId":"1","id":"1","duration":Infinity}]',
        b'[{"traceId":"1","id":"1","duration":1e999}]',
        b'[{"traceId":"1","id":"1","duration":' + b"9" * 10_000 + b"}]",
        b'[{"traceId":"-1","id":"1"}]',
        '[{"traceId":"\u0661","id":"1"}]'.encode(),
    ],
    ids=range(8),
)
async def test_absurd_json_is_a_400_and_nothing_else(
    client: httpx.AsyncClient, body: bytes
) -> None:
    assert (await post(client, body)).status_code == 400
    assert (await post(client, json.dumps([GOOD]).encode())).status_code == 202


async def test_large_tags_come_back_whole(client: httpx.AsyncClient) -> None:
    span = GOOD | {"tags": {"big": "x" * (1 << 20)} | {f"k{n}": "v" for n in range(10_000)}}
    assert (await post(client, json.dumps([span]).encode())).status_code == 202
    [read] = (await client.get(f"/api/v2/trace/{GOOD['traceId']}")).json()
    assert read["tags"] == span["tags"]


async def test_a_full_queue_is_503_and_counted(tmp_path: Path) -> None:
    async with full(tmp_path) as (collector, _):
        async with httpx.AsyncClient(base_url=collector.url, trust_env=False) as client:
            assert (await post(client, json.dumps([GOOD]).encode())).status_code == 503
        counts = collector.ingest.counts["http"]
        assert counts.dropped["busy"] == 1
        assert counts.spans == counts.stored + counts.queued + counts.spans_dropped


async def test_a_full_disk_is_told_and_over_with_the_next_span_that_is_kept(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "spans")
    async with collecting(store) as one, httpx.AsyncClient(trust_env=False) as client:
        client.base_url = httpx.URL(one.url)
        await post(client, json.dumps([GOOD]).encode())
        await store.check()  # all is indexed: what writes the index has nothing to do meanwhile
        with no_longer_files(1):
            answer = await post(client, json.dumps([GOOD | {"id": "2"}]).encode())
            assert (answer.status_code, answer.headers["content-type"]) == (500, "text/*")
            assert "cannot write" in answer.text
        health = await client.get("/health")
        assert health.status_code == 503
        [store] = [
            part for name, part in health.json()["zipkin"]["details"].items() if "SQL" in name
        ]
        assert store == {"status": "DOWN", "details": {"error": answer.text}}
        await post(client, json.dumps([GOOD | {"id": "3"}]).encode())
        assert (await client.get("/health")).status_code == 200


async def test_requests_are_timed_by_what_was_asked_for_and_never_by_what_it_named(
    client: httpx.AsyncClient,
) -> None:
    await post(client, json.dumps([GOOD]).encode())
    await post(client, b"x")
    for number in range(1, 4):
        await client.get(f"/zipkin/api/v2/trace/{GOOD['traceId']}?n={number}")
        await client.get(f"/nowhere/{number}")
        await client.request(f"X{number}", "/zipkin")
    text = (await client.get("/prometheus")).text
    assert "# TYPE http_server_requests_seconds histogram\n" in text
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("http_"))
    counts = {name: count for name, count in told.items() if "_count{" in name}
    labels = "http_server_requests_seconds_count"
    assert counts == {
        f'{labels}{{method="POST",status="202",uri="/api/v2/spans"}}': "1",
        f'{labels}{{method="POST",status="400",uri="/api/v2/spans"}}': "1",
        f'{labels}{{method="GET",status="200",uri="/api/v2/trace/{{traceId}}"}}': "3",
        f'{labels}{{method="GET",status="404",uri="NOT_FOUND"}}': "3",
    }
    first = 'http_server_requests_seconds_bucket{method="POST",status="202",uri="/api/v2/spans",le='
    buckets = [int(count) for name, count in told.items() if name.startswith(first)]
    assert buckets == sorted(buckets)
    assert buckets[-1] == int(told[f'{first}"+Inf"}}']) == 1


async def test_the_ledger_balances_under_mixed_load(
    collector: Collector, client: httpx.AsyncClient
) -> None:
    bodies = [json.dumps([GOOD | {"name": str(n)}]).encode() for n in range(50)]
    bodies += [b"[{}]", b"nonsense", b"[]"] * 5
    await asyncio.gather(*(post(client, body) for body in bodies))
    counts = collector.ingest.counts["http"]
    assert (counts.messages, counts.messages_dropped) == (65, 10)
    assert counts.spans == 50 == counts.stored
    ledger = (await client.get("/ledger")).json()
    assert ledger["store"]["stored"] == 50
    text = (await client.get("/prometheus")).text
    assert 'zipkin_collector_spans_total{transport="http"} 50' in text
    assert "weir_store_spans_stored_total 50" in text


async def test_the_ledger_is_a_page_for_browsers_and_json_for_all_else(
    client: httpx.AsyncClient,
) -> None:
    await post(client, json.dumps([GOOD]).encode())
    page = await client.get("/ledger", headers={"accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert "It balances." in page.text
    assert '<th scope="row">received</th><td>1</td>' in page.text
    for path in ("/ledger", "/ledger.json"):
        assert (await client.get(path)).json()["since_start"]["stored"] == 1


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("127.0.0.1:9411", ""),
        ("tracing.example:80", " --collector http://tracing.example:80"),
        ("a;rm", ""),
    ],
)
async def test_a_route_comes_with_the_command_that_explains_it(
    client: httpx.AsyncClient, host: str, more: str
) -> None:
    span = GOOD | {"timestamp": 1, "tags": {"service": "/svc/a"}}
    await post(client, json.dumps([span]).encode())
    page = await client.get(f"/traces/{GOOD['traceId']}", headers={"host": host})
    assert f"<code>weir explain --trace {GOOD['traceId']}{more}</code>" in page.text


async def test_html_in_names_stays_text_on_every_page(client: httpx.AsyncClient) -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    now_us = int(asyncio.get_running_loop().time()) or 1
    span = GOOD | {
        "name": evil,
        "kind": "CLIENT",
        "timestamp": now_us,
        "duration": 5,
        "localEndpoint": {"serviceName": evil},
        "remoteEndpoint": {"serviceName": evil + "2"},
        "annotations": [{"timestamp": now_us, "value": evil}],
        "tags": {evil: evil, "route.service": evil},
    }
    assert (await post(client, json.dumps([span]).encode())).status_code == 202
    query = "?endTs=9000000000000&lookback=9000000000000"
    for path in (f"/traces{query}", f"/traces/{GOOD['traceId']}"):
        page = await client.get(path)
        assert page.status_code == 200
        assert "alert(1)" in page.text
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "default-src 'self'" in page.headers["content-security-policy"]


async def test_a_page_of_large_texts_is_bounded(client: httpx.AsyncClient) -> None:
    long = "<" * 200_000
    tags = {f"k{number}": "v" for number in range(1_000)}
    tags |= dict.fromkeys(("dtab.trail", "dtab.local", "error", "http.uri", long), long)
    spans = [
        {**GOOD, "id": f"{number:x}", "name": long, "timestamp": number, "tags": tags}
        | {"localEndpoint": {"serviceName": long}, "annotations": [{"timestamp": 1, "value": long}]}
        for number in range(1, 9)
    ]
    for one in spans:
        assert (await post(client, json.dumps([one]).encode())).status_code == 202
    own = GOOD["traceId"]
    for path in ("", "/why"):
        page = await client.get(f"/traces/{own}{path}")
        assert page.status_code == 200
        assert "200,000 characters, whole in the JSON" in page.text
        assert len(page.text) < 2_000_000
    assert "more</th><td>in the JSON" in (await client.get(f"/traces/{own}")).text
    page = await client.get("/traces?endTs=9000000000000&lookback=9000000000000")
    assert len(page.text) < 2_000_000


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_body_of_several_members_is_unpacked_whole(coding: str) -> None:
    whole = pack(b"one ", coding) + pack(b"", coding) + pack(b"two", coding)
    assert inflate(whole, coding.encode()) == b"one two"
    with pytest.raises(BombError):
        inflate(whole, coding.encode(), 6)
    for wrong in (whole + b"\0", whole[:-1], pack(b"", coding) * 100_000):
        with pytest.raises(SpanError, match="Cannot unpack the body"):
            inflate(wrong, coding.encode())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/traces?limit=0", 200),
        ("/traces?minDuration=soon", 200),
        ("/traces?lookback=x", 200),
        ("/traces?id=463ac35c9f6413ad", 302),
        ("/traces/nonsense", 400),
        ("/compare", 400),
        (f"/compare?a={'1' * 16}&b={'2' * 16}", 404),
        ("/graph", 200),
        (f"/traces/{'1' * 16}", 404),
        ("/zipkin/", 200),
        ("/zipkin/traces/1", 200),
        ("/ui/style.css", 200),
        ("/ui/nothing", 404),
    ],
)
async def test_a_page_answers_whatever_is_asked(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    assert (await client.get(path)).status_code == status
