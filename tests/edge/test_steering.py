"""Attempts to steer a real gateway over real sockets; a mirror tells what got through."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

from tests.edge.grants_kit import HEADER, claims, signed, tokens, write_key
from tests.edge.steering import ATTEMPTS, NOBODY, STAGED, Attempt, bad_grants
from tests.kits.edge_process import SERVERS, RunningEdge, running_app, running_edge, send, services
from tests.kits.mirror import Mirror, mirror
from tests.kits.running import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = [name for name in tokens(0, Ed25519PrivateKey.generate()) if not name.startswith("good")]
CASES = [*ATTEMPTS, *bad_grants(NAMES)]
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
MARK = b"X-Attempt: "
UPSTREAM = re.compile(rb"\r\nX-Upstream: ([^\r\n]+)")

CONFIG = """
listener: {{ip: 127.0.0.1, port: 0}}
admin: {{ip: 127.0.0.1, port: 0}}
hosts: [www.hello.world, api.hello.world]
dtab: |
  /ph => /$/io.buoyant.rinet ;
  /addr => /$/inet ;
  /here => /$/inet/127.0.0.1 ;
  /there => /here/{staged} ;
  /srv => /#/io.l5d.fs ;
  /host/world => /srv/world-v1 ;
  /svc/www.hello.world => /host/world ;
  /svc/api.hello.world => /host/world ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
trust:
- name: dogfood
  cookie: {{name: special_employee_cookie, equals: dogfood}}
  override: /host/world => /srv/world-v2
- name: employee
  cookie: {{name: special_employee_cookie, equals: letmein}}
  may_override: true
  may_sample: true
- name: opens
  cookie: {{name: special_employee_cookie, equals: opens}}
  may_override: {{prefixes: [/host], targets: [/srv, /addr, /$/inet/127.0.0.1]}}
grants:
  keys: {folder}/keys
  revoked: {folder}/revoked.txt
  audit: {folder}/audit.log
"""


@dataclass
class Set:
    edge: RunningEdge
    mirrors: tuple[Mirror, Mirror]
    tokens: dict[str, bytes]
    key: Ed25519PrivateKey
    folder: Path
    door: str
    clients: int = 0

    def filled(self, text: bytes) -> bytes:
        """The text with the tokens that it names."""
        for name, token in self.tokens.items():
            text = text.replace(b"{" + name.encode() + b"}", token)
        text = text.replace(b"{staged}", b"%d" % self.mirrors[1].port)
        return text.replace(b"{admin}", self.edge.admin.rpartition(":")[2].encode())


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Set]:
    with a_stage(tmp_path_factory.mktemp("steering"), "engine") as made:
        yield made


@pytest.fixture(scope="module", params=sorted(SERVERS))
def app_stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Set]:
    with a_stage(tmp_path_factory.mktemp("steering"), request.param) as made:
        yield made


@contextlib.contextmanager
def a_stage(folder: Path, door: str) -> Iterator[Set]:
    key = Ed25519PrivateKey.generate()
    write_key(folder / "keys", "k1", key)
    write_key(folder / "keys", "k2", key)
    (folder / "revoked.txt").write_text("revoked-1 # lost laptop\nname:mallory\nkey:k2\n")
    with mirror("world-v1") as stable, mirror("world-v2") as staged:
        place = services(folder, {"world-v1": stable.port, "world-v2": staged.port})
        text = CONFIG.format(services=place, folder=folder, staged=staged.port)
        running = (
            running_edge(folder, text) if door == "engine" else running_app(folder, text, door)
        )
        with running as edge:
            made = tokens(time.time_ns() // 10**9, key)
            yield Set(edge, (stable, staged), made, key, folder, door)


def ask(stage: Set, attempt: Attempt) -> bytes:
    # Failing tokens are looked at seldom for one client, so each attempt comes from its own.
    stage.clients += 1
    lines = (
        attempt.method + b" " + attempt.target + b" HTTP/1.1",
        b"Host: " + attempt.host,
        MARK + b"%d" % stage.clients,
    )
    raw = b"\r\n".join((*lines, *attempt.lines)) + b"\r\n\r\n" + attempt.body
    source = "127.0.0.1"
    if any(b"grant" in line.lower() for line in attempt.lines):
        source = f"127.9.{stage.clients >> 8}.{stage.clients & 255}"
    return send(stage.edge.port, stage.filled(raw), source=source)


def arrived(stage: Set, before: list[int]) -> list[list[bytes]]:
    """What has reached each mirror since, but for what an earlier attempt left on its way."""
    own = MARK.lower() + b"%d\r\n" % stage.clients
    return [
        [
            one
            for one in mirror.seen[count:]
            if own in one.lower() or MARK.lower() not in one.lower()
        ]
        for mirror, count in zip(stage.mirrors, before, strict=True)
    ]


def test_there_are_attempts_enough_and_each_has_a_name() -> None:
    assert len(CASES) >= 250
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("attempt", CASES, ids=lambda attempt: attempt.name)
def test_nobody_steers_who_may_not(stage: Set, attempt: Attempt) -> None:
    before = [len(one.seen) for one in stage.mirrors]
    answer = ask(stage, attempt)
    found = STATUS.match(answer)
    assert found is not None, answer
    assert int(found[1]) == attempt.status, answer
    upstream = UPSTREAM.search(answer)
    assert (upstream[1].decode() if upstream else NOBODY) == attempt.reaches
    new = arrived(stage, before)
    reached = b"".join(request for requests in new for request in requests)
    assert bool(reached) is bool(attempt.reaches)
    for text in attempt.never:
        assert stage.filled(text) not in reached.replace(
            b"l5d-ctx-dtab: /host/world=>/srv/world-v2", b""
        )
    for text in attempt.kept:
        assert text in reached


# What servers read before the application sees it, and what that comes to.
DIFFERS = {
    ("hypercorn", "a folded line"): "h11 joins the lines: our name is within another's value",
    (
        "hypercorn",
        "a bare line feed",
    ): "h11 ends a line there: the next is ours, and dropped",
    ("hypercorn", "Upgrade to h2c"): "hypercorn speaks h2c itself",
    ("uvicorn", "an absolute target for another host"): "uvicorn keeps the target's host to itself",
    ("uvicorn", "an absolute target for the admin port"): "the same: the Host header's service",
}


@pytest.mark.parametrize("attempt", CASES, ids=lambda attempt: attempt.name)
def test_nobody_steers_through_the_other_door(app_stage: Set, attempt: Attempt) -> None:
    """Servers differ in what they refuse themselves, so a refusal may have another status."""
    before = [len(one.seen) for one in app_stage.mirrors]
    answer = ask(app_stage, attempt)
    found = STATUS.match(answer)
    status = int(found[1]) if found is not None else 400  # a server may just close
    new = arrived(app_stage, before)
    reached = b"".join(request for requests in new for request in requests)
    assert not new[1] or attempt.reaches == STAGED
    if (app_stage.door, attempt.name) not in DIFFERS:
        assert bool(reached) is (bool(attempt.reaches) and status == attempt.status), answer
        assert status == attempt.status or status >= 400, answer
        for text in attempt.kept if reached else ():
            assert text in reached
    for text in attempt.never:
        assert app_stage.filled(text) not in reached.replace(
            b"l5d-ctx-dtab: /host/world=>/srv/world-v2", b""
        )


@pytest.mark.parametrize("app_stage", ["hypercorn"], indirect=True)
def test_nobody_steers_by_http_2(app_stage: Set) -> None:
    """Attacks 62: hypercorn speaks HTTP/2 before the application; names and trailers end alike."""
    client = H2Connection(H2Configuration(validate_outbound_headers=False))
    client.initiate_connection()
    ours = [("l5d-dtab", "/host/world => /srv/world-v2"), ("l5d_ctx_dtab", "smuggled")]
    ours += [("weir-grant", "smuggled"), ("l5d.sample", "smuggled"), ("x-real-ip", "smuggled")]
    said = {":method": "POST", ":scheme": "http", ":authority": "www.hello.world", ":path": "/two"}
    client.send_headers(1, [*said.items(), *ours])
    client.send_data(1, b"body")
    client.send_headers(1, ours, end_stream=True)
    before = [len(one.seen) for one in app_stage.mirrors]
    with socket.create_connection(("127.0.0.1", app_stage.edge.port), 30) as sock:
        sock.sendall(client.data_to_send())
        ended, got = False, b""
        while not ended:
            for event in client.receive_data(sock.recv(65_536)):
                got += event.data if isinstance(event, DataReceived) else b""
                ended = ended or isinstance(event, StreamEnded)
    (new,) = app_stage.mirrors[0].seen[before[0] :]
    assert got == new
    assert new.startswith(b"POST /two HTTP/1.1\r\nHost: www.hello.world\r\n")
    assert b"body" in new
    assert b"smuggled" not in new
    assert b"world-v2" not in new
    assert len(app_stage.mirrors[1].seen) == before[1]


def test_an_outsider_sees_nothing_of_the_inside(stage: Set) -> None:
    head = ask(stage, Attempt("")).partition(b"\r\n\r\n")[0].lower()
    assert b"l5d-" not in head
    assert b"weir-" not in head
    assert b"inside" not in head
    trusted = ask(stage, Attempt("", (b"Cookie: special_employee_cookie=letmein",)))
    for line in (b"l5d-err: inside", b"Server-Timing: inside", b"traceresponse: 00-inside"):
        assert b"\r\n" + line in trusted.partition(b"\r\n\r\n")[0]


def test_a_refusal_tells_an_outsider_no_reason(stage: Set) -> None:
    bad = ask(stage, Attempt("", (b"weir-grant: {expired}",)))
    plain = ask(stage, Attempt(""))
    assert bad.partition(b"\r\n\r\n")[0].count(b"\r\n") == plain.partition(b"\r\n\r\n")[0].count(
        b"\r\n"
    )
    assert b"expired" not in bad


def test_a_grant_ends_when_it_is_revoked(stage: Set) -> None:
    stage.tokens["late"] = signed(HEADER, claims(time.time_ns() // 10**9, jti="late"), stage.key)
    once = Attempt("", (b"weir-grant: {late}",))
    assert b"X-Upstream: world-v2" in ask(stage, once)
    revoked = stage.folder / "revoked.txt"
    with revoked.open("a") as out:
        out.write("late\n")
    until(lambda: b"X-Upstream: world-v1" in ask(stage, once))


def test_keys_come_and_go_with_their_files(stage: Set) -> None:
    fresh = Ed25519PrivateKey.generate()
    token = signed({**HEADER, "kid": "k3"}, claims(time.time_ns() // 10**9), fresh)
    stage.tokens["fresh"] = token
    attempt = Attempt("", (b"weir-grant: {fresh}",))
    assert b"X-Upstream: world-v1" in ask(stage, attempt)
    write_key(stage.folder / "keys", "k3", fresh)
    until(lambda: b"X-Upstream: world-v2" in ask(stage, attempt))
    (stage.folder / "keys" / "k3.pem").unlink()
    until(lambda: b"X-Upstream: world-v1" in ask(stage, attempt))


def test_each_use_is_audited_and_each_refusal_counted(stage: Set) -> None:
    ask(stage, Attempt("", (b"weir-grant: {good}",), target=b"/audited?secret=1"))
    ask(stage, Attempt("", (b"weir-grant: {expired}",), target=b"/refused"))
    audit = stage.folder / "audit.log"

    def lines() -> dict[str, dict[str, str]]:
        text = audit.read_text() if audit.exists() else ""
        return {line["path"]: line for line in map(json.loads, text.splitlines())}

    until(lambda: {"/audited", "/refused"} <= set(lines()))
    used = lines()["/audited"]
    assert (used["grant"], used["name"], used["client"][:6]) == ("good", "alice", "127.9.")
    assert (used["host"], used["rule"]) == ("www.hello.world", "www.hello.world")
    assert used["override"] == "/host/world=>/srv/world-v2"
    assert used["outcome"] == "routed"
    assert re.fullmatch("[0-9a-f]{16}", used["trace"])
    assert lines()["/refused"]["refused"] == "expired"
    assert "secret" not in audit.read_text()
    counts = httpx.get(f"{stage.edge.admin}/edge.json").json()["grants"]
    assert counts["refused"]["expired"] >= 1
    assert counts["used"] >= 1


def test_a_grant_link_becomes_a_cookie_that_no_script_reads(stage: Set) -> None:
    base = f"http://127.0.0.1:{stage.edge.port}/.weir/grant"
    host = f"www.hello.world:{stage.edge.port}"
    page = httpx.get(base, headers={"Host": host})
    assert page.status_code == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert httpx.get(f"{base}.js", headers={"Host": host}).status_code == 200
    ours = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    good = {"weir-grant-set": stage.tokens["good"].decode()}
    taken = httpx.post(base, headers=ours | good)
    assert taken.status_code == 204
    cookie = taken.headers["set-cookie"]
    assert cookie.startswith(f"weir-grant={good['weir-grant-set']}; Path=/; Max-Age=")
    assert cookie.endswith("; HttpOnly; SameSite=Lax")  # over http: no Secure
    for more in (
        {"weir-grant-set": stage.tokens["expired"].decode()},
        {"weir-grant-set": stage.tokens["for another host"].decode()},
        {"weir-grant-set": "x"},
        {},
    ):
        refused = httpx.post(base, headers=ours | more)
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers
    for forged in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ):
        assert httpx.post(base, headers=ours | good | forged).status_code == 403
    bare = httpx.post(base, headers={"Host": host, **good})
    assert bare.status_code == 403
    gone = httpx.post(base, headers=ours | {"weir-grant-forget": "1"})
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert httpx.put(base, headers=ours).status_code == 405
    assert httpx.get(f"{base}x", headers={"Host": host}).status_code == 404


def test_an_error_is_a_page_json_or_text_by_accept(stage: Set) -> None:
    url = f"http://127.0.0.1:{stage.edge.port}/a%00b"
    for accept, kind in (("text/html,*/*", "text/html"), ("application/json", "application/json")):
        answer = httpx.get(url, headers={"Host": "www.hello.world", "Accept": accept})
        assert answer.status_code == 400
        assert answer.headers["content-type"].startswith(kind)
        assert "path" in answer.text
    told = httpx.get(url, headers={"Host": "www.hello.world", "Accept": "application/json"}).json()
    assert (told["status"], told["stage"]) == (400, "path")
    assert re.fullmatch("[0-9a-f]{16}", told["trace"])
    text = httpx.get(url, headers={"Host": "www.hello.world"}).text
    assert text == f"400 Bad Request\nstage: path\ntrace: {text.split()[-1]}\n"
