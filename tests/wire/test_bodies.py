"""A body's end: by length, by its connection's, and by what llhttp says beside us."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.body import EndlessReader, SizedReader, answer_body
from wire.errors import BadRequest, BadResponse
from wire.limits import EDGE_LIMITS
from wire.reader import RequestReader
from wire.response import read_response_head
from wire.second import SecondAnswers, SecondRequests

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUESTS = [
    POST + b"hello",
    b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n",
    CHUNKED + b"5\r\nhello\r\n3;x=y\r\n, a\r\n0\r\nX-T: 1\r\n\r\n",
    b"PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
]
RAW = b"".join(REQUESTS)


def told(pieces: list[bytes]) -> list[tuple[bytes, bytes, bytes, bytes]]:
    """What a reader finds: method, target, body and trailers of each request."""
    reader = RequestReader(EDGE_LIMITS)
    found: list[tuple[bytes, bytes, bytes, bytes]] = []
    for piece in pieces:
        data = piece
        while data or reader.buffer:
            body = reader.body
            if body is None:
                reader.buffer += data
                data = b""
                request = reader.take_head()
                if request is None:
                    break
                found.append((request.method, request.target, b"", b""))
                if reader.body is not None:
                    data, reader.buffer = reader.buffer, b""
                continue
            method, target, so_far, _ = found[-1]
            so_far += b"".join(reader.take_body(body, data))
            found[-1] = (method, target, so_far, body.trailers)
            data = body.rest
    return found


@given(st.lists(st.integers(0, len(RAW)), max_size=12))
def test_requests_are_the_same_however_their_bytes_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(RAW)]
    assert told([RAW[a:b] for a, b in pairwise(edges)]) == [
        (b"POST", b"/", b"hello", b""),
        (b"GET", b"/a", b"", b""),
        (b"GET", b"/b", b"", b""),
        (b"POST", b"/", b"hello, a", b"\r\nX-T: 1"),
        (b"PUT", b"/c", b"", b""),
    ]


@given(st.integers(0, 20), st.lists(st.binary(max_size=7), max_size=8))
def test_a_sized_body_takes_its_bytes_and_leaves_the_rest(size: int, pieces: list[bytes]) -> None:
    reader = SizedReader(size)
    got = b""
    for number, piece in enumerate(pieces):
        got += b"".join(reader.feed(piece))
        if reader.done:
            got += reader.rest + b"".join(pieces[number + 1 :])
            break
    assert got == b"".join(pieces)
    assert reader.done is (size <= len(got))


def test_a_body_without_a_length_has_no_end_of_its_own() -> None:
    reader = EndlessReader()
    assert [reader.feed(piece) for piece in (b"a", b"", b"b")] == [[b"a"], [], [b"b"]]
    assert (reader.done, reader.rest) == (False, b"")


@pytest.mark.parametrize(
    ("lines", "method", "kind"),
    [
        (b"Content-Length: 3", b"GET", "SizedReader"),
        (b"Transfer-Encoding: chunked", b"GET", "ChunkedReader"),
        (b"X: y", b"GET", "EndlessReader"),
        (b"Content-Length: 3", b"HEAD", "NoneType"),
    ],
)
def test_an_answers_head_tells_how_its_body_is_read(lines: bytes, method: bytes, kind: str) -> None:
    head = read_response_head(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\n", method)
    assert type(answer_body(head, EDGE_LIMITS)).__name__ == kind


@pytest.mark.parametrize(("size", "body"), [(3, b"hel"), (7, b"hello, ")])
def test_where_the_readers_disagree_the_message_is_refused(size: int, body: bytes) -> None:
    second = SecondRequests()
    assert second.head(POST) is False
    with pytest.raises(BadRequest):
        second.body(SizedReader(size), body)


def test_an_answer_that_llhttp_refuses_is_a_bad_one() -> None:
    second = SecondAnswers()
    with pytest.raises(BadResponse):
        second.head(b"HTTP/1.1 2x0 OK\r\n\r\n")
    second.restart()
    assert second.head(b"HTTP/1.1 204 No Content\r\n\r\n") is False
    assert second.complete
