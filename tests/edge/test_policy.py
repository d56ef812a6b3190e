"""Who may say what: the policy as a function of a head."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from config import load
from edge.answers.face import EdgeFace
from edge.assembly import assemble
from edge.settings.edge_config import EdgeConfig
from edge.verdict.trail import Trail
from proxy.call import Peer
from tests.edge.faces import PEER, believed, face_of, head, passed_on
from tests.edge.steering import NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from edge.verdict.context import EdgeContext

CONFIG = """
hosts: [www.hello.world, "*.example"]
trust:
- {name: dogfood, cookie: {name: c, equals: dogfood}, override: /host/w => /srv/w2}
- {name: employee, cookie: {name: c, equals: letmein}, may_override: true, may_sample: true}
- {name: office, peers: [10.0.0.0/16, "fd00::/8"], may_sample: true}
- {name: loose, cookie: {name: loose, contains: DogFood}, override: /host/w => /srv/w3}
- {name: narrow, cookie: {name: c, equals: narrow},
   may_override: {prefixes: [/host/w], targets: [/srv/w2, /srv/w3]}}
tracing: {sample_rate: 0.25}
"""


FACE = face_of(CONFIG)


def decided(*lines: bytes, peer: Peer = PEER, face: EdgeFace = FACE) -> EdgeContext:
    return face.settings.policy.decide(head(*lines), peer)


TRACE = b"l5d-ctx-trace: NEKbBLa79Hg0QpsEtrv0eDRCmwS2u/R4AAAAAAAAAAA="
SAMPLED_TRACE = b"l5d-ctx-trace: NEKbBLa79Hg0QpsEtrv0eDRCmwS2u/R4AAAAAAAAAAY="


def test_an_outsider_is_not_believed() -> None:
    context = decided(b"l5d-dtab: /a=>/b", b"l5d-sample: 1", TRACE)
    assert (context.local, context.sample, context.trace) == (b"", 0.25, None)
    assert not context.trusted
    assert context.dropped
    assert not decided(b"x-mine: 1").dropped


def test_the_dogfood_rule_gives_its_override_and_no_more() -> None:
    context = decided(b"Cookie: a=b; c=dogfood", b"l5d-dtab: /x=>/y", b"l5d-sample: 1", TRACE)
    assert context.local == b"/host/w=>/srv/w2"
    assert (context.sample, context.trace, context.trusted) == (0.25, None, False)
    assert context.rule == "dogfood"
    assert context.tags == {"edge.rule": "dogfood", "edge.override": "rule"}


def test_an_employee_is_believed() -> None:
    context = decided(b"Cookie: c=letmein", b"l5d-dtab: /host/x=>/srv/y", b"l5d-sample: 0", TRACE)
    assert context.local == b"/host/x=>/srv/y"
    assert context.sample == 0.0
    assert context.trace is not None
    assert context.trusted


def test_a_trace_that_is_recorded_counts_only_from_who_may_sample() -> None:
    believed = decided(b"Cookie: c=letmein", SAMPLED_TRACE)
    assert believed.trace is not None
    assert believed.trace.sampled
    assert believed.forced
    narrow = decided(b"Cookie: c=narrow", SAMPLED_TRACE)
    assert narrow.trace is not None
    assert narrow.trace.sampled is None
    assert not narrow.forced


def test_what_was_said_of_a_connections_last_request_is_not_said_of_the_next() -> None:
    text = "hosts: [www.hello.world]\nlimits: {client: {per_s: 1, burst: 1}}"
    now = [100.0]
    face = EdgeFace(
        assemble(load(EdgeConfig, text, source="edge.yml")).face, monotonic_s=lambda: now[0]
    )
    request = head()  # the same lines again are the same head
    said = []
    for seconds, method in ((0, b"GET"), (0, b"GET"), (9, b"PUT")):
        now[0] += seconds
        request.method = method
        context, key = believed(face, request)
        said.append((key is None, context.tags, context.method))
        if key is None:
            assert face.unidentified(request, context, PEER).status == 429
    assert said == [(False, None, b"GET"), (True, None, b"GET"), (False, None, b"PUT")]


def test_a_rule_may_count_on_some_hosts_only() -> None:
    face = face_of("""
hosts: [www.hello.world, "*.example"]
trust:
- {name: one, hosts: [WWW.hello.world], cookie: {name: c, equals: "1"}, override: /a => /b}
- {name: two, hosts: ["*.example"], cookie: {name: c, equals: "1"}, override: /a => /c}
""")

    def rule(host: bytes) -> str:
        return face.settings.policy.decide(head(b"Cookie: c=1", host=host), PEER).rule

    assert [rule(host) for host in (b"www.hello.world:80", b"a.example", b"example")] == [
        "one",
        "two",
        "",
    ]
    trail = Trail()
    face.settings.policy.decide(head(b"Cookie: c=1", host=b"a.example"), PEER, trail)
    assert ("trust", "rule one does not apply: it is not for this host") in trail.steps


def test_a_rule_may_have_a_rate_of_its_own() -> None:
    face = face_of("""
hosts: [www.hello.world]
tracing: {sample_rate: 0.25}
trust:
- {name: dogfood, cookie: {name: c, equals: dogfood}, override: /a => /b, sample_rate: 1}
- {name: monitors, peers: [10.9.8.0/24], sample_rate: 0, may_sample: true}
""")
    staged = decided(b"Cookie: c=dogfood", face=face)
    assert (staged.sample, staged.forced) == (1.0, True)  # what a cookie can ask for has a budget
    monitor = decided(face=face)
    assert (monitor.sample, monitor.forced) == (0.0, False)
    assert decided(b"l5d-sample: 0.5", face=face).sample == 0.5
    assert decided(face=face, peer=Peer("192.0.2.1", 1)).sample == 0.25
    trail = Trail()
    face.settings.policy.decide(head(b"Cookie: c=dogfood"), PEER, trail)
    assert ("sample", "1 by dogfood, if the budget allows") in trail.steps


def test_of_traces_that_disagree_one_counts() -> None:
    """Attacks 77: l5d-ctx-trace, then b3, then X-B3-*, then traceparent; what is none is passed."""
    traceparent = b"traceparent: 00-" + b"1" * 32 + b"-" + b"1" * 16 + b"-01"
    lines = [
        b"X-B3-TraceId: " + b"2" * 32 + b"\r\nX-B3-SpanId: " + b"2" * 16,
        b"b3: " + b"3" * 16 + b"-" + b"3" * 16 + b"-0",
        b"l5d-ctx-trace: " + base64.b64encode(b"\x44" * 24 + bytes(8)),
        b"l5d-ctx-trace: " + base64.b64encode(b"\x55" * 23),
    ]
    found = []
    for count in range(len(lines)):
        trace = decided(b"Cookie: c=letmein", traceparent, *lines[:count]).trace
        assert trace is not None
        found.append(trace.trace_id.hex()[-1])
    assert found == ["1", "2", "3", "4"]
    broken = decided(b"Cookie: c=letmein", lines[3], b"b3: x", lines[0], traceparent).trace
    assert broken is not None
    assert broken.trace_id.hex()[-1] == "2"


@pytest.mark.parametrize(
    ("ip", "rule"),
    [
        ("10.0.3.4", "office"),
        ("10.1.0.0", ""),
        ("fd00::1", "office"),
        ("::ffff:10.0.0.1", "office"),
    ],
)
def test_a_network_may_be_trusted(ip: str, rule: str) -> None:
    assert decided(b"l5d-sample: 1", peer=Peer(ip, 1)).rule == rule


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
    assert decided(b"Cookie: " + cookie).rule == ""


def test_a_cookies_value_may_be_kept_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "dogfood").write_text("letmein\n")
    cookie = f"{{name: c, equals: {{file: {tmp_path}/dogfood}}}}"
    face = face_of(f"trust: [{{name: staff, cookie: {cookie}, may_override: true}}]")
    assert decided(b"Cookie: c=letmein", face=face).rule == "staff"
    assert decided(b"Cookie: c=dogfood", face=face).rule == ""


def test_a_cookie_in_two_lines_is_given_twice() -> None:
    assert decided(b"Cookie: c=dogfood", b"Cookie: c=letmein").rule == ""


@pytest.mark.parametrize("value", [b"dogfood", b"DOGFOOD", b"xdogfoodx"])
def test_the_tutorials_form_matches_anywhere_and_is_warned_of(value: bytes) -> None:
    assert decided(b"Cookie: loose=" + value).rule == "loose"
    config = load(EdgeConfig, CONFIG, source="edge.yml")
    assert len(config.warnings) == 1
    assert "trust rule loose" in config.warnings[0]


@pytest.mark.parametrize("name", [*NAMES, b"weir-grant"])
@pytest.mark.parametrize("copies", [1, 50])
def test_every_name_of_ours_is_dropped_in_every_form(name: bytes, copies: int) -> None:
    forms = [name, name.upper(), name.title(), name.replace(b"-", b"_"), name.replace(b"-", b".")]
    for form in forms:
        request = head(*[form + b": smuggled"] * copies)
        assert b"smuggled" not in passed_on(FACE, request)


@pytest.mark.parametrize(
    "name", [b"X-Forwarded-For", b"x-forwarded-host", b"Forwarded", b"X-Real-IP", b"Via"]
)
def test_where_a_request_came_from_is_said_by_us(name: bytes) -> None:
    request = head(name + b": forged", b"Cookie: c=letmein")
    block = passed_on(FACE, request)
    assert b"forged" not in block
    assert b"\r\nX-Forwarded-For: 10.9.8.7\r\n" in block


def test_a_trusted_proxy_is_believed_about_the_client() -> None:
    face = face_of("hosts: [www.hello.world]\nproxies: [10.9.0.0/16]\n")
    lines = (b"X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.9.1.1", b"X-Forwarded-Proto: https")
    request = head(*lines)
    context, _ = believed(face, request)
    assert (context.client, context.https) == ("192.0.2.7", True)
    block = face.upstream_block(request, context, PEER)
    assert b"\r\nX-Forwarded-For: 192.0.2.7, 10.9.8.7\r\n" in block
    assert b"\r\nX-Forwarded-Proto: https\r\n" in block
    stranger = face.settings.policy.decide(head(*lines), Peer("192.0.2.9", 1))
    assert (stranger.client, stranger.https) == ("192.0.2.9", False)


def test_the_trail_tells_each_step_and_changes_nothing() -> None:
    trail = Trail()
    request = head(b"Cookie: c=dogfood", b"L5d-Dtab: /x=>/y", host=b"WWW.hello.world:80")
    context = FACE.settings.policy.decide(request, PEER, trail)
    assert context == FACE.settings.policy.decide(request, PEER)
    assert [tuple(step) for step in trail.steps] == [
        ("client", "10.9.8.7"),
        ("host", "WWW.hello.world:80 is www.hello.world in its normal form"),
        ("place", "host rule www.hello.world"),
        ("sample", "0.25 by tracing.sample_rate"),
        ("trust", "rule dogfood applies"),
        ("believed", "dogfood: its requests get an override"),
        ("header", "L5d-Dtab: /x=>/y is dropped"),
        ("override", "/host/w=>/srv/w2"),
    ]
