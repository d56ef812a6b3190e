"""How an exchange ends where somebody fails, leaves, waits or is slow."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proxy.settings import ListenerSettings
from tests.kits.one_way import engine
from tests.kits.running import free_port
from tests.kits.sockets import GREETING, connected, exchange, upstream

GET = b"GET /a?b=c HTTP/1.1\r\nHost: web\r\nX-Thing: 1\r\n\r\n"


async def test_a_reused_connection_that_died_is_replaced_for_a_repeatable_request() -> None:
    answered: list[int] = []

    def once_per_connection(data: bytes) -> bytes | None:
        del data
        answered.append(1)
        return GREETING

    async with (
        upstream(once_per_connection, close_after=True) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        for _ in range(5):
            assert (await client.ask(GET))[1] == b"hello"


async def test_a_refused_connection_is_told() -> None:
    async with engine(free_port()) as (way, port, _), connected(port) as client:
        head, body = await client.ask(GET)
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert body.startswith(b"ConnectFailed")
        assert way.ends == [(502, 0, len(body), way.ends[0][3])]


async def test_a_retry_meets_another_answer() -> None:
    answers = iter([b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", GREETING])
    async with upstream(lambda _: next(answers)) as behind, engine(behind.port) as (way, port, _):
        way.retries = 1
        async with connected(port) as client:
            head, body = await client.ask(
                b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
            )
        assert head.startswith(b"HTTP/1.1 200")
        assert body == b"hello"
        assert behind.seen.count(b"\r\n\r\nabc") == 2


async def test_a_call_that_takes_too_long_ends() -> None:
    async with upstream(lambda _: None) as behind, engine(behind.port) as (way, port, _):
        way.timeout_s = 0.1
        async with connected(port) as client:
            head, body = await client.ask(GET)
            assert head.startswith(b"HTTP/1.1 502")
            assert body.startswith(b"AnswerTimeout")


async def test_a_client_that_leaves_takes_its_upstream_connection_along() -> None:
    settings = ListenerSettings(half_closed_timeout_s=0.1)
    async with (
        upstream(lambda _: None) as behind,
        engine(behind.port, settings=settings) as (way, port, _),
    ):
        async with connected(port) as client:
            client.writer.write(GET)
            await behind.saw(len(GET))
        await behind.until(lambda: not behind.open)
        assert way.ends == [(0, 0, 0, type(None))]


async def test_a_client_that_leaves_within_its_body_ends_the_exchange_at_once() -> None:
    async with upstream() as behind, engine(behind.port) as (way, port, _):
        async with connected(port) as client:
            client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
            await behind.until(lambda: behind.seen.endswith(b"half"))
        await behind.until(lambda: not behind.open)
        assert way.ends == [(0, 4, 0, type(None))]


async def test_a_client_that_half_closes_still_gets_its_answers() -> None:
    async with (
        upstream() as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        client.writer.write(GET + GET)
        client.writer.write_eof()
        answer = await client.reader.read()
        assert answer.count(b"hello") == 2


async def test_a_request_that_waits_for_its_route_keeps_its_body() -> None:
    async with (
        upstream() as behind,
        engine(behind.port) as (way, port, _),
        connected(port) as client,
    ):
        way.slow = asyncio.Event()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        client.writer.write(b"def" + GET)
        asyncio.get_running_loop().call_later(0.05, way.slow.set)
        assert (await client.answer())[1] == b"hello"
        assert (await client.answer())[1] == b"hello"
        assert b"\r\n\r\nabcdefGET " in behind.seen


async def test_requests_behind_one_that_waits_for_its_route_wait_for_its_answer() -> None:
    asked = asyncio.Event()

    def in_order(data: bytes) -> bytes | None:
        if not data.endswith(b"\r\n\r\n"):
            return None
        asked.set()
        path = data.split(b" ", 2)[1]
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path)

    wanted = [b"/%d" % number for number in range(4)]
    async with (
        upstream(in_order) as behind,
        engine(behind.port) as (way, port, _),
        connected(port) as client,
    ):
        way.slow = asyncio.Event()
        client.writer.write(b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % one for one in wanted))
        asyncio.get_running_loop().call_later(0.05, way.slow.set)
        assert [(await client.answer())[1] for _ in wanted] == wanted
        assert len(behind.connections) == 1


async def test_a_request_that_waited_for_its_route_has_the_time_of_any_other() -> None:
    async with (
        upstream(lambda _: None) as behind,
        engine(behind.port) as (way, port, listener),
        connected(port) as client,
    ):
        way.slow = asyncio.Event()
        way.slow.set()
        client.writer.write(GET)
        await behind.saw(len(GET))
        (connection,) = listener._there
        assert connection.deadline == 0.0


async def test_expect_continue_is_answered_here() -> None:
    async with (
        upstream() as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        client.writer.write(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert (await client.answer(head=True))[0] == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert (await client.ask(b"abc"))[1] == b"hello"
        assert b"xpect" not in behind.seen


async def test_an_early_answer_ends_both_connections() -> None:
    async with upstream(lambda _: GREETING) as behind, engine(behind.port) as (way, port, _):
        got = await exchange(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nbegin")
        assert got.endswith(b"hello")
        assert b"Connection: close" in got
        assert way.pool.idle == 0


async def test_a_slow_head_is_ended() -> None:
    settings = ListenerSettings(head_timeout_s=0.2)
    async with upstream() as behind, engine(behind.port, settings=settings) as (_, port, _l):
        got = await exchange(port, b"GET / HTTP/1.1\r\nHost")
        assert got.startswith(b"HTTP/1.1 408 ")
        assert behind.seen == b""


async def test_a_slow_reader_stops_the_sender() -> None:
    size = 20_000_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    sent = 0
    stop = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with contextlib.suppress(ConnectionError):
            while sent < size:
                writer.write(b"x" * 100_000)
                sent += 100_000
                await writer.drain()
        stop.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with (
        server,
        engine(server.sockets[0].getsockname()[1]) as (_, port, _l),
        connected(port) as client,
    ):
        client.writer.write(GET)
        await client.reader.readuntil(b"\r\n\r\n")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await stop.wait()
        assert sent < size
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        got = await client.reader.readexactly(size)
        assert len(got) == size


async def test_draining_lets_a_request_finish_and_closes_the_idle() -> None:
    begun, release = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        begun.set()
        await release.wait()
        writer.write(GREETING)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with (
        server,
        engine(server.sockets[0].getsockname()[1]) as (_, port, listener),
        connected(port) as busy,
        connected(port) as idle,
    ):
        busy.writer.write(GET)
        await begun.wait()
        draining = asyncio.get_running_loop().create_task(listener.drain(5))
        assert await idle.reader.read() == b""
        release.set()
        head, body = await busy.answer()
        assert body == b"hello"
        assert b"Connection: close" in head
        assert await draining == 0
