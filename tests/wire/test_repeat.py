"""A head whose lines came before reads as it would have read alone."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wire.errors import BadRequest
from wire.limits import EDGE_LIMITS, Limits
from wire.repeat import LINES_BYTES_MAX, read_again, remember
from wire.request import RequestHead, read_request_head

LINES = b"\r\nHost: web\r\nX-Id: 1\r\nConnection: keep-alive, x-id\r\n\r\n"
FIRST = b"GET /first HTTP/1.1" + LINES
FACTS = (
    "method",
    "target",
    "minor",
    "block",
    "host",
    "content_length",
    "chunked",
    "expects_continue",
    "upgrade",
    "nominated",
    "keep_alive",
)


def carefully(head: bytes, limits: Limits = EDGE_LIMITS) -> RequestHead | None:
    """What the engine reads of a head alone; None: it refuses."""
    try:
        httptools.HttpRequestParser(None).feed_data(head)
        return read_request_head(head, limits)
    except (httptools.HttpParserError, BadRequest):
        return None


def remembered(head: bytes = FIRST) -> RequestHead:
    request = carefully(head)
    assert request is not None
    kept = remember(request, head)
    assert kept is not None
    return kept


def facts(request: RequestHead) -> list[object]:
    return [getattr(request, name) for name in FACTS]


@given(st.binary(max_size=40).map(lambda target: b"GET /%b HTTP/1.1" % target) | st.binary())
@example(b"GET / HTTP/1.1\r\nX: y")
@example(b"GET /a#b HTTP/1.1")
@example(b"GET  / HTTP/1.1")
@example(b"GET / HTTP/1.0")
@example(b"HEAD / HTTP/1.1")
@example(b"GET http://other/ HTTP/1.1")
@example(b"GET /\x00 HTTP/1.1")
def test_what_is_read_again_is_what_would_be_read_alone(line: bytes) -> None:
    last = remembered()
    before = facts(last)
    if read_again(last, line + LINES, EDGE_LIMITS):
        alone = carefully(line + LINES)
        assert alone is not None
        assert facts(last) == facts(alone)
    else:
        assert facts(last) == before


@pytest.mark.parametrize("code", range(0x21, 0x7F))
def test_every_character_that_a_target_may_have_is_one_to_llhttp_too(code: int) -> None:
    head = b"GET /%c HTTP/1.1" % code + LINES
    assert read_again(remembered(), head, EDGE_LIMITS) is (carefully(head) is not None)


@pytest.mark.parametrize(
    "head",
    [
        FIRST[:-1],
        FIRST + b"G",
        FIRST.replace(b"X-Id: 1", b"X-Id: 2"),
        FIRST.replace(b"X-Id: 1", b"x-id: 1"),
        FIRST.replace(b"Host: web", b"Host: web2"),
        FIRST.replace(b"\r\nHost", b"\r\nA: b\r\nHost"),
        FIRST.replace(b"GET", b"PUT"),
        FIRST.replace(b"\r\nHost", b"\nHost"),
        b"\r\n" + FIRST,
        LINES,
        b"",
    ],
)
def test_other_bytes_are_not_taken_for_the_same(head: bytes) -> None:
    assert not read_again(remembered(), head, EDGE_LIMITS)


def test_a_target_or_a_head_beyond_its_bound_gets_a_closer_look() -> None:
    target = b"/" + b"a" * 99
    head = FIRST.replace(b"/first", target)
    assert read_again(remembered(), head, EDGE_LIMITS)
    assert not read_again(remembered(), head, Limits(target_bytes_max=99))
    assert not read_again(remembered(), head, Limits(head_bytes_max=len(head) - 1))


@pytest.mark.parametrize(
    "head",
    [
        FIRST.replace(b"X-Id: 1", b"Content-Length: 0"),
        FIRST.replace(b"X-Id: 1", b"Content-Length: 5"),
        FIRST.replace(b"X-Id: 1", b"Transfer-Encoding: chunked"),
        FIRST.replace(b"X-Id: 1", b"Expect: 100-continue"),
        FIRST.replace(b"keep-alive", b"close"),
        FIRST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        FIRST.replace(b"/first", b"http://other/first"),
        b"OPTIONS *" + FIRST[len(b"GET /first") :],
        FIRST.replace(b"X-Id: 1", b"Cookie: " + b"c" * LINES_BYTES_MAX),
    ],
)
def test_a_request_that_is_more_than_a_head_is_not_remembered(head: bytes) -> None:
    request = carefully(head)
    assert request is not None
    assert remember(request, head) is None


def test_what_a_router_changed_in_a_request_is_as_it_came_the_next_time() -> None:
    last = remembered()
    last.block, last.target, last.keep_alive = b"\r\nHost: web", b"/else", False
    assert read_again(last, FIRST, EDGE_LIMITS)
    alone = carefully(FIRST)
    assert alone is not None
    assert facts(last) == facts(alone)
