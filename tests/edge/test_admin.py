"""The admin port: its document, its metrics, draining; in one process and in several."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client.openmetrics import parser as open_parser
from prometheus_client.parser import text_string_to_metric_families as read_plain

from tests.kits.edge_process import RunningEdge, running_edge, send, services
from tests.kits.mirror import asked, mirror
from tests.kits.running import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

HOUSE = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((HOUSE / "edge" / "admin" / "openapi.yml").read_text())
GETS = sorted(path for path, ways in DOCUMENT["paths"].items() if "get" in ways)

CONFIG = """
workers: {workers}
listener: {{ip: 127.0.0.1, port: 0}}
admin: {{ip: 127.0.0.1, port: 0}}
hosts: [www.hello.world, "*.many.example"]
dtab: |
  /srv => /#/io.l5d.fs ;
  /svc => /srv/one ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
limits: {{client: {{per_s: 0.001, burst: 400}}}}
tracing: {{collector: "http://127.0.0.1:9", sample_rate: 1}}
reload_on_change: false
"""
OPEN = {"Accept": "application/openmetrics-text;version=1.0.0"}


@pytest.fixture(scope="module", params=[1, 2], ids=["alone", "two workers"])
def edge(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningEdge]:
    folder: Path = tmp_path_factory.mktemp("admin")
    with mirror("one") as one:
        place = services(folder, {"one": one.port})
        text = CONFIG.format(services=place, workers=request.param)
        with running_edge(folder, text) as running:
            yield running


def ask(edge: RunningEdge, *lines: str, host: str = "www.hello.world", source: int = 1) -> bytes:
    raw = "\r\n".join(("GET / HTTP/1.1", f"Host: {host}", *lines)) + "\r\n\r\n"
    return send(edge.port, raw.encode(), source=f"127.7.0.{source}")


def fits(told: httpx.Response, path: str, method: str) -> None:
    """The answer is one that the document tells of."""
    responses = DOCUMENT["paths"][path][method]["responses"]
    assert str(told.status_code) in responses, told.text
    said = responses[str(told.status_code)]
    while "$ref" in said:
        said = DOCUMENT["components"]["responses"][said["$ref"].rpartition("/")[2]]
    if "content" not in said:
        return
    kind = told.headers["content-type"].partition(";")[0]
    if kind == "application/json":
        schema = said["content"][kind]["schema"]
        Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(told.json())
    else:
        assert kind in said["content"] or kind == "application/openmetrics-text"


def test_the_document_tells_of_every_path() -> None:
    code = "".join((HOUSE / room / "admin" / "port.py").read_text() for room in ("edge", "mesh"))
    served = set(re.findall(r'Route\(\s*"(/[^"]*)"', code))
    assert served == set(DOCUMENT["paths"])


@pytest.mark.parametrize("path", GETS)
def test_what_the_document_says_is_answered(edge: RunningEdge, path: str) -> None:
    ask(edge)
    wanted = DOCUMENT["paths"][path]["get"].get("parameters", [])
    params = {one["name"]: one["example"] for one in wanted if "example" in one}
    fits(httpx.get(edge.admin + path, params=params), path, "get")


@pytest.mark.parametrize(
    ("path", "example"),
    [("/reload", None)]
    + [
        ("/explain", one["value"])
        for one in DOCUMENT["paths"]["/explain"]["post"]["requestBody"]["content"][
            "application/json"
        ]["examples"].values()
    ],
)
def test_each_example_of_a_request_works(edge: RunningEdge, path: str, example: Any) -> None:
    fits(httpx.post(edge.admin + path, json=example), path, "post")


def test_each_example_of_an_answer_is_one() -> None:
    checked = 0
    responses = [
        one
        for ways in DOCUMENT["paths"].values()
        for way in ways.values()
        for one in way["responses"].values()
    ]
    for said in [*responses, *DOCUMENT["components"]["responses"].values()]:
        for content in said.get("content", {}).values():
            if "example" in content:
                checked += 1
                schema = {**content["schema"], "components": DOCUMENT["components"]}
                Draft202012Validator(schema).validate(content["example"])
    assert checked >= 3


def read_open(text: str) -> list[Metric]:
    """OpenMetrics by a strict reader, which raises at what is none."""
    return list(open_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


def samples(edge: RunningEdge) -> dict[tuple[str, str], float]:
    """Metrics by name and the values of their labels."""
    text = httpx.get(f"{edge.admin}/metrics").text
    return {
        (one.name, " ".join(value for key, value in sorted(one.labels.items()) if key != "le")): (
            one.value
        )
        for family in read_plain(text)
        for one in family.samples
    }


def test_metrics_count_every_worker(edge: RunningEdge) -> None:
    before = samples(edge)
    for number in range(20):
        ask(edge, "l5d-dtab: /a => /b", source=20 + number)
    ask(edge, host="nobody.test", source=3)

    def more(name: str, labels: str = "") -> float:
        return samples(edge)[name, labels] - before.get((name, labels), 0.0)

    until(lambda: more("weir_edge_requests_total", "200") == 21)
    assert more("weir_edge_service_requests_total", "200 /svc/www.hello.world") == 20
    assert more("weir_edge_request_duration_seconds_count", "/svc/www.hello.world") == 20
    assert more("weir_edge_dropped_requests_total") == 20
    counts = httpx.get(f"{edge.admin}/edge.json").json()
    assert counts["dropped_requests"] >= 20


def test_names_and_units_are_as_prometheus_wants_them(edge: RunningEdge) -> None:
    ask(edge)
    text = httpx.get(f"{edge.admin}/metrics", headers=OPEN).text
    families = read_open(text)
    assert all(family.name.startswith("weir_edge_") for family in families)
    assert all(family.documentation for family in families)
    for family in families:
        for one in family.samples:
            if family.type == "counter":
                assert one.name.endswith("_total")
            if family.type == "histogram":
                assert family.name.endswith("_seconds")


def test_an_exemplar_leads_to_the_trace_of_a_recent_request(edge: RunningEdge) -> None:
    ask(edge, source=4)

    def shown() -> set[str]:
        text = httpx.get(f"{edge.admin}/metrics", headers=OPEN).text
        return {
            one.exemplar.labels["trace_id"]
            for family in read_open(text)
            for one in family.samples
            if one.exemplar is not None
        }

    until(shown)
    recent = {row["trace"] for row in httpx.get(f"{edge.admin}/recent").json()}
    assert shown() & recent


def test_hosts_that_an_outsider_makes_up_make_few_series(tmp_path: Path) -> None:
    """Attacks 106: label values stay bounded; the rest is counted as `other`."""
    batch = 200
    with mirror("one") as one:
        place = services(tmp_path, {"one": one.port})
        text = CONFIG.format(services=place, workers=1)
        with running_edge(tmp_path, text) as edge:
            for start in range(0, 1_400, batch):
                raw = b"".join(
                    b"GET / HTTP/1.1\r\nHost: h%d.many.example\r\n%b\r\n"
                    % (number, b"Connection: close\r\n" if number == start + batch - 1 else b"")
                    for number in range(start, start + batch)
                )
                send_all(edge.port, raw, source=f"127.7.1.{1 + start // batch}")
            found = samples(edge)
            services_ = {key for name, key in found if name == "weir_edge_requests_in_flight"}
            assert len(services_) == 1_001
            assert found["weir_edge_service_requests_total", "200 other"] == 400
            assert found["weir_edge_requests_total", "200"] == 1_400
            assert len(httpx.get(f"{edge.admin}/routes").json()) <= 1_000


def send_all(port: int, raw: bytes, *, source: str) -> None:
    """Send pipelined requests and read until the end."""
    with socket.create_connection(("127.0.0.1", port), 30, (source, 0)) as sock:
        sock.sendall(raw)
        while sock.recv(65_536):
            pass


@pytest.mark.parametrize("path", ["/metrics", "/drain", "/edge.json", "/admin/metrics.json"])
def test_every_page_is_guarded(edge: RunningEdge, path: str) -> None:
    assert httpx.get(edge.admin + path, headers={"Host": "evil.example"}).status_code == 421
    across = httpx.post(edge.admin + path, headers={"Origin": "http://evil.example"})
    assert across.status_code == 403


@pytest.mark.parametrize("workers", [1, 2])
def test_drain_fails_readiness_and_ends_connections_with_their_answers(
    tmp_path: Path, workers: int
) -> None:
    with mirror("one") as one:
        place = services(tmp_path, {"one": one.port})
        text = CONFIG.format(services=place, workers=workers)
        with (
            running_edge(tmp_path, text) as edge,
            socket.create_connection(("127.0.0.1", edge.port), 30) as client,
        ):
            assert b"Connection: close" not in asked(client)
            drain = f"{edge.admin}/drain"
            assert httpx.get(drain).json() == {"draining": False, "connections": 1}
            assert httpx.get(f"{edge.admin}/admin/ready").status_code == 200
            assert httpx.post(drain).json() == {"draining": True, "connections": 1}
            assert httpx.get(f"{edge.admin}/admin/ready").text == "draining\n"
            assert httpx.get(f"{edge.admin}/admin/live").status_code == 200
            last = asked(client)
            assert last.startswith(b"HTTP/1.1 200 ")
            assert b"\r\nConnection: close" in last
            assert client.recv(1) == b""
            until(lambda: httpx.get(drain).json()["connections"] == 0)
            assert ask(edge).startswith(b"HTTP/1.1 200 ")  # who comes is still served


def test_connections_that_get_no_answer_are_counted_by_their_reason(tmp_path: Path) -> None:
    text = """
listeners:
- {ip: 127.0.0.1, port: 0, bounds: {connections_max: 1}}
- {ip: 127.0.0.1, port: 0, proxy_protocol: [127.0.0.0/8]}
admin: {port: 0}
"""
    with running_edge(tmp_path, text) as edge:
        with socket.create_connection(("127.0.0.1", edge.port), 30) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
            assert ask(edge) == b""
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert send(ready["ports"]["public-2"], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        found = samples(edge)
        rejected = "weir_edge_connections_rejected_total"
        assert (found[rejected, "too_many"], found[rejected, "before_http"]) == (1, 1)
        assert found["weir_edge_tunnels", ""] == 0
