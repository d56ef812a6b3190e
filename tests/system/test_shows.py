"""What the README promises, done to the running system as a user does it."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.kits.running import Running, start_up, until

if TYPE_CHECKING:
    from pathlib import Path

POD = r"127\.0\.1\.\d+"
WORLD = re.compile(rf"Hello \({POD}\) world \({POD}\)!!\Z")
EARTH = re.compile(rf"Hello \({POD}\) earth \({POD}\)!!\Z")
OVERRIDE = "/host/world => /srv/world-v2;"
WWW = {"Host": "www.hello.world"}


def get(url: str, **headers: str) -> httpx.Response:
    return httpx.get(url, headers={name.replace("_", "-"): text for name, text in headers.items()})


def edge(system: Running, path: str = "/", **headers: str) -> httpx.Response:
    wanted = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.get(system.edge + path, headers={**WWW, **wanted})


def mesh(system: Running, host: str, **headers: str) -> httpx.Response:
    return get(system.outgoing, Host=host, **headers)


def by_mark(system: Running, mark: str, count: int) -> list[dict[str, Any]]:
    """The spans of the trace whose http.uri holds the mark, once there are so many."""

    def look() -> list[dict[str, Any]] | None:
        for trace in system.traces(annotationQuery=f"http.uri=/{mark}"):
            if len(trace) >= count:
                return trace
        return None

    return until(look)


def test_a_request_crosses_the_system(system: Running) -> None:
    answer = edge(system)
    assert answer.status_code == 200
    assert WORLD.match(answer.text)


def test_the_api_host_answers_json(system: Running) -> None:
    text = edge(system, Host="api.hello.world").json()["api_result"]
    assert re.fullmatch(rf"api \({POD}\) Hello \({POD}\) world \({POD}\)!!", text)


def test_both_pods_of_a_service_are_used(system: Running) -> None:
    seen = {re.findall(POD, edge(system).text)[0] for _ in range(40)}
    assert seen == {"127.0.1.1", "127.0.1.129"}


@pytest.mark.parametrize("name", ["l5d-dtab", "L5D-DTAB", "l5d_dtab", "l5d-ctx-dtab", "l5d.dtab"])
def test_an_outsider_cannot_steer(system: Running, name: str) -> None:
    answer = httpx.get(system.edge, headers={**WWW, name: OVERRIDE})
    assert WORLD.match(answer.text)


def test_the_dogfood_cookie_reaches_the_staged_world(system: Running) -> None:
    assert EARTH.match(edge(system, Cookie="special_employee_cookie=dogfood").text)


@pytest.mark.parametrize(
    "cookie",
    [
        "special_employee_cookie=xdogfoodx",
        "special_employee_cookie=DOGFOOD",
        'special_employee_cookie="dogfood"',
        "special_employee_cookie=dogfood; special_employee_cookie=other",
        "other=special_employee_cookie=dogfood",
        "xspecial_employee_cookie=dogfood",
    ],
)
def test_a_cookie_that_only_resembles_the_dogfood_one_does_nothing(
    system: Running, cookie: str
) -> None:
    assert WORLD.match(edge(system, Cookie=cookie).text)


def test_an_employee_keeps_his_own_dtab(system: Running) -> None:
    cookie = "special_employee_cookie=letmein"
    assert EARTH.match(edge(system, Cookie=cookie, l5d_dtab=OVERRIDE).text)
    assert WORLD.match(edge(system, Cookie=cookie).text)


def test_an_employee_cannot_leave_the_mesh(system: Running) -> None:
    answer = edge(
        system,
        Cookie="special_employee_cookie=letmein",
        l5d_dtab="/host/world => /$/inet/169.254.169.254/80",
    )
    assert answer.status_code == 403
    assert "/$/inet/169.254.169.254/80" in answer.text


def test_an_employees_bad_dtab_is_explained_with_its_place(system: Running) -> None:
    answer = edge(system, Cookie="special_employee_cookie=letmein", l5d_dtab="/a => nope")
    assert answer.status_code == 400
    assert "\nwhy: simple expected but 'n' found at '/a => [n]ope'\n" in answer.text


def test_an_unknown_host_gets_the_test_answer(system: Running) -> None:
    answer = httpx.get(system.edge, headers={"Host": "nobody.example"})
    assert (answer.status_code, answer.text) == (200, "200 OK")
    assert httpx.get(system.edge).text == "200 OK"


def test_the_upstream_sees_a_clean_request(system: Running) -> None:
    answer = httpx.get(
        f"{system.edge}/a/b?c=d",
        headers={
            "Host": "Echo.Hello.World",
            "X-Forwarded-For": "6.6.6.6",
            "L5D-Reqid": "forged",
            "l5d-dst-client": "forged",
            "l5d-anything": "forged",
            "X-Mine": "kept",
            "Connection": "keep-alive, x-hop",
            "X-Hop": "gone",
        },
    ).json()
    seen = [(name.lower(), value) for name, value in answer["headers"]]
    names = [name for name, _ in seen]
    assert answer["target"] == "/a/b?c=d"
    assert dict(seen)["host"] == "echo.hello.world"
    assert dict(seen)["x-mine"] == "kept"
    assert dict(seen)["x-forwarded-for"] == "127.0.0.1"
    assert "x-hop" not in names
    assert "l5d-anything" not in names
    assert not [value for _, value in seen if "forged" in value]


def test_outsiders_see_nothing_of_the_inside(system: Running) -> None:
    names = {name.lower() for name in edge(system).headers}
    assert not [name for name in names if name.startswith("l5d")]


def test_by_http_proxy_a_name_is_enough(system: Running) -> None:
    with httpx.Client(proxy=system.outgoing) as client:
        assert WORLD.match(client.get("http://hello").text)
        assert EARTH.match(client.get("http://hello", headers={"l5d-dtab": OVERRIDE}).text)


def test_one_request_is_one_trace_of_eight_spans(system: Running) -> None:
    mark = uuid.uuid4().hex
    pods = re.findall(POD, edge(system, f"/{mark}").text)
    # hello calls world at /, so the trace is found by the mark and counted whole.
    trace = by_mark(system, mark, 8)
    assert len(trace) == 8
    spans = {span["id"]: span for span in trace}
    assert len(spans) == 8
    assert sorted(span["kind"] for span in trace) == ["CLIENT"] * 4 + ["SERVER"] * 4
    roots = [span for span in trace if "parentId" not in span]
    assert [root["localEndpoint"]["serviceName"] for root in roots] == ["edge"]
    for span in trace:
        if span not in roots:
            parent = spans[span["parentId"]]
            assert {span["kind"], parent["kind"]} == {"CLIENT", "SERVER"}
            assert span["timestamp"] >= parent["timestamp"]
    reached = {span["remoteEndpoint"]["ipv4"] for span in trace if span["kind"] == "CLIENT"}
    assert set(pods) <= reached
    assert {span["traceId"] for span in trace} == {roots[0]["id"]}


def test_a_request_inside_the_mesh_is_eight_spans_too(system: Running) -> None:
    mark = uuid.uuid4().hex
    with httpx.Client(proxy=system.outgoing) as client:
        client.get(f"http://hello/{mark}")
    trace = by_mark(system, mark, 8)
    assert len(trace) == 8


def test_a_trusted_caller_may_switch_tracing_off(system: Running) -> None:
    quiet, loud = uuid.uuid4().hex, uuid.uuid4().hex
    httpx.get(f"{system.outgoing}/{quiet}", headers={"Host": "hello", "l5d-sample": "0.0"})
    httpx.get(f"{system.outgoing}/{loud}", headers={"Host": "hello"})
    by_mark(system, loud, 8)  # what was sent before it is there as well
    assert system.traces(annotationQuery=f"http.uri=/{quiet}") == []


def test_an_outsider_may_not_switch_tracing_off(system: Running) -> None:
    mark = uuid.uuid4().hex
    edge(system, f"/{mark}", l5d_sample="0.0")
    assert len(by_mark(system, mark, 8)) == 8


def test_an_unknown_service_is_told_as_linkerd_tells_it(system: Running) -> None:
    mark = uuid.uuid4().hex
    answer = httpx.get(f"{system.outgoing}/{mark}", headers={"Host": "nope"})
    assert answer.status_code == 502
    assert answer.text == (
        "Unable to route request!\n\nservice name: /svc/nope\ndtab:\n\nbase dtab:\n"
        "  /srv => /#/io.l5d.fs\n  /host => /srv\n  /host/world => /srv/world-v1\n"
        "  /svc => /host\noverride dtab:\n\n"
    )
    assert answer.headers["l5d-err"].startswith("Unable+to+route+request%21%0A%0Aservice+name%3A+")
    (span,) = by_mark(system, mark, 1)
    assert span["tags"]["http.status_code"] == "502"
    assert span["tags"]["io.buoyant.router.Failure"].startswith("ClientAcquisition")
    assert "error" in span["tags"]


def test_a_bad_dtab_inside_is_400_and_a_span_says_so(system: Running) -> None:
    answer = mesh(system, "hello", l5d_dtab="/svc=>;;/=")
    assert answer.status_code == 400
    assert answer.text == "simple expected but ';' found at '/svc=>[;];/='"
    found = until(
        lambda: system.traces(annotationQuery="http.status_code=400 and error"),
    )
    assert any(
        span["tags"].get("io.buoyant.router.Failure", "").startswith("Identification")
        for trace in found
        for span in trace
    )


def test_no_host_is_told_as_linkerd_tells_it(system: Running) -> None:
    node = system.nodes[0]
    with socket.create_connection((node["ip"], node["outgoing"])) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: sock.recv(65_536), b""))
        port = sock.getsockname()[1]
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    wanted = (
        f'Unknown destination: Request("GET /x", from /127.0.0.1:{port}) / Host header is absent'
    )
    assert answer.endswith(wanted.encode())


def test_the_admin_ports_answer(system: Running) -> None:
    for node in system.nodes:
        base = f"http://{node['ip']}:{node['admin']}"
        assert httpx.get(f"{base}/admin/ping").text == "pong"
        metrics = httpx.get(f"{base}/admin/metrics.json").json()
        assert any(key.startswith("rt/outgoing/server/") for key in metrics)
        assert "rt:server:requests{" in httpx.get(f"{base}/admin/metrics/prometheus").text
        assert httpx.get(f"{base}/config.json").json()["admin"]["port"] == 9990


def test_a_trace_is_shown_as_a_page(system: Running) -> None:
    mark = uuid.uuid4().hex
    edge(system, f"/{mark}")
    trace = by_mark(system, mark, 8)
    page = httpx.get(f"{system.collector}/traces/{trace[0]['traceId']}", follow_redirects=True)
    assert page.status_code == 200
    assert "incoming" in page.text
    assert "edge" in httpx.get(f"{system.collector}/traces").text


def test_a_port_in_use_is_named(system: Running, tmp_path: Path) -> None:
    """The nodes' addresses are taken by the running system."""
    second = start_up(tmp_path)
    assert second.wait(60) == 1
    said = (tmp_path / "up.log").read_text()
    assert "127.0.0.11:4140 is needed by node-1, outgoing router: Address already in use" in said
    assert "Traceback" not in said
    del system


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["up", "--edge-prot", "1"], "No such option: --edge-prot"),
        (["up", "--sample-rate", "2"], "less than or equal to 1"),
        (["nonsense"], "nonsense"),
        (["edge", "no-such-file.yml"], "no-such-file.yml: cannot be read"),
    ],
)
def test_a_wrong_command_line_is_explained(arguments: list[str], says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "weir", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_every_problem_of_a_configuration_is_told_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "edge.yml"
    file.write_text("listener: {port: 99999}\ndtab: /a => nope\nhosst: [a]\n")
    done = subprocess.run(
        [sys.executable, "-m", "weir", "edge", str(file)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert f"{file}:1:" in done.stderr
    assert f"{file}:2:" in done.stderr
    assert f"{file}:3:" in done.stderr
    assert "hosts" in done.stderr
    assert "Traceback" not in done.stderr
