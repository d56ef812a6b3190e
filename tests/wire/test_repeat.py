"""A head whose lines came before reads as it would have read alone."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wire.errors import BadRequest, BadResponse
from wire.limits import EDGE_LIMITS, Limits
from wire.repeat import LINES_BYTES_MAX, read_again, read_answer_again, remember
from wire.request import RequestHead, read_request_head
from wire.response import ResponseHead, read_response_head

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
    "plain",
    "marks",
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


TOKENS = st.text("abcXYZ-_09", min_size=1, max_size=4).map(str.encode)
NAMES = TOKENS | st.sampled_from(
    [
        *(b"Host", b"host", b"Connection", b"connection", b"Upgrade", b"Expect", b"TE", b"X-Id"),
        *(b"l5d-dtab", b"l5d-sample", b"Via", b"Cookie", b"X-Forwarded-For", b"Content-Length"),
        *(b"content_length", b"Transfer-Encoding", b"hostess", b"Keep-Alive", b"traceparent"),
    ]
)
VALUES = st.sampled_from(
    [b"", b"1", b"web", b"keep-alive", b"close", b"x-id", b"5", b"chunked", b"a b", b" a", b"a\t"]
) | st.binary(max_size=6)
HEADS = st.lists(st.tuples(NAMES, st.sampled_from([b": ", b":", b":  "]), VALUES), max_size=6)


def head_of(lines: list[tuple[bytes, bytes, bytes]]) -> bytes:
    return b"GET /first HTTP/1.1" + b"".join(b"\r\n%b%b%b" % line for line in lines) + b"\r\n\r\n"


@given(HEADS, st.data())
def test_other_values_read_as_they_would_have_read_alone(
    lines: list[tuple[bytes, bytes, bytes]], data: st.DataObject
) -> None:
    lines = [(b"Host", b": ", b"web"), *lines]
    first = carefully(head_of(lines))
    last = None if first is None else remember(first, head_of(lines))
    if last is None:
        return
    for _ in range(3):
        at = data.draw(st.integers(0, len(lines) - 1))
        name, colon, _ = lines[at]
        name = data.draw(st.just(name) | NAMES)
        lines = [*lines[:at], (name, colon, data.draw(VALUES)), *lines[at + 1 :]]
        head = head_of(lines)
        before = facts(last)
        if read_again(last, head, EDGE_LIMITS):
            alone = carefully(head)
            assert alone is not None
            assert facts(last) == facts(alone)
            assert remember(alone, head) is not None
        else:
            assert facts(last) == before
            return


@pytest.mark.parametrize("code", range(0x20, 0x7F))
def test_every_character_that_a_value_may_have_is_one_to_llhttp_too(code: int) -> None:
    head = FIRST.replace(b"X-Id: 1", b"X-Id: 1%c2" % code)
    assert read_again(remembered(), head, EDGE_LIMITS)
    assert carefully(head) is not None


@pytest.mark.parametrize(
    "line",
    [
        *(b"X-Id: a\tb", b"X-Id: \xff", b"X-Id: a\x00", b"X-Id: a\rb", b"X-Id: a\nb: c"),
        *(b"X-Id : 2", b"X-Id:2", b"X-ID: 2", b"Y-Id: 2", b"X-Id", b""),
    ],
)
def test_an_odd_line_gets_a_closer_look(line: bytes) -> None:
    assert not read_again(remembered(), FIRST.replace(b"X-Id: 1", line), EDGE_LIMITS)


def test_a_line_that_ends_here_is_cut_from_each_head() -> None:
    first = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: keep-alive\r\nX-Id: 1\r\n\r\n"
    last = remembered(first)
    for number in (b"2", b"3"):
        assert read_again(last, first.replace(b"X-Id: 1", b"X-Id: " + number), EDGE_LIMITS)
        assert last.block == b"\r\nHost: web\r\nX-Id: " + number
        assert last.plain
    assert not read_again(last, first.replace(b"keep-alive", b"close"), EDGE_LIMITS)


def test_lines_that_grow_too_large_get_a_closer_look() -> None:
    longer = FIRST.replace(b"X-Id: 1", b"X-Id: " + b"1" * 300)
    size = len(longer) - len(b"GET /first HTTP/1.1") - 4
    assert read_again(remembered(), longer, Limits(block_bytes_max=size))
    assert not read_again(remembered(), longer, Limits(block_bytes_max=size - 1))
    longest = FIRST.replace(b"X-Id: 1", b"X-Id: " + b"1" * LINES_BYTES_MAX)
    assert not read_again(remembered(), longest, EDGE_LIMITS)


ANSWER = b"HTTP/1.1 200 OK\r\nDate: a\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n"
ANSWER_FACTS = (
    *("status", "line", "block", "keep_alive", "content_length", "chunked", "bodyless"),
    *("nominated", "hops", "plain", "sent"),
)
ANSWER_NAMES = TOKENS | st.sampled_from(
    [
        *(b"Content-Length", b"content-length", b"Connection", b"Transfer-Encoding", b"Via"),
        *(b"Server-Timing", b"l5d-err", b"TE", b"Proxy-X", b"Set-Cookie", b"Date", b"Upgrade"),
    ]
)


def answer_carefully(head: bytes) -> ResponseHead | None:
    try:
        httptools.HttpResponseParser(None).feed_data(head)
        return read_response_head(head, b"GET")
    except (httptools.HttpParserError, BadResponse):
        return None


def answer_facts(response: ResponseHead) -> list[object]:
    return [getattr(response, name) for name in ANSWER_FACTS]


def answer_of(lines: list[tuple[bytes, bytes, bytes]], status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return status + b"".join(b"\r\n%b%b%b" % line for line in lines) + b"\r\n\r\n"


KEEP_ALIVE = (b"Connection", b": ", b"keep-alive")
STATUSES = st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 203 "])


@given(
    st.lists(
        st.tuples(ANSWER_NAMES, st.sampled_from([b": ", b":"]), VALUES) | st.just(KEEP_ALIVE),
        max_size=5,
    ),
    STATUSES,
    st.data(),
)
def test_an_answer_with_other_values_reads_as_it_would_have_read_alone(
    lines: list[tuple[bytes, bytes, bytes]], status: bytes, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines)))
    lines = [*lines[:at], (b"Content-Length", b": ", b"5"), *lines[at:]]
    last = answer_carefully(answer_of(lines, status))
    for _ in range(3):
        if last is None:
            return
        at = data.draw(st.integers(0, len(lines) - 1))
        name, colon, _ = lines[at]
        name = data.draw(st.just(name) | ANSWER_NAMES)
        value = data.draw(VALUES | st.integers(0, 10**20).map(lambda n: b"%d" % n))
        lines = [*lines[:at], (name, colon, value), *lines[at + 1 :]]
        head = answer_of(lines, status)
        last = read_answer_again(last, head + b"body")
        if last is not None:
            alone = answer_carefully(head)
            assert alone is not None
            assert answer_facts(last) == answer_facts(alone)


@pytest.mark.parametrize("lines", [[KEEP_ALIVE], [KEEP_ALIVE, KEEP_ALIVE]])
@pytest.mark.parametrize("status", [b"HTTP/1.1 200 OK", b"HTTP/1.1 203 ", b"HTTP/1.1 203"])
def test_what_is_cut_of_an_answer_is_cut_of_the_next(
    status: bytes, lines: list[tuple[bytes, bytes, bytes]]
) -> None:
    lines = [*lines, (b"Content-Length", b": ", b"5")]
    last = answer_carefully(answer_of([*lines, (b"X", b": ", b"1")], status))
    assert last is not None
    again = read_answer_again(last, answer_of([*lines, (b"X", b": ", b"2")], status))
    assert again is not None
    assert again.end_to_end() == b"\r\nContent-Length: 5\r\nX: 2"


def test_an_answer_of_another_length_and_time_is_read_again() -> None:
    last = answer_carefully(ANSWER)
    assert last is not None
    other = ANSWER.replace(b"Date: a", b"Date: b").replace(b"Length: 5", b"Length: 1234")
    again = read_answer_again(last, other + b"x" * 1234)
    assert again is not None
    assert (again.content_length, again.block) == (1234, b"\r\nDate: b\r\nContent-Length: 1234")
    assert read_answer_again(again, ANSWER) is not None


@pytest.mark.parametrize(
    "head",
    [
        ANSWER[:-1],
        ANSWER.replace(b"200 OK", b"404 Not Found"),
        ANSWER.replace(b"keep-alive", b"close"),
        ANSWER.replace(b"Length: 5", b"Length: 05"),
        ANSWER.replace(b"Length: 5", b"Length: +5"),
        ANSWER.replace(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        ANSWER.replace(b"Date: a", b"Content-Length: 5"),
        ANSWER.replace(b"Date: a", b"Date: \xff"),
        ANSWER.replace(b"Date: a", b"Date: a\x00"),
        ANSWER.replace(b"Date: a", b"Date : a"),
        ANSWER.replace(b"\r\nDate", b"\nDate"),
        ANSWER.replace(b"Date: a", b"Date: " + b"a" * LINES_BYTES_MAX),
    ],
)
def test_an_answer_that_is_otherwise_gets_a_closer_look(head: bytes) -> None:
    last = answer_carefully(ANSWER)
    assert last is not None
    assert read_answer_again(last, head) is None


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
