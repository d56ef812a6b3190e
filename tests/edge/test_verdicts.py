"""A verdict on header lines that come again is the one that the lines would get anew."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from config import load
from edge.assembly import assemble
from edge.settings.edge_config import EdgeConfig
from edge.verdict.context import EdgeContext
from tests.edge.faces import PEER, believed, face_of
from tracing.context import new_root
from wire.limits import EDGE_LIMITS
from wire.repeat import read_again, remember
from wire.request import RequestHead, read_request_head

if TYPE_CHECKING:
    from edge.answers.face import EdgeFace

CONFIG = """
hosts:
- www.hello.world
- {host: paths.hello.world, paths: [{prefix: /v1, sample_rate: 1}]}
- {host: old.hello.world, redirect: {host: www.hello.world}}
- {host: edits.hello.world, headers: {request: {set: {X-Way: in}}}}
trust:
- {name: dogfood, cookie: {name: c, equals: dogfood}, override: /host/w => /srv/w2}
- {name: employee, cookie: {name: c, equals: letmein}, may_override: true, may_sample: true}
tracing: {collector: "http://127.0.0.1:1", sample_rate: 0.25}
"""
LINES = {
    "browser": b"Host: www.hello.world\r\nAccept: */*\r\nConnection: keep-alive",
    "shouting": b"Host: WWW.Hello.World:80\r\nAccept: */*",
    "paths": b"Host: paths.hello.world",
    "redirect": b"Host: old.hello.world",
    "edits": b"Host: edits.hello.world",
    "nobody": b"Host: nobody.example",
    "dogfood": b"Host: www.hello.world\r\nCookie: c=dogfood",
    "employee": b"Host: www.hello.world\r\nCookie: c=letmein\r\nl5d-dtab: /host/w=>/srv/w3",
    "behind": b"Host: www.hello.world\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https",
    "forger": b"Host: www.hello.world\r\nl5d-dtab: /host/w=>/srv/w3",
}
TARGETS = (b"/", b"/v1/a", b"/v2", b"/.weir/grant", b"/a%41?b=%41", b"/a/../b", b"//", b"/%2e/")
STEADY = {"browser", "shouting", "edits", "behind"}


def head(lines: bytes, target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + lines + b"\r\n\r\n"


def first(lines: bytes, target: bytes = b"/first") -> RequestHead:
    raw = head(lines, target)
    request = remember(read_request_head(raw, EDGE_LIMITS), raw)
    assert request is not None
    return request


def told(face: EdgeFace, request: RequestHead) -> dict[str, object]:
    """All that the gateway decides of a request, and what goes on."""
    context, key = believed(face, request)
    context.trace = context.trace or new_root(b"12345678")
    block = face.upstream_block(request, context, PEER) if key else b""
    names = set(EdgeContext.__struct_fields__) - {"upstream", "trace"}
    facts = {name: getattr(context, name) for name in names}
    return facts | {"key": key, "target": request.target, "block": block}


@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_a_request_with_the_same_lines_is_judged_as_if_it_came_alone(lines: bytes) -> None:
    face = face_of(CONFIG)
    request = first(lines)
    told(face, request)
    for target in (*TARGETS, *TARGETS[::-1]):
        assert read_again(request, head(lines, target), EDGE_LIMITS)
        alone = first(lines, target)
        assert told(face, request) == told(face, alone)


MARKED = b"Host: www.hello.world\r\nCookie: c=dogfood"


@pytest.mark.parametrize(
    "more",
    [b"", b"forwarding: {forwarded: true, request_id: X-Request-Id}", b"proxies: [10.0.0.0/8]"],
)
@pytest.mark.parametrize("after", LINES.values(), ids=LINES)
@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_other_lines_on_a_connection_are_judged_as_if_they_came_alone(
    lines: bytes, after: bytes, more: bytes
) -> None:
    face = face_of(CONFIG + more.decode())
    last = first(lines)
    told(face, last)
    for target in TARGETS:
        request = first(after + b"\r\nX-Request-Id: 5", target)
        request.verdict = last.verdict
        alone = first(after + b"\r\nX-Request-Id: 5", target)
        assert told(face, request) == told(face, alone)
        last = request


def test_the_id_of_a_request_is_its_own() -> None:
    face = face_of(CONFIG + "forwarding: {request_id: X-Request-Id}")
    request = first(LINES["browser"])
    for id8 in (b"1" * 8, b"2" * 8):
        context, _ = believed(face, request)
        context.trace = new_root(id8)
        assert id8.hex().encode() in face.upstream_block(request, context, PEER)


@pytest.mark.parametrize("name", LINES)
def test_only_what_lines_alone_decide_is_kept(name: str) -> None:
    request = first(LINES[name])
    told(face_of(CONFIG), request)
    assert (request.verdict is not None) == (name in STEADY)


def test_a_reload_counts_from_the_next_request_on() -> None:
    face = face_of(CONFIG)
    request = first(LINES["browser"])
    before = told(face, request)
    face.configure(assemble(load(EdgeConfig, CONFIG.replace("0.25", "0.5"), source="x")).face)
    assert read_again(request, head(LINES["browser"], b"/first"), EDGE_LIMITS)
    after = told(face, request)
    assert (before["sample"], after["sample"]) == (0.25, 0.5)


def test_each_of_the_same_requests_counts_for_the_limits() -> None:
    face = face_of(CONFIG + "limits: {client: {per_s: 1, burst: 3}}\n")
    request = first(LINES["browser"])
    answers = [told(face, request)["answer"] for _ in range(5)]
    assert [answer is None for answer in answers] == [True, True, True, False, False]


def test_a_connection_that_ends_leaves_nothing_behind() -> None:
    request = first(LINES["browser"])
    told(face_of(CONFIG), request)
    gone = weakref.ref(request)
    gc.disable()
    try:
        del request
        assert gone() is None  # no cycle: contexts are not known to the collector of cycles
    finally:
        gc.enable()
