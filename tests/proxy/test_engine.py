"""Requests and answers through the engine, with a way that sends everything to one place.

Bytes in, bytes out, over real sockets.
"""

from __future__ import annotations

import pytest

from tests.kits.one_way import engine
from tests.kits.sockets import GREETING, connected, exchange, upstream, whole_request

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web\r\nX-Thing: 1\r\n\r\n"


async def test_a_request_crosses_and_its_connection_is_kept() -> None:
    async with (
        upstream() as behind,
        engine(behind.port) as (way, port, _),
        connected(port) as client,
    ):
        for _ in range(3):
            head, body = await client.ask(GET)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert body == b"hello"
        assert behind.seen == (b"GET /a?b=c HTTP/1.1\r\nHost: web\r\nX-Thing: 1\r\n\r\n") * 3
        assert len(behind.connections) == 1
        assert way.ends == [(200, 0, 5, type(None))] * 3


async def test_pipelined_requests_are_answered_in_order() -> None:
    def numbered(data: bytes) -> bytes | None:
        if not data.endswith(b"\r\n\r\n"):
            return None
        path = data.split(b" ", 2)[1]
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)

    async with upstream(numbered) as behind, engine(behind.port) as (_, port, _l):
        wanted = [b"/%d" % n for n in range(20)]
        requests = b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path for path in wanted)
        async with connected(port) as client:
            client.writer.write(requests)
            assert [(await client.answer())[1] for _ in wanted] == wanted


@pytest.mark.parametrize("size", [1, 1_000, 300_000])
async def test_bodies_of_known_length_cross_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
    async with upstream(whole_request(answer)) as behind, engine(behind.port) as (way, port, _):
        async with connected(port) as client:
            _, got = await client.ask(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
            )
        assert got == body
        assert behind.seen.endswith(b"\r\n\r\n" + body)
        assert way.ends == [(200, size, size, type(None))]


async def test_chunked_bodies_are_framed_anew_without_extensions() -> None:
    chunks = b"3;x=y\r\nabc\r\n002\r\nde\r\n0\r\nX-T: 1\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    async with upstream(whole_request(answer)) as behind, engine(behind.port) as (_, port, _l):
        async with connected(port) as client:
            head, body = await client.ask(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"5;q\r\nhello\r\n0\r\nl5d-dtab: /a=>/b\r\n\r\n"
            )
        assert body == b"abcde"
        assert head.lower().count(b"transfer-encoding: chunked") == 1
        assert behind.seen.endswith(b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")


async def test_trailers_that_only_a_head_may_carry_are_counted() -> None:
    def at_the_end(data: bytes) -> bytes | None:
        return GREETING if data.endswith(b"\r\nX-Fine: 1\r\n\r\n") else None

    async with upstream(at_the_end) as behind, engine(behind.port) as (_, port, listener):
        async with connected(port) as client:
            await client.ask(
                b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"0\r\nl5d-dtab: /a=>/b\r\nX-Fine: 1\r\nCookie: a=b\r\n\r\n"
            )
        assert behind.seen.endswith(b"\r\n\r\n0\r\nX-Fine: 1\r\n\r\n")
        assert listener.trailers_dropped == 2


async def test_an_answer_that_ends_with_the_connection_is_framed_for_a_client_that_stays() -> None:
    async with (
        upstream(
            whole_request(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"), close_after=True
        ) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        head, body = await client.ask(GET)
        assert b"Transfer-Encoding: chunked" in head
        assert body == b"until the end"


async def test_a_1_0_client_gets_no_chunks() -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    async with upstream(whole_request(answer)) as behind, engine(behind.port) as (_, port, _l):
        got = await exchange(port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert got.endswith(b"\r\n\r\nabc")
        assert b"chunked" not in got


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ],
)
async def test_answers_without_a_body_leave_the_connections_usable(
    method: bytes, answer: bytes
) -> None:
    async with (
        upstream(whole_request(answer)) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        for _ in range(2):
            head, body = await client.ask(method + b" / HTTP/1.1\r\nHost: a\r\n\r\n", head=True)
            assert (
                head.split(b" ", 1)[1].split(b"\r\n")[0]
                == answer.split(b" ", 1)[1].split(b"\r\n")[0]
            )
            assert body == b""
        assert len(behind.connections) == 1


async def test_a_second_answer_is_never_given_to_the_next_client() -> None:
    async with (
        upstream(whole_request(GREETING + GREETING)) as behind,
        engine(behind.port) as (_, port, _l),
    ):
        async with connected(port) as client:
            assert (await client.ask(GET))[1] == b"hello"
            assert (await client.ask(GET))[1] == b"hello"
        assert len(behind.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_beyond_doubt_or_none(answer: bytes) -> None:
    async with upstream(whole_request(answer)) as behind, engine(behind.port) as (way, port, _):
        async with connected(port) as client:
            head, _ = await client.ask(GET)
        assert head.startswith(b"HTTP/1.1 502 ")
        assert way.pool.idle == 0


async def test_an_answer_that_breaks_off_cuts_the_client() -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this"
    async with (
        upstream(whole_request(cut), close_after=True) as behind,
        engine(behind.port) as (way, port, _),
    ):
        got = await exchange(port, GET)
        assert got.endswith(b"only this")
        assert way.ends[0][3].__name__ == "UpstreamClosed"
