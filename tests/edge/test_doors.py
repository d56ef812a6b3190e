"""One suite for every front door: the engine, and the application under uvicorn and hypercorn."""

from __future__ import annotations

import re

import pytest

from tests.edge.doors import EMPLOYEE, Stage
from tests.kits.played import up_to
from tests.kits.running import until


@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
def test_a_body_passes_both_ways(stage: Stage, size: int) -> None:
    answer = stage.ask("www.hello.world", "/a?b=c", "POST", content=b"x" * size)
    assert answer.status_code == 200
    assert answer.content.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert answer.content.endswith(b"\r\n\r\n" + b"x" * size)


def test_a_body_of_unknown_length_passes(stage: Stage) -> None:
    answer = stage.ask("www.hello.world", "/", "POST", content=iter([b"x" * 70_000] * 10))
    assert answer.content.count(b"x") >= 700_000
    assert b"ransfer-Encoding: chunked\r\n" in answer.content


def test_a_request_streams_as_it_comes(stage: Stage) -> None:
    """The service has read the first piece before the client has sent the second."""
    stage.seen.clear()
    with stage.sock() as sock:
        sock.sendall(
            b"POST / HTTP/1.1\r\nHost: parts.example\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nfirst\r\n"
        )
        until(lambda: b"first" in b"".join(stage.seen))
        sock.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        assert b" 200 " in sock.recv(65_536)
    assert b"second" in b"".join(stage.seen)


def test_an_answer_streams_as_it_comes(stage: Stage) -> None:
    """The client has read the first piece before the service has sent the second."""
    stage.go_on.clear()
    with stage.sock() as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: parts.example\r\n\r\n")
        assert b"second" not in up_to(sock, b"first")
        stage.go_on.set()
        up_to(sock, b"second")


def test_a_client_that_goes_away_ends_the_services_connection(stage: Stage) -> None:
    stage.seen.clear()
    with stage.sock() as sock:
        sock.sendall(b"GET /forever HTTP/1.1\r\nHost: parts.example\r\n\r\n")
        up_to(sock, b"first")
        assert b"the end" not in stage.seen
    until(lambda: b"the end" in stage.seen)


def test_heads_without_bodies_stay_so(stage: Stage) -> None:
    head = stage.ask("bare.example", "/200", "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == "12345"
    for status in (204, 304):
        answer = stage.ask("bare.example", f"/{status}")
        assert (answer.status_code, answer.content) == (status, b"")
        assert answer.headers["etag"] == "w"


def test_an_upgrade_that_nobody_asked_for_is_an_error(stage: Stage) -> None:
    assert stage.ask("bare.example", "/101").status_code == 502


def test_a_dead_replica_costs_no_request(stage: Stage) -> None:
    for _ in range(6):
        assert stage.ask("half.example").headers["x-upstream"] == "one"


@pytest.mark.parametrize(
    ("host", "status"), [("gone.example", 502), ("late.example", 503), ("www.hello.world", 403)]
)
def test_an_error_names_its_stage_and_trace(stage: Stage, host: str, status: int) -> None:
    headers = {"Accept": "application/json"}
    if status == 403:
        headers |= EMPLOYEE | {"l5d-dtab": "/host/world => /$/inet/127.0.0.1/1"}
    answer = stage.ask(host, headers=headers)
    assert answer.status_code == status
    told = answer.json()
    assert told["stage"] == ("override" if status == 403 else "upstream")
    assert re.fullmatch("[0-9a-f]{16}", told["trace"])
    assert ("message" in told) == (status == 403)


def test_the_gateways_own_answers_are_alike(stage: Stage) -> None:
    away = stage.ask("away.example", "/a?b")
    assert (away.status_code, away.headers["location"]) == (308, "https://www.away.example/a?b")
    assert stage.ask("nobody.test").text == "200 OK"
    assert stage.ask("www.hello.world", "/a%00b").status_code == 400
    assert stage.ask("www.hello.world", "/a/%2e%2e/b").status_code == 400


def test_an_override_steers_and_says_what_came_of_it(stage: Stage) -> None:
    headers = EMPLOYEE | {"l5d-dtab": "/host/world => /srv/two"}
    used = stage.ask("www.hello.world", headers=headers)
    assert (used.headers["x-upstream"], used.headers["weir-override"]) == ("two", "used")
    absent = EMPLOYEE | {"l5d-dtab": "/host/world => /srv/three"}
    fallback = stage.ask("www.hello.world", headers=absent)
    assert fallback.headers["x-upstream"] == "one"
    assert (
        fallback.headers["weir-override"]
        == "fallback; asked /srv/three/www.hello.world, nobody is there"
    )
    elsewhere = EMPLOYEE | {"l5d-dtab": "/host/deeper => /srv/three"}
    unused = stage.ask("www.hello.world", headers=elsewhere)
    assert unused.headers["weir-override"] == "passed on"
    outsider = stage.ask("www.hello.world", headers={"l5d-dtab": "/host/world => /srv/two"})
    assert outsider.headers["x-upstream"] == "one"
    assert "weir-override" not in outsider.headers


def test_tls_to_a_service_is_verified(stage: Stage) -> None:
    assert stage.ask("secure.example").text == "secure"
    forged = stage.ask("forged.example", headers={"Accept": "application/json"})
    assert (forged.status_code, forged.json()["stage"]) == (502, "upstream")
