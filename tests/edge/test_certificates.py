"""Trust by the certificate that a client shows, through a real TLS listener."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from edge.rules.identity import CertificateMatch
from proxy.tls import Identity
from tests.kits.certificates import Authority
from tests.kits.edge_process import RunningEdge, running_edge, services
from tests.kits.mirror import mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy.certificates import CertificateFiles

CONFIG = """
listener:
  ip: 127.0.0.1
  port: 0
  tls:
    certificates: [{{cert: {chain}, key: {key}}}]
    client_certificates: wanted
    client_ca: {ca}
admin: {{ip: 127.0.0.1, port: 0}}
hosts: [www.hello.world]
dtab: |
  /srv => /#/io.l5d.fs ;
  /host/world => /srv/world-v1 ;
  /svc/www.hello.world => /host/world ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
trust:
- name: staff
  certificate: {{uri: "spiffe://hello.world/staff/*"}}
  may_override: true
- name: laptop
  certificate: {{dns: "*.staff.hello.world"}}
  override: /host/world => /srv/world-v2
"""
OVERRIDE = "l5d-dtab: /host/world => /srv/world-v2"


@dataclass
class Stage:
    edge: RunningEdge
    authority: Authority
    folder: Path

    def ask(self, shown: CertificateFiles | None, *lines: str) -> str:
        """Who answers a request of a client with this certificate; empty: nobody does."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if shown is not None:
            context.load_cert_chain(shown.chain, shown.key)
        raw = "\r\n".join(("GET / HTTP/1.1", "Host: www.hello.world", *lines)) + "\r\n\r\n"
        with (
            socket.create_connection(("127.0.0.1", self.edge.port), 30) as plain,
            context.wrap_socket(plain, server_hostname="www.hello.world") as sock,
        ):
            sock.sendall(raw.encode())
            got = b""
            while b"\r\n\r\n" not in got and (more := sock.recv(65_536)):
                got += more
        found = re.search(rb"\r\nX-Upstream: (\S+)", got)
        return found[1].decode() if found else ""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("certificates")
    authority = Authority(folder)
    files = authority.issue("www.hello.world")
    with mirror("world-v1") as stable, mirror("world-v2") as staged:
        place = services(folder, {"world-v1": stable.port, "world-v2": staged.port})
        text = CONFIG.format(chain=files.chain, key=files.key, ca=authority.file, services=place)
        with running_edge(folder, text) as edge:
            yield Stage(edge, authority, folder)


def test_a_client_without_a_certificate_is_an_outsider(stage: Stage) -> None:
    assert stage.ask(None) == "world-v1"
    assert stage.ask(None, OVERRIDE) == "world-v1"


def test_a_certificate_of_staff_may_override(stage: Stage) -> None:
    alice = stage.authority.issue("alice", "spiffe://hello.world/staff/alice")
    assert stage.ask(alice) == "world-v1"
    assert stage.ask(alice, OVERRIDE) == "world-v2"


def test_a_certificate_with_an_override_gets_it_and_no_more(stage: Stage) -> None:
    laptop = stage.authority.issue("l1.staff.hello.world")
    assert stage.ask(laptop) == "world-v2"
    assert stage.ask(laptop, "l5d-dtab: /host/world => /srv/nobody") == "world-v2"


@pytest.mark.parametrize(
    "names",
    [
        ("mallory", "spiffe://hello.world/staffer/mallory"),
        ("mallory", "spiffe://evil.example/hello.world/staff/mallory"),
        ("staff.hello.world",),
        ("l1.staff.hello.world.evil.example",),
        ("xstaff.hello.world",),
    ],
)
def test_a_certificate_that_says_something_else_opens_nothing(
    stage: Stage, names: tuple[str, ...]
) -> None:
    mallory = stage.authority.issue(*names, file=f"mallory-{hash(names)}")
    assert stage.ask(mallory, OVERRIDE) == "world-v1"


def test_a_header_is_no_certificate(stage: Stage) -> None:
    """What proxies pass on of certificates is dropped from outsiders."""
    forged = 'X-Forwarded-Client-Cert: URI="spiffe://hello.world/staff/alice"'
    assert stage.ask(None, forged, OVERRIDE) == "world-v1"


def test_a_certificate_of_nobody_we_trust_ends_the_handshake(stage: Stage) -> None:
    stranger = Authority(stage.folder, "stranger").issue(
        "alice", "spiffe://hello.world/staff/alice"
    )
    # A client of TLS 1.3 learns of it when it reads.
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert stage.ask(stranger, OVERRIDE) == ""


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (CertificateMatch(dns="a.example"), True),
        (CertificateMatch(dns="A.Example"), True),
        (CertificateMatch(dns="*.example"), True),
        (CertificateMatch(dns="*.a.example"), False),
        (CertificateMatch(uri="spiffe://x/staff/a"), True),
        (CertificateMatch(uri="spiffe://x/staff/*"), True),
        (CertificateMatch(uri="spiffe://x/staff"), False),
        (CertificateMatch(subject="CN=a"), True),
        (CertificateMatch(subject="CN=A"), False),
        (CertificateMatch(sha256="AB" * 32), True),
        (CertificateMatch(sha256="AC" * 32), False),
        (CertificateMatch(dns="a.example", sha256="AC" * 32), False),
    ],
)
def test_everything_that_a_rule_names_must_hold(wanted: CertificateMatch, fits: bool) -> None:
    shown = Identity("CN=a", ("a.example", "*.staff.example"), ("spiffe://x/staff/a",), "AB" * 32)
    assert wanted.fits(shown) is fits


def test_a_wildcard_certificate_is_nobody_below_it() -> None:
    shown = Identity("", ("*.staff.example",), (), "")
    assert not CertificateMatch(dns="*.staff.example").fits(shown)
