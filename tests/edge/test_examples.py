"""Each example, run as it stands but for its ports and places."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.edge.grants_kit import HEADER, claims, signed, write_key
from tests.kits.edge_process import RunningEdge, running_edge, send, services
from tests.kits.mirror import Mirror, mirror

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples" / "edge"
OVERRIDE = "l5d-dtab: /host/world => /srv/world-v2"
DOGFOOD = "Cookie: special_employee_cookie=dogfood"
LETMEIN = "Cookie: special_employee_cookie=letmein"


class Ask(NamedTuple):
    """A request, and what must come of it: who answers, the status, what reaches the service."""

    host: str
    lines: tuple[str, ...] = ()
    path: str = "/"
    by: str = ""
    status: int = 200
    passed_on: str = ""


CONTEXT = "\r\nl5d-ctx-dtab: /host/world=>/srv/world-v2\r\n"
ASKS = {
    "tutorials": [
        Ask("www.hello.world", by="hello"),
        Ask("api.hello.world", by="api"),
        Ask("nobody.test"),
        Ask("www.hello.world", (OVERRIDE,), by="hello"),
        Ask("www.hello.world", (DOGFOOD,), by="hello", passed_on=CONTEXT),
        Ask("www.hello.world", (LETMEIN, OVERRIDE), by="hello", passed_on=CONTEXT),
        Ask("www.hello.world", (LETMEIN, "l5d-dtab: /a => /$/inet/1/1"), status=403),
    ],
    "nginx-only": [
        Ask("www.hello.world", by="linkerd"),
        Ask("nobody.test"),
        Ask("www.hello.world", (OVERRIDE,), by="linkerd"),
        Ask("api.hello.world", (DOGFOOD,), by="linkerd", passed_on=CONTEXT),
        Ask("www.hello.world", (LETMEIN, OVERRIDE), by="linkerd", passed_on=CONTEXT),
    ],
    "grants": [
        Ask("www.hello.world", by="hello"),
        Ask("shop.hello.world", status=302),
        Ask("www.hello.world", (DOGFOOD, OVERRIDE), by="hello"),
        Ask("www.hello.world", ("weir-grant: {grant}",), by="hello", passed_on=CONTEXT),
        Ask("www.hello.world", ("weir-grant: {beyond}",), by="hello"),
        Ask("www.hello.world", path="/.weir/grant"),
    ],
    "local": [
        Ask("www.localhost", by="hello"),
        Ask("api.localhost", by="api"),
        Ask("www.localhost", path="/api/x", by="api"),
        Ask("www.hello.world"),
        Ask("www.localhost", ("l5d-dtab: /svc => /$/inet/127.0.0.1/{api}",), by="api"),
        Ask("www.localhost", ("l5d-dtab: /svc => /$/inet/10.0.0.1/80",), status=403),
    ],
}
NAMES = ("hello", "api", "world-v1", "world-v2", "linkerd")


class Stage(NamedTuple):
    """A running example: its gateway, its services by name, and texts by name."""

    edge: RunningEdge
    mirrors: dict[str, Mirror]
    words: dict[str, str]


@pytest.fixture(scope="module", params=sorted(ASKS))
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Stage]]:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    key = Ed25519PrivateKey.generate()
    write_key(folder / "keys", "k1", key)
    with contextlib.ExitStack() as stack:
        mirrors = {one: stack.enter_context(mirror(one)) for one in NAMES}
        ports = {one: running.port for one, running in mirrors.items()}
        text = (EXAMPLES / f"{name}.yml").read_text()
        places = {
            "SERVICES": services(folder, ports),
            "KEYS": folder / "keys",
            "REVOKED": folder / "revoked.txt",
            "AUDIT": folder / "audit.log",
            "PORT": 0,
            "LINKERD": f"127.0.0.1:{ports['linkerd']}",
            "COLLECTOR": "http://127.0.0.1:1",
        }
        text = re.sub(r"\$\{([A-Z]+):-[^}]*\}", lambda found: str(places[found[1]]), text)
        text = re.sub(r"(?<=port: )(?:80|8080)\b", "0", text)
        text = text.replace("/7777 ", f"/{ports['hello']} ").replace("/7779 ", f"/{ports['api']} ")
        edge = stack.enter_context(running_edge(folder, f"{text}\nadmin: {{port: 0}}\n"))
        now = time.time_ns() // 10**9
        words = {
            "grant": signed(HEADER, claims(now), key).decode(),
            "beyond": signed(HEADER, claims(now, debug=True), key).decode(),
            "api": str(ports["api"]),
        }
        yield name, Stage(edge, mirrors, words)


def test_every_example_is_asked() -> None:
    assert sorted(ASKS) == sorted(file.stem for file in EXAMPLES.glob("*.yml"))


def test_an_example_does_what_it_says(stage: tuple[str, Stage]) -> None:
    name, (edge, mirrors, words) = stage
    for ask in ASKS[name]:
        for running in mirrors.values():
            running.seen.clear()
        lines = [line.format(**words) for line in ask.lines]
        raw = "\r\n".join((f"GET {ask.path} HTTP/1.1", f"Host: {ask.host}", *lines)) + "\r\n\r\n"
        answer = send(edge.port, raw.encode()).decode("latin-1")
        assert answer.startswith(f"HTTP/1.1 {ask.status} "), (ask, answer)
        found = re.search("\r\nX-Upstream: ([^\r]*)", answer)
        assert (found[1] if found else "") == ask.by, (ask, answer)
        reached = b"".join(one for running in mirrors.values() for one in running.seen).decode()
        assert bool(reached) is bool(ask.by), ask
        assert ask.passed_on in reached, ask
        if not ask.passed_on and ask.by and name != "local":
            assert "dtab" not in reached.lower(), ask
