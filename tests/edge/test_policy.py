"""Who may say what: the policy as a function of a head."""

from __future__ import annotations

import pytest

from dtab import read_dtab
from edge.face import EdgeFace
from edge.hosts import Hosts, normal_host
from edge.policy import Policy, Rule, leaves_the_mesh
from mesh.context import RequestContext
from proxy.call import Peer, Reply
from wire.limits import EDGE_LIMITS
from wire.request import RequestHead, read_request_head

PEER = Peer("10.9.8.7", 1234)
DOGFOOD = Rule(name="dogfood", cookie=b"c", value=b"dogfood", override=b"/host/w=>/srv/w2")
EMPLOYEE = Rule(name="employee", cookie=b"c", value=b"letmein", may_override=True, may_sample=True)
FACE = EdgeFace(Hosts(["www.hello.world", "*.example"]), Policy([DOGFOOD, EMPLOYEE]))


def head(*lines: bytes, host: bytes = b"www.hello.world") -> RequestHead:
    raw = b"\r\n".join((b"GET / HTTP/1.1", b"Host: " + host, *lines)) + b"\r\n\r\n"
    return read_request_head(raw, EDGE_LIMITS)


def believed(*lines: bytes) -> RequestContext:
    read = FACE.read(head(*lines), PEER)
    assert not isinstance(read, Reply)
    return read[0]


TRACE = b"l5d-ctx-trace: NEKbBLa79Hg0QpsEtrv0eDRCmwS2u/R4AAAAAAAAAAA="


def test_an_outsider_is_not_believed() -> None:
    context = believed(b"l5d-dtab: /a=>/b", b"l5d-sample: 1", TRACE)
    assert (context.local, context.sample, context.trace, context.trusted) == (
        b"",
        None,
        None,
        False,
    )


def test_the_dogfood_rule_gives_its_override_and_no_more() -> None:
    context = believed(b"Cookie: a=b; c=dogfood", b"l5d-dtab: /x=>/y", b"l5d-sample: 1", TRACE)
    assert context.local == b"/host/w=>/srv/w2"
    assert (context.sample, context.trace, context.trusted) == (None, None, False)
    assert context.rule == "dogfood"


def test_an_employee_is_believed() -> None:
    context = believed(b"Cookie: c=letmein", b"l5d-dtab: /host/x=>/srv/y", b"l5d-sample: 0", TRACE)
    assert context.local == b"/host/x=>/srv/y"
    assert context.sample == 0.0
    assert context.trace is not None
    assert context.trusted


@pytest.mark.parametrize(
    "cookie",
    [
        b"c=DOGFOOD",
        b"c=xdogfood",
        b'c="dogfood"',
        b"C=dogfood",
        b"xc=dogfood",
        b"c =dogfood",
        b"c=dogfood; c=dogfood",
        b"c=dogfood, c=dogfood",
        b"c=%64ogfood",
        b"c",
        b"",
        b"c=dogfood\t2",
    ],
)
def test_a_cookie_must_equal_byte_for_byte_and_once(cookie: bytes) -> None:
    assert believed(b"Cookie: " + cookie).rule == ""


def test_a_cookie_in_two_lines_is_given_twice() -> None:
    assert believed(b"Cookie: c=dogfood", b"Cookie: c=letmein").rule == ""


OURS = [
    b"l5d-dtab",
    b"l5d-ctx-dtab",
    b"l5d-ctx-trace",
    b"l5d-ctx-deadline",
    b"l5d-ctx-anything",
    b"l5d-sample",
    b"l5d-reqid",
    b"l5d-dst-service",
    b"l5d-dst-client",
    b"l5d-dst-residual",
    b"l5d-add-context",
    b"l5d-name",
    b"l5d-err",
    b"l5d-retryable",
    b"l5d-success-class",
    b"l5d-foo",
]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("copies", [1, 50])
def test_every_name_of_ours_is_dropped_in_every_form(name: bytes, copies: int) -> None:
    forms = [name, name.upper(), name.title(), name.replace(b"-", b"_"), name.replace(b"-", b".")]
    for form in forms:
        request = head(*[form + b": smuggled"] * copies)
        block = FACE.upstream_block(request, RequestContext(trusted=False), PEER)
        assert b"smuggled" not in block


@pytest.mark.parametrize(
    "name", [b"X-Forwarded-For", b"x-forwarded-host", b"Forwarded", b"X-Real-IP", b"Via"]
)
def test_where_a_request_came_from_is_said_by_us(name: bytes) -> None:
    request = head(name + b": forged", b"Cookie: c=letmein")
    context = believed(b"Cookie: c=letmein")
    block = FACE.upstream_block(request, context, PEER)
    assert b"forged" not in block
    assert b"\r\nX-Forwarded-For: 10.9.8.7" in block


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        (b"WWW.Hello.World", b"www.hello.world"),
        (b"www.hello.world:8080", b"www.hello.world"),
        (b"www.hello.world.", b"www.hello.world"),
        (b"[::1]:80", b"[::1]"),
    ],
)
def test_a_host_has_one_form(host: bytes, normal: bytes) -> None:
    assert normal_host(host) == normal


def test_hosts_are_exact_or_below_a_suffix() -> None:
    hosts = Hosts(["www.hello.world", "*.Example"])
    assert b"www.hello.world" in hosts
    assert b"a.b.example" in hosts
    assert b"example" not in hosts
    assert b"notexample" not in hosts
    assert b"hello.world" not in hosts


@pytest.mark.parametrize(
    "override",
    [
        "/host/w => /$/inet/169.254.169.254/80",
        "/host/w => /srv/a | /$/inet/127.0.0.1/9990",
        "/host/w => 0.1*/srv/a & 0.9*/$/io.buoyant.rinet/80/evil.example",
        "/host/w => /#/io.l5d.fs/secret",
        "/ => /srv/a",
        "/* => /srv/a",
        "/$/inet => /srv/a",
        "/#/io.l5d.fs/hello => /srv/a",
        "/host/w => /",
        "/ok => /srv/a ; /host/w => (/srv/b | (/srv/c & /$/nil))",
    ],
)
def test_an_override_may_not_leave_the_mesh(override: str) -> None:
    assert leaves_the_mesh(read_dtab(override)) is not None
    read = FACE.read(head(b"Cookie: c=letmein", b"l5d-dtab: " + override.encode()), PEER)
    assert isinstance(read, Reply)
    assert read.status == 403


@pytest.mark.parametrize(
    "override", ["", "/host/w => /srv/w2", "/svc/* => /srv/x | ~", "/host/w => ! ; /a => $"]
)
def test_an_override_within_the_mesh_passes(override: str) -> None:
    assert leaves_the_mesh(read_dtab(override)) is None
