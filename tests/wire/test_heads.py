"""Bulk editing against a plain reader that looks at one header after the other."""

from __future__ import annotations

import re
from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.chunked import ChunkedReader
from wire.err_header import ERR_CHARACTERS_MAX, encode_err
from wire.errors import BadRequest, BadResponse
from wire.head import drop_pattern, first_value, header_lines, values
from wire.limits import EDGE_LIMITS, MESH_LIMITS
from wire.request import NOT_FOR_UPSTREAM, read_request_head
from wire.response import read_response_head

NAMES = [
    b"Host",
    b"Accept",
    b"l5d-dtab",
    b"L5D_Sample",
    b"l5d.x",
    b"l5dx",
    b"X-l5d-y",
    b"Connection",
    b"keep-alive",
    b"Te",
    b"X-Forwarded-For",
    b"x-hop",
]
TEXT = st.binary(max_size=12).map(lambda raw: bytes(c for c in raw if c >= 0x20 and c != 0x7F))
LINES = st.lists(st.tuples(st.sampled_from(NAMES), TEXT), max_size=12)
DROP = drop_pattern(*NOT_FOR_UPSTREAM, rb"l5d[-_.][^:\r\n]*")


def block_of(lines: list[tuple[bytes, bytes]]) -> bytes:
    return b"".join(b"\r\n" + name + b": " + value for name, value in lines)


def plain_drop(lines: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The same rule, a header at a time."""
    gone = {name.decode() for name in NOT_FOR_UPSTREAM}
    return [
        (name, value)
        for name, value in lines
        if name.decode().lower() not in gone and not re.match(r"l5d[-_.]", name.decode().lower())
    ]


@given(LINES)
def test_dropping_in_bulk_equals_dropping_line_by_line(lines: list[tuple[bytes, bytes]]) -> None:
    dropped = header_lines(DROP.sub(b"", block_of(lines)))
    assert dropped == [(name, value.strip(b" \t")) for name, value in plain_drop(lines)]


@given(LINES, st.sampled_from(NAMES))
def test_values_are_found_like_line_by_line(lines: list[tuple[bytes, bytes]], name: bytes) -> None:
    wanted = [value.strip(b" \t") for key, value in lines if key.lower() == name.lower()]
    assert values(block_of(lines), name) == wanted
    assert first_value(block_of(lines), name) == (wanted[0] if wanted else None)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_as_a_request(raw: bytes) -> None:
    for limits in (EDGE_LIMITS, MESH_LIMITS):
        try:
            request = read_request_head(b"GET / HTTP/1.1\r\n" + raw + b"\r\n\r\n", limits)
        except BadRequest as refused:
            assert 400 <= refused.status <= 505
        else:
            assert request.end_to_end(DROP) is not None


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_as_a_response(raw: bytes) -> None:
    try:
        response = read_response_head(b"HTTP/1.1 200 OK\r\n" + raw + b"\r\n\r\n", b"GET")
    except BadResponse as refused:
        assert refused.reason
    else:
        assert response.status == 200


def test_a_nominated_header_goes_and_ours_cannot_be_nominated() -> None:
    request = read_request_head(
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop, l5d-ctx-trace\r\n"
        b"x-hop: 1\r\nX-Hope: 2\r\nl5d-ctx-trace: t\r\n\r\n",
        EDGE_LIMITS,
    )
    assert not request.keep_alive
    assert request.end_to_end(drop_pattern(*NOT_FOR_UPSTREAM)) == (
        b"\r\nHost: a\r\nX-Hope: 2\r\nl5d-ctx-trace: t"
    )


@pytest.mark.parametrize(
    ("lines", "minor", "keep_alive"),
    [
        (b"", 1, True),
        (b"", 0, False),
        (b"Connection: close\r\n", 1, False),
        (b"Connection: Keep-Alive\r\n", 0, True),
        (b"Connection: x, close\r\n", 1, False),
        (b"Connection: x, keep-alive\r\n", 0, True),
    ],
)
def test_whether_the_connection_stays(lines: bytes, minor: int, keep_alive: bool) -> None:
    head = b"GET / HTTP/1.%d\r\nHost: a\r\n%b\r\n" % (minor, lines)
    assert read_request_head(head, EDGE_LIMITS).keep_alive is keep_alive


@given(
    st.sampled_from(["Connection", "connection", "CONNECTION", "Connection ", "Connection-X"]),
    st.sampled_from([" ", "", "\t", "  "]),
    st.sampled_from(["close", "Close", "keep-alive", "Keep-Alive", "close ", "closed", "x", ""]),
    st.integers(0, 3),
    st.integers(0, 1),
)
def test_the_short_way_for_usual_connection_lines_changes_nothing(
    name: str, blank: str, value: str, at: int, minor: int
) -> None:
    lines = ["X: connection: close", "Y: 2", "Cookie: a"]
    lines.insert(at, f"{name}:{blank}{value}")
    heads: list[object] = []
    for more in ("", "TE: trailers\r\n"):  # the second is never read the short way
        text = f"GET / HTTP/1.{minor}\r\nHost: a\r\n" + "\r\n".join(lines) + f"\r\n{more}\r\n"
        try:
            head = read_request_head(text.encode(), EDGE_LIMITS)
        except BadRequest:
            heads.append(None)
            continue
        block = head.end_to_end(drop_pattern(*NOT_FOR_UPSTREAM))
        heads.append((head.keep_alive, block, list(head.nominated)))
    assert heads[0] == heads[1]


@pytest.mark.parametrize(
    ("target", "routed", "host"),
    [
        (b"http://web/x?y", b"/x?y", b"web"),
        (b"http://web", b"/", b"web"),
        (b"HTTP://Web:8080?q", b"/?q", b"Web:8080"),
        (b"https://[::1]:80/", b"/", b"[::1]:80"),
    ],
)
def test_an_absolute_target_names_the_host(target: bytes, routed: bytes, host: bytes) -> None:
    request = read_request_head(b"GET " + target + b" HTTP/1.1\r\nHost: other\r\n\r\n", EDGE_LIMITS)
    assert (request.target, request.host) == (routed, host)
    assert values(request.block, b"host") == [host]


# ---- chunked bodies

BODY = b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\nGET / next"


@given(st.lists(st.integers(0, len(BODY))))
def test_any_split_gives_the_same_body(cuts: list[int]) -> None:
    reader = ChunkedReader(EDGE_LIMITS)
    pieces: list[bytes] = []
    rest = b""
    for start, end in pairwise([0, *sorted(cuts), len(BODY)]):
        if reader.done:
            rest += BODY[start:end]
        else:
            pieces += reader.feed(BODY[start:end])
            rest += reader.rest
    assert (b"".join(pieces), reader.trailers, rest) == (b"hello!", b"\r\nX-T: 1", b"GET / next")


ALPHABET = st.sampled_from(
    [b"0", b"5", b"a", b"\r\n", b"\r", b"\n", b";", b" ", b"x", b"hello", b"-"]
)


class _Body:
    def __init__(self) -> None:
        self.data = b""
        self.complete = False

    def on_body(self, data: bytes) -> None:
        self.data += data

    def on_message_complete(self) -> None:
        self.complete = True


@given(st.lists(ALPHABET, max_size=30).map(b"".join))
def test_what_we_take_llhttp_takes_alike(raw: bytes) -> None:
    reader = ChunkedReader(EDGE_LIMITS)
    try:
        pieces = reader.feed(raw)
    except BadRequest:
        return
    ours = raw[: len(raw) - len(reader.rest)] if reader.done else raw
    other = _Body()
    parser = httptools.HttpRequestParser(other)
    parser.feed_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(ours)
    except httptools.HttpParserError:
        return  # stricter than we are: the engine refuses where either does
    assert other.data == b"".join(pieces)
    assert other.complete == reader.done


# ---- l5d-err


def test_l5d_err_is_encoded_as_java_does() -> None:
    assert encode_err("Unable to route request!\n\nservice name: /svc/~*-._é€") == (
        b"Unable+to+route+request%21%0A%0Aservice+name%3A+%2Fsvc%2F%7E*-._%E9%3F"
    )
    assert len(encode_err("/" * 10_000)) == ERR_CHARACTERS_MAX
