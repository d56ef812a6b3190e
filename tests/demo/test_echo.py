from __future__ import annotations

import hashlib
import json
import signal
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kits.demo_app import DemoApp, demo_app, read_all, read_answer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def echo() -> Iterator[DemoApp]:
    with demo_app("echo", "-addr=127.0.0.1:0", env={"POD_IP": "127.0.1.5"}) as app:
        yield app


def ask(app: DemoApp, raw: bytes) -> tuple[str, bytes]:
    with app.connect() as connection:
        connection.sendall(raw)
        head, body = read_answer(connection)
        return head.decode(), body


def echoed(app: DemoApp, raw: bytes) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(ask(app, raw)[1])
    return said


def test_the_request_comes_back_as_it_arrived(echo: DemoApp) -> None:
    with echo.connect() as connection:
        connection.sendall(
            b"POST /a%20b/../c?q=1&q=2 HTTP/1.1\r\nhOsT: X\r\nX-Twice: one\r\nContent-Length: 5\r\n"
            b"x-twice: tw\xf6 \r\nEmpty:\r\n\r\nhallo"
        )
        said = json.loads(read_answer(connection)[1])
        host, port = connection.getsockname()
    assert said == {
        "method": "POST",
        "target": "/a%20b/../c?q=1&q=2",
        "version": "1.1",
        "headers": [
            ["hOsT", "X"],
            ["X-Twice", "one"],
            ["Content-Length", "5"],
            ["x-twice", "twö "],  # llhttp leaves the blank that ends a value
            ["Empty", ""],
        ],
        "trailers": [],
        "body": {"length": 5, "sha256": hashlib.sha256(b"hallo").hexdigest()},
        "peer": f"{host}:{port}",
        "pod": "127.0.1.5",
    }


def test_a_chunked_body_is_digested_and_its_trailers_stand_apart(echo: DemoApp) -> None:
    said = echoed(
        echo,
        b"PUT http://world/x HTTP/1.1\r\nHost: w\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nhal\r\n2\r\nlo\r\n0\r\nL5d-Dtab: /a=>/b\r\n\r\n",
    )
    assert said["target"] == "http://world/x"
    assert said["headers"] == [["Host", "w"], ["Transfer-Encoding", "chunked"]]
    assert said["trailers"] == [["L5d-Dtab", "/a=>/b"]]
    assert said["body"] == {"length": 5, "sha256": hashlib.sha256(b"hallo").hexdigest()}


def test_a_large_body_is_digested_as_it_streams(echo: DemoApp) -> None:
    part, count = bytes(1_000_000), 64
    digest = hashlib.sha256()
    with echo.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 64000000\r\n\r\n")
        for _ in range(count):
            connection.sendall(part)
            digest.update(part)
        said = json.loads(read_answer(connection)[1])
    assert said["body"] == {"length": 64_000_000, "sha256": digest.hexdigest()}
    resident = echo.process.pid
    with open(f"/proc/{resident}/status") as status:  # noqa: PTH123
        peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak_kb < 60_000


@pytest.mark.parametrize(
    ("target", "status", "body"),
    [
        (b"/?status=503", "503 Service Unavailable", None),
        (b"/?status=299", "299 Unnamed", None),
        (b"/?status=204", "204 No Content", b""),
        (b"/?status=304&size=5", "304 Not Modified", b""),
        (b"/?size=5", "200 OK", bytes(5)),
        (b"/?size=0", "200 OK", b""),
        (b"/?size=300000&status=404", "404 Not Found", bytes(300_000)),
        (b"http://w/?status=418", "418 I'm a Teapot", None),
        (b"/?delay=1ms&status=201", "201 Created", None),
        (b"/?status=100", "400 Bad Request", b"status must be 200 to 599\n"),
        (b"/?status=x", "400 Bad Request", b"'x' is no whole number\n"),
        (b"/?size=9999999999", "400 Bad Request", b"size must be at most 1073741824\n"),
        (b"/?delay=2m", "400 Bad Request", b"delay must be at most 60s\n"),
    ],
)
def test_the_query_shapes_the_answer(
    echo: DemoApp, target: bytes, status: str, body: bytes | None
) -> None:
    head, answered = ask(echo, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.split("\r\n")[0] == f"HTTP/1.1 {status}"
    if body is None:
        assert json.loads(answered)["target"] == target.decode()
    else:
        assert answered == body


def test_a_pipeline_is_answered_in_order_though_the_first_is_slow(echo: DemoApp) -> None:
    requests = [b"GET /0?delay=50ms HTTP/1.1\r\nHost: x\r\n\r\n"]
    requests += [b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % i for i in range(1, 100)]
    requests += [b"GET /100 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
    with echo.connect() as connection:
        connection.sendall(b"".join(requests))
        answers = read_all(connection).split(b"HTTP/1.1 200 OK\r\n")[1:]
    targets = [json.loads(one.partition(b"\r\n\r\n")[2])["target"] for one in answers]
    assert targets == ["/0?delay=50ms", *(f"/{i}" for i in range(1, 101))]


def test_head_has_no_body(echo: DemoApp) -> None:
    with echo.connect() as connection:
        connection.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert b"content-length: " in head
    assert body == b""


def test_http_1_0_ends_unless_it_asks_to_stay(echo: DemoApp) -> None:
    with echo.connect() as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b"connection: close\r\n" in read_all(connection)
    head, body = ask(echo, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert head.endswith("connection: keep-alive")
    assert json.loads(body)["version"] == "1.0"


def test_an_expectation_is_met_before_the_body_comes(echo: DemoApp) -> None:
    with echo.connect() as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
        )
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"x")
        assert json.loads(read_answer(connection)[1])["body"]["length"] == 1


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", b"400 Bad Request"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"431 Request Header Fields Too Large"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1_001 + b"\r\n", b"431 Request Header Fields"),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    echo: DemoApp, raw: bytes, status: bytes
) -> None:
    with echo.connect() as connection:
        connection.sendall(raw)
        assert read_all(connection).startswith(b"HTTP/1.1 " + status)


def test_an_upgrade_is_answered_like_any_request_and_the_connection_ends(echo: DemoApp) -> None:
    with echo.connect() as connection:
        connection.sendall(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81"
        )
        assert b'"target": "/ws"' in read_all(connection)


def test_an_end_of_sending_still_gets_its_answer(echo: DemoApp) -> None:
    with echo.connect() as connection:
        connection.sendall(b"GET /?delay=20ms HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(1)
        assert b'"method": "GET"' in read_all(connection)


RESERVED = {"connection", "upgrade", "expect"}
NAMES: st.SearchStrategy[str] = st.text("abcXYZ-_", min_size=1, max_size=8).filter(
    lambda name: name.lower() not in RESERVED
)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)


@settings(max_examples=50)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.lists(st.integers(0, 200), max_size=4))
def test_any_headers_in_any_pieces_come_back_in_order(
    echo: DemoApp, fields: list[tuple[str, str]], cuts: list[int]
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    raw = f"GET / HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    with echo.connect() as connection:
        for start, end in pairwise(edges):
            connection.sendall(raw[start:end])
        said = json.loads(read_answer(connection)[1])
    assert said["headers"] == [["Host", "x"], *map(list, fields)]


def test_a_signal_ends_idle_connections_and_lets_answers_finish() -> None:
    with demo_app("echo", "-addr=127.0.0.1:0") as app, app.connect() as idle, app.connect() as busy:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        read_answer(idle)
        busy.sendall(
            b"GET /?delay=300ms HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        # Read after what was sent before it, so both requests have arrived.
        ask(app, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        status: list[int] = []
        stopper = threading.Thread(target=lambda: status.append(app.stop(signal.SIGTERM)))
        stopper.start()
        assert idle.recv(1) == b""
        assert read_all(busy).count(b"HTTP/1.1 200 OK") == 2
        stopper.join()
        assert status == [0]
