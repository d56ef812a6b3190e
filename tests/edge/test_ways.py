"""What host and path rules, limits and the admin port do, on a real gateway."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.kits.edge_process import RunningEdge, running_edge, send, services
from tests.kits.mirror import mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
# comment
listeners: [{{ip: 127.0.0.1, port: 0}}, {{ip: 127.0.0.1, port: 0}}]
admin: {{ip: 127.0.0.1, port: 0, hosts: [gate.internal]}}
test_endpoint: {{status: 204, body: ""}}
dtab: |
  /srv => /#/io.l5d.fs ;
  /svc => /srv/one ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
hosts:
- www.hello.world
- host: "*.shop.example"
  service: /srv/two
  headers:
    request: {{set: {{X-Shop: "1"}}, remove: [X-Secret]}}
    response: {{set: {{Strict-Transport-Security: max-age=60}}, remove: [X-Upstream]}}
- host: api.hello.world
  dtab: /svc => /srv/two
  paths:
  - {{prefix: /v1, service: /srv/one}}
  - {{prefix: /v1/slow, forward: "127.0.0.1:{slow}", timeout_s: 0.2}}
  - {{prefix: /old, redirect: {{path: /v1, status: 301}}}}
- host: secure.example
  redirect: {{scheme: https, host: www.secure.example}}
- host: linkerd.example
  forward: "127.0.0.1:{one}"
  server_timing: true
trust:
- name: employee
  cookie: {{name: c, equals: "${{EMPLOYEE:-letmein}}"}}
  may_override: true
  may_debug: true
limits:
  client: {{per_s: 0.001, burst: 30}}
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEdge]:
    folder: Path = tmp_path_factory.mktemp("ways")
    with mirror("one") as one, mirror("two") as two, mirror("") as slow:
        slow.silent = True
        place = services(folder, {"one": one.port, "two": two.port})
        text = CONFIG.format(services=place, one=one.port, slow=slow.port)
        with running_edge(folder, text) as running:
            yield running


def ask(edge: RunningEdge, host: str, path: str = "/", *lines: str, source: int = 1) -> str:
    raw = "\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", *lines)) + "\r\n\r\n"
    return send(edge.port, raw.encode(), source=f"127.5.0.{source}").decode("latin-1")


def upstream(answer: str) -> str:
    found = re.search(r"\r\nX-Upstream: (\w+)", answer)
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        ("www.hello.world", "/", "one"),
        ("api.hello.world", "/", "two"),
        ("api.hello.world", "/v1", "one"),
        ("api.hello.world", "/v1/x?y", "one"),
        ("api.hello.world", "/v1?y", "one"),
        ("api.hello.world", "/v10", "two"),
        ("api.hello.world", "/%761", "one"),
        ("linkerd.example", "/", "one"),
    ],
)
def test_host_and_path_choose_the_service(
    edge: RunningEdge, host: str, path: str, name: str
) -> None:
    assert upstream(ask(edge, host, path)) == name


def test_a_host_that_is_not_ours_gets_the_test_answer(edge: RunningEdge) -> None:
    assert ask(edge, "shop.example").startswith("HTTP/1.1 204 ")


def test_header_rules_edit_both_ways(edge: RunningEdge) -> None:
    answer = ask(edge, "a.shop.example", "/", "x-shop: forged", "X-SECRET: s")
    head, _, seen = answer.partition("\r\n\r\n")
    assert "X-Upstream" not in head
    assert "\r\nStrict-Transport-Security: max-age=60" in head
    assert "\r\nX-Shop: 1" in seen
    assert "forged" not in seen
    assert "SECRET" not in seen


def test_a_rule_may_show_outsiders_the_times_of_its_services(edge: RunningEdge) -> None:
    for host, shown in (("www.hello.world", False), ("linkerd.example", True)):
        head = ask(edge, host).partition("\r\n\r\n")[0]
        assert ("\r\nServer-Timing: inside;dur=1\r\n" in head) is shown
        assert ("\r\ntraceresponse: 00-inside\r\n" in head) is shown
        assert "l5d-" not in head


def test_a_rule_may_redirect(edge: RunningEdge) -> None:
    answer = ask(edge, "secure.example", "/a?b=c")
    assert answer.startswith("HTTP/1.1 308 ")
    assert "\r\nLocation: https://www.secure.example/a?b=c\r\n" in answer
    answer = ask(edge, "api.hello.world:81", "/old/x")
    assert answer.startswith("HTTP/1.1 301 ")
    assert "\r\nLocation: http://api.hello.world:81/v1\r\n" in answer


def test_a_rule_has_its_own_patience(edge: RunningEdge) -> None:
    answer = ask(edge, "api.hello.world", "/v1/slow/x", "Accept: application/json")
    assert answer.startswith("HTTP/1.1 503 ")
    told = json.loads(answer.partition("\r\n\r\n")[2])
    assert told["stage"] == "upstream"


def test_forward_passes_overrides_on_and_none_steers_it(edge: RunningEdge) -> None:
    lines = ("Cookie: c=letmein", "l5d-dtab: /svc => /srv/two ; /$/inet => /x")
    assert ask(edge, "linkerd.example", "/", *lines).startswith("HTTP/1.1 403 ")
    answer = ask(edge, "linkerd.example", "/", lines[0], "l5d-dtab: /svc => /srv/two")
    assert upstream(answer) == "one"
    assert "\r\nl5d-ctx-dtab: /svc=>/srv/two" in answer


def test_who_may_debug_reads_the_route_of_each_answer(edge: RunningEdge) -> None:
    answer = ask(edge, "api.hello.world", "/v1/x", "Cookie: c=letmein")
    found = re.search("\r\nweir-route: ([^\r]*)", answer)
    assert found is not None
    told = dict(part.split("=", 1) for part in found[1].split("; "))
    assert (told["rule"], told["service"]) == ("api.hello.world/v1", "/srv/one")
    assert told["bound"] == "</#/io.l5d.fs/one|/>"
    assert re.fullmatch("[0-9a-f]{16}", told["trace"])
    assert told["dtab"]
    refused = ask(edge, "api.hello.world", "/v1/x", "Cookie: c=letmein", "l5d-dtab: /a => nope")
    assert "\r\nweir-route: rule=api.hello.world/v1; trace=" in refused
    assert "weir-route" not in ask(edge, "api.hello.world", "/v1/x")


def test_who_may_debug_gets_the_trail(edge: RunningEdge) -> None:
    answer = ask(edge, "www.hello.world", "/", "Cookie: c=letmein", "weir-debug: 1")
    assert "\r\nweir-trail: client: 127.5.0.1 | host: www.hello.world | " in answer
    assert "weir-trail" not in ask(edge, "www.hello.world", "/", "weir-debug: 1")


def test_a_client_beyond_its_rate_is_told_when_to_come_back(edge: RunningEdge) -> None:
    for _ in range(30):
        assert upstream(ask(edge, "www.hello.world", source=2)) == "one"
    answer = ask(edge, "www.hello.world", source=2)
    assert answer.startswith("HTTP/1.1 429 ")
    after = re.search(r"\r\nRetry-After: (\d+)\r\n", answer)
    assert after is not None
    assert 900 < int(after[1]) <= 1_000
    assert "\r\nRateLimit: limit=30, remaining=0, reset=" in answer
    assert upstream(ask(edge, "www.hello.world", source=3)) == "one"
    counts = httpx.get(f"{edge.admin}/edge.json").json()
    assert counts["rate_limited"]["client"] >= 1


def test_one_connections_requests_are_counted_one_by_one(edge: RunningEdge) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: www.hello.world\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: www.hello.world\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", edge.port), 30, ("127.5.0.4", 0)) as sock:
        sock.sendall(raw * 31 + last)
        got = b""
        while more := sock.recv(65_536):
            got += more
    assert got.count(b"HTTP/1.1 200 OK\r\n") == 30
    assert got.count(b"HTTP/1.1 429 ") == 2


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("what", ["listener", "admin"])
def test_an_address_that_cannot_be_had_is_named(tmp_path: Path, what: str, workers: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"listener": 0, "admin": 0, what: port}
        file = tmp_path / "edge.yml"
        file.write_text(
            f"workers: {workers}\n"
            + "".join(f"{name}: {{ip: 127.0.0.1, port: {n}}}\n" for name, n in ports.items())
        )
        done = subprocess.run(
            [sys.executable, "-m", "weir", "edge", str(file)],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"edge: cannot listen: 127.0.0.1:{port}: Address already in use; `ss -ltnp` says who"
    ]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "gate.internal:9992"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:9992"}, 200),
        ({}, 200),
    ],
)
def test_the_admin_port_knows_its_names(
    edge: RunningEdge, headers: dict[str, str], status: int
) -> None:
    assert httpx.get(f"{edge.admin}/admin/ping", headers=headers).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example"},
    ],
)
def test_no_page_of_others_posts_to_the_admin_port(
    edge: RunningEdge, headers: dict[str, str]
) -> None:
    answer = httpx.post(f"{edge.admin}/reload", headers=headers)
    assert answer.status_code in {403, 421}
    assert httpx.get(f"{edge.admin}/edge.json").json()["reloads"] == 0


def test_the_effective_configuration_masks_secrets_and_names_origins(edge: RunningEdge) -> None:
    for path in ("config.json", "config/origins"):
        assert "letmein" not in httpx.get(f"{edge.admin}/{path}").text
    found = {row["key"]: row for row in httpx.get(f"{edge.admin}/config/origins").json()}
    assert found["test_endpoint.status"]["origin"] == f"{edge.file}:5:25"
    assert found["limits.clients_max"] == {
        "key": "limits.clients_max",
        "value": 100_000,
        "origin": "default",
    }
    assert found["trust.0.cookie.equals"]["value"] == "**********"


def test_the_pages_of_the_admin_port_answer(edge: RunningEdge) -> None:
    ask(edge, "www.hello.world")
    for path in ("", "explain?url=http://www.hello.world/", "routes", "recent"):
        answer = httpx.get(f"{edge.admin}/{path}", headers={"Accept": "text/html"})
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
    routes = httpx.get(f"{edge.admin}/routes").json()
    ours = ("/svc/www.hello.world", "www.hello.world", "")
    assert ours in [(route["service"], route["rule"], route["override"]) for route in routes]


def test_explain_asks_the_running_gateway(edge: RunningEdge) -> None:
    asked = {"url": "http://api.hello.world/v1/x", "headers": [["l5d-dtab", "/a => /b"]]}
    told = httpx.post(f"{edge.admin}/explain", json=asked).json()
    steps = {step["stage"]: step["text"] for step in told["steps"]}
    assert steps["place"] == "host rule api.hello.world/v1"
    assert steps["header"] == "l5d-dtab: /a => /b is dropped"
    assert told["service"] == "/srv/one"
    assert len(told["endpoints"]) == 1
    for nonsense in (
        b"",
        b"[]",
        b"{}",
        b'{"url": "nope://x"}',
        b'{"url": "http://a", "headers": 5}',
        b'{"url": "http://a", "client": "x"}',
        b'{"url": "http://a", "client": "\\ud800"}',
        b'{"url": "\\ud800://a"}',
        b"[" * 60_000,
    ):
        assert httpx.post(f"{edge.admin}/explain", content=nonsense).status_code == 400
    assert httpx.post(f"{edge.admin}/explain", content=b"x" * 70_000).status_code == 413
