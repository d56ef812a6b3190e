"""One suite for every front door: the engine, and the application under uvicorn and hypercorn."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import ServerConnection, serve

from tests.kits.certificates import Authority
from tests.kits.edge_process import SERVERS, RunningEdge, running_app, running_edge
from tests.kits.mirror import mirror
from tests.kits.played import head_of, played
from tests.kits.running import free_port, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from websockets.typing import Subprotocol

CONFIG = """
listener: {{ip: 127.0.0.1, port: 0}}
admin: {{ip: 127.0.0.1, port: 0}}
hosts:
- {{host: www.hello.world, timeout_s: 5}}
- {{host: half.example, service: /srv/half}}
- {{host: gone.example, service: /srv/gone}}
- {{host: late.example, forward: "127.0.0.1:{silent}", timeout_s: 0.3}}
- {{host: parts.example, forward: "127.0.0.1:{parts}"}}
- {{host: bare.example, forward: "127.0.0.1:{bare}"}}
- {{host: socket.example, service: /host/socket}}
- {{host: secure.example, service: /srv/secure}}
- {{host: forged.example, service: /srv/forged}}
- {{host: away.example, redirect: {{scheme: https, host: www.away.example}}}}
dtab: |
  /srv => /#/io.l5d.fs ;
  /host/world => /srv/one ;
  /host/socket => /srv/socket ;
  /svc => /host/world ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
client:
  kind: io.l5d.static
  configs:
  - prefix: "/#/io.l5d.fs/secure"
    tls: {{commonName: secure.internal, trustCerts: ["{ca}"]}}
  - prefix: "/#/io.l5d.fs/forged"
    tls: {{commonName: secure.internal, trustCerts: ["{ca}"]}}
trust:
- name: employee
  cookie: {{name: c, equals: letmein}}
  may_override: true
reload_on_change: true
"""
EMPLOYEE = {"Cookie": "c=letmein"}


@dataclass
class Stage:
    door: str
    edge: RunningEdge
    go_on: threading.Event  # lets `parts` go on
    seen: list[bytes]  # by `parts`

    def ask(
        self, host: str, path: str = "/", method: str = "GET", **more: object
    ) -> httpx.Response:
        headers = {"Host": host, **dict(more.pop("headers", {}))}  # type: ignore[call-overload]
        url = f"http://127.0.0.1:{self.edge.port}{path}"
        return httpx.request(method, url, headers=headers, timeout=20, **more)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def sock(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.edge.port), 10) as sock:
            yield sock


def echo(name: str) -> Callable[[ServerConnection], None]:
    """Says what it was asked with, then repeats every message."""

    def part(connection: ServerConnection) -> None:
        assert connection.request is not None
        head = {key.lower(): value for key, value in connection.request.headers.raw_items()}
        path = connection.request.path
        connection.send(json.dumps({"name": name, "path": path, "headers": head}))
        for message in connection:
            if message == "close, please":
                connection.close(4321, "as you wish")
                return
            connection.send(message)

    return part


@contextlib.contextmanager
def sockets(name: str) -> Iterator[int]:
    def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        return next((one for one in offered if one == "v2.echo"), None)

    with serve(echo(name), "127.0.0.1", 0, select_subprotocol=choose, compression=None) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(5)


def bare(connection: socket.socket) -> None:
    """Answers without a body, by path."""
    while request := head_of(connection):
        status = request.split(b" ")[1].strip(b"/")
        if request.startswith(b"HEAD"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n")
        elif status == b"101":
            connection.sendall(b"HTTP/1.1 101 Y\r\nUpgrade: h3\r\nConnection: upgrade\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 " + status + b" X\r\nETag: w\r\n\r\n")


@pytest.fixture(scope="module", params=["engine", *sorted(SERVERS)])
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder: Path = tmp_path_factory.mktemp("doors")
    go_on, seen = threading.Event(), list[bytes]()

    def parts(connection: socket.socket) -> None:
        request = head_of(connection)
        seen.append(request)
        if request.startswith(b"POST"):
            while not request.endswith(b"0\r\n\r\n") and (more := connection.recv(65_536)):
                request += more
                seen.append(more)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nfirst\r\n"
        )
        if request.startswith(b"GET /forever"):
            with contextlib.suppress(OSError):
                connection.recv(1)
            seen.append(b"the end")
            return
        go_on.wait(20)
        connection.sendall(b"6\r\nsecond\r\n0\r\n\r\n")

    authority = Authority(folder)

    def context(name: str) -> ssl.SSLContext:
        files = authority.issue(name)
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(files.chain, files.key)
        return made

    with (
        mirror("one") as one,
        mirror("two") as two,
        mirror("") as silent,
        played(parts) as parts_port,
        played(bare) as bare_port,
        played(_hello, context("secure.internal")) as secure,
        played(_hello, context("other.internal")) as forged,
        sockets("socket") as socket_one,
        sockets("socket-v2") as socket_two,
    ):
        silent.silent = True
        place = folder / "services"
        place.mkdir()
        for name, ports in {
            "one": [one.port],
            "two": [two.port],
            "half": [free_port(), one.port],
            "gone": [free_port()],
            "secure": [secure],
            "forged": [forged],
            "socket": [socket_one],
            "socket-v2": [socket_two],
        }.items():
            (place / name).write_text("".join(f"127.0.0.1 {port}\n" for port in ports))
        text = CONFIG.format(
            services=place,
            silent=silent.port,
            parts=parts_port,
            bare=bare_port,
            ca=authority.file,
        )
        door = request.param
        running = (
            running_edge(folder, text) if door == "engine" else running_app(folder, text, door)
        )
        with running as edge:
            yield Stage(door, edge, go_on, seen)


def _hello(connection: socket.socket) -> None:
    while head_of(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecure")


# ---- requests and answers


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
        got = b""
        while b"first" not in got:
            got += sock.recv(65_536)
        assert b"second" not in got
        stage.go_on.set()
        while b"second" not in got:
            got += sock.recv(65_536)


def test_a_client_that_goes_away_ends_the_services_connection(stage: Stage) -> None:
    stage.seen.clear()
    with stage.sock() as sock:
        sock.sendall(b"GET /forever HTTP/1.1\r\nHost: parts.example\r\n\r\n")
        got = b""
        while b"first" not in got:
            got += sock.recv(65_536)
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


# ---- WebSockets


def ws(
    stage: Stage,
    host: str = "socket.example",
    headers: dict[str, str] | None = None,
    subprotocols: Sequence[Subprotocol] | None = None,
) -> ClientConnection:
    sock = socket.create_connection(("127.0.0.1", stage.edge.port), 10)
    return connect(
        f"ws://{host}/a?b=c", sock=sock, additional_headers=headers, subprotocols=subprotocols
    )


def test_a_websocket_carries_messages_both_ways(stage: Stage) -> None:
    with ws(stage) as client:
        told = json.loads(client.recv(10))
        assert (told["name"], told["path"]) == ("socket", "/a?b=c")
        for message in ("text", "ü" * 1_000, b"\x00\xff", b"x" * 300_000, ""):
            client.send(message)
            assert client.recv(10) == message
        client.send(["in ", "three ", "pieces"])
        assert client.recv(10) == "in three pieces"


def test_a_websockets_subprotocol_is_the_services_choice(stage: Stage) -> None:
    offered: list[Subprotocol] = ["v1.echo", "v2.echo"]  # type: ignore[list-item]
    with ws(stage, subprotocols=offered) as client:
        assert client.subprotocol == "v2.echo"


def test_a_close_keeps_its_code_and_reason(stage: Stage) -> None:
    with ws(stage) as client:
        client.recv(10)
        client.send("close, please")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4321, "as you wish")


def test_nobody_steers_a_websocket_who_may_not(stage: Stage) -> None:
    steer = {"l5d-dtab": "/host/socket => /srv/socket-v2", "l5d-sample": "1"}
    with ws(stage, headers=steer) as client:
        told = json.loads(client.recv(10))
        assert told["name"] == "socket"
        assert "l5d-dtab" not in told["headers"]
        assert "l5d-sample" not in told["headers"]
        assert told["headers"]["x-forwarded-for"] == "127.0.0.1"
    with ws(stage, headers=steer | EMPLOYEE) as client:
        assert json.loads(client.recv(10))["name"] == "socket-v2"


@pytest.mark.parametrize(("host", "status"), [("gone.example", 502), ("www.hello.world", 200)])
def test_a_websocket_that_nobody_takes_is_refused(stage: Stage, host: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused, ws(stage, host):
        pass
    assert refused.value.response.status_code == status


def test_what_follows_a_refused_upgrade_is_no_tunnel(stage: Stage) -> None:
    """Attacks 82: bytes behind a refusal are a request of their own, or nothing."""
    with stage.sock() as sock:
        sock.sendall(
            b"GET / HTTP/1.1\r\nHost: gone.example\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            b"GET /smuggled HTTP/1.1\r\nHost: www.hello.world\r\nl5d-dtab: /a => /b\r\n"
            b"Connection: close\r\n\r\n"
        )
        got = sock.recv(65_536)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)  # hypercorn waits for more
            while more := sock.recv(65_536):
                got += more
    # hypercorn may refuse bytes behind a handshake itself.
    assert re.match(rb"HTTP/1\.1 (?:502|400) ", got), got
    assert b"l5d-dtab" not in got


# ---- reload


def test_a_reload_changes_routes_and_a_bad_file_nothing(stage: Stage) -> None:
    good = stage.edge.file.read_text()

    def upstream() -> str:
        return str(stage.ask("www.hello.world").headers.get("x-upstream", ""))

    with stage.sock() as sock:
        assert asked_again(sock).startswith(b"HTTP/1.1 200 ")
        try:
            stage.edge.file.write_text(good.replace("/srv/one ;", "/srv/two ;"))
            until(lambda: upstream() == "two")
            stage.edge.file.write_text("hosts: [")
            until(lambda: "not reloaded, the last good configuration goes on" in stage.edge.log)
            assert upstream() == "two"
        finally:
            stage.edge.file.write_text(good)
        until(lambda: upstream() == "one")
        assert asked_again(sock).startswith(b"HTTP/1.1 200 ")


def test_a_reload_leaves_streams_and_sockets_alone(stage: Stage) -> None:
    good = stage.edge.file.read_text()
    stage.go_on.clear()
    with stage.sock() as sock, ws(stage) as client:
        client.recv(10)
        sock.sendall(b"GET / HTTP/1.1\r\nHost: parts.example\r\n\r\n")
        got = b""
        while b"first" not in got:
            got += sock.recv(65_536)
        try:
            stage.edge.file.write_text(good.replace("/srv/one ;", "/srv/two ;"))
            until(lambda: stage.ask("www.hello.world").headers.get("x-upstream") == "two")
            client.send("still there?")
            assert client.recv(10) == "still there?"
            stage.go_on.set()
            while b"second" not in got:
                more = sock.recv(65_536)
                assert more, got
                got += more
        finally:
            stage.edge.file.write_text(good)
        until(lambda: stage.ask("www.hello.world").headers.get("x-upstream") == "one")


def asked_again(sock: socket.socket) -> bytes:
    """One more request on an open connection; its whole answer."""
    sock.sendall(b"GET / HTTP/1.1\r\nHost: www.hello.world\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got.partition(b"\r\n\r\n")[2]:  # the mirror's body ends so
        more = sock.recv(65_536)
        assert more, got
        got += more
    return got
