"""The bulk edits equal the plain ones, on every head."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from config import load
from edge.answers.face import EdgeFace
from edge.answers.plain import PlainFace
from edge.assembly import assemble
from edge.settings.edge_config import EdgeConfig
from edge.verdict.context import EdgeContext
from proxy.call import Peer
from tests.edge.faces import believed, passed_on
from wire.errors import BadRequest, BadResponse
from wire.head import header_lines
from wire.limits import EDGE_LIMITS
from wire.request import read_request_head
from wire.response import read_response_head

CONFIG = """
hosts:
- www.hello.world
- {host: timed.example, server_timing: true}
- host: edited.example
  headers:
    request: {set: {X-Set: "1"}, remove: [X-Gone]}
    response: {set: {X-Set: "2"}, remove: [X-Gone, Server]}
forwarding: {forwarded: true, request_id: X-Set}
trust: [{name: employee, cookie: {name: c, equals: letmein}, may_override: true}]
"""
SETTINGS = assemble(load(EdgeConfig, CONFIG, source="edge.yml")).face
BULK, PLAIN = EdgeFace(SETTINGS), PlainFace(SETTINGS)
ALL_FORMATS = "tracing: {write: [l5d, b3, b3-multi, w3c]}\n"
TRACED = assemble(load(EdgeConfig, CONFIG + ALL_FORMATS, source="edge.yml")).face
PEER = Peer("192.0.2.1", 1)

NAMES = st.sampled_from(
    re.findall(
        r"\S+",
        """l5d-dtab l5d-ctx-trace l5d-ctx-x l5d-sample l5d-reqid l5d-dst-service l5d-add-context
        l5d-foo l5d_dtab l5d.ctx l5dx l5d weir-grant weir_debug weirdo x-weir- Via Forwarded
        X-Forwarded-For X-Forwarded-Anything X-Real-IP Keep-Alive TE Trailer Proxy-Connection
        Proxy-Authorization Connection X-Hop X-Gone X-Set Server Accept Cookie Host-Like xhost
        traceparent tracestate b3 X-B3-TraceId X-B3-Anything baggage Server-Timing traceresponse""",
    )
)
PARENT = "00-463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-01"
VALUES = st.sampled_from(
    [
        "",
        "x",
        "a: b",
        "x-hop",
        "close",
        "keep-alive, x-hop",
        "/a=>/b",
        "c=letmein",
        "100-continue",
        PARENT,
    ]
)


def cased(name: str, upper: int) -> str:
    return (name, name.upper(), name.title())[upper]


BLANKS = st.sampled_from(["", " ", "\t "])
LINES = st.lists(
    st.builds(
        lambda name, upper, blank, value: f"{cased(name, upper)}:{blank}{value}",
        NAMES,
        st.integers(0, 2),
        BLANKS,
        VALUES,
    ),
    max_size=8,
)


def normal(block: bytes) -> list[tuple[bytes, bytes]]:
    return sorted((name.lower(), value) for name, value in header_lines(block))


@given(
    LINES,
    st.sampled_from(["www.hello.world", "WWW.hello.world:80", "edited.example"]),
    st.sampled_from([(BULK, PLAIN), (EdgeFace(TRACED), PlainFace(TRACED))]),
)
def test_requests_are_edited_alike(
    lines: list[str], host: str, faces: tuple[EdgeFace, EdgeFace]
) -> None:
    raw = "\r\n".join(("GET /a HTTP/1.1", f"Host: {host}", *lines)).encode() + b"\r\n\r\n"
    blocks = []
    for face in faces:
        try:
            request = read_request_head(raw, EDGE_LIMITS)
        except BadRequest:
            return
        blocks.append(passed_on(face, request, PEER))
    assert normal(blocks[0]) == normal(blocks[1])


HOSTS = st.sampled_from(["www.hello.world", "edited.example", "timed.example"])


@given(LINES, st.booleans(), HOSTS)
def test_answers_are_edited_alike(lines: list[str], trusted: bool, host: str) -> None:
    raw = "\r\n".join(("HTTP/1.1 200 OK", *lines)).encode() + b"\r\n\r\n"
    place = SETTINGS.policy.hosts.find(host.encode())[1]
    context = EdgeContext(trusted=trusted, place=place)
    blocks = []
    for face in (BULK, PLAIN):
        try:
            response = read_response_head(raw, b"GET")
        except BadResponse:
            return
        blocks.append(face.answer_block(response, context, success=True))
    assert normal(blocks[0]) == normal(blocks[1])


@given(LINES, st.sampled_from(["www.hello.world", "edited.example"]))
def test_nothing_of_ours_passes_whatever_an_outsider_sends(lines: list[str], host: str) -> None:
    outside = [line for line in lines if "letmein" not in line]
    raw = "\r\n".join(("GET /a HTTP/1.1", f"Host: {host}", *outside)).encode() + b"\r\n\r\n"
    for face in (BULK, PLAIN):
        try:
            request = read_request_head(raw, EDGE_LIMITS)
        except BadRequest:
            return
        context, _ = believed(face, request, PEER)
        assert (context.local, context.trace, context.trusted) == (b"", None, False)
        passed = header_lines(face.upstream_block(request, context, PEER))
        names = [name.lower() for name, _ in passed]
        assert not [name for name in names if OURS.match(name) or TRACES.match(name)]
        assert names.count(b"host") == names.count(b"x-forwarded-for") == 1
        assert dict(passed)[b"X-Forwarded-For"] == PEER.ip.encode()


OURS = re.compile(rb"(?:l5d|weir)[-_.]")
TRACES = re.compile(rb"traceparent|tracestate|b3\Z|x-b3-|baggage|x-real-ip")
