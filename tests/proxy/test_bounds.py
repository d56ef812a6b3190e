"""What one connection may cost: bytes held for it, requests on it, requests ahead of their turn."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from proxy.inbox import inbox
from proxy.settings import ListenerSettings, PoolSettings
from tests.kits.one_way import engine
from tests.kits.sockets import (
    GREETING,
    Client,
    ScriptedUpstream,
    connected,
    upstream,
    whole_request,
)

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"x" * 30_000_000
BOUND = 65_536


def size(connection: object) -> int:
    """Bytes that wait to be written to a client."""
    transport: asyncio.Transport | None = connection._transport  # type: ignore[attr-defined]
    return 0 if transport is None else transport.get_write_buffer_size()


async def test_a_slow_reader_costs_no_more_than_the_bound() -> None:
    held = []
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(LARGE), LARGE)
    async with (
        upstream(whole_request(answer)) as behind,
        engine(behind.port) as (_, port, listener),
        connected(port) as client,
    ):
        client.writer.write(GET)
        await client.reader.readuntil(b"\r\n\r\n")
        slow = 0
        async with asyncio.timeout(20):
            while slow < 50:  # nothing is read here, and what waits for us is looked at
                await asyncio.sleep(0.01)
                held += [size(one) for one in listener._there]
                slow += held[-1] > 0
    assert max(held) <= BOUND


async def test_a_slow_upstream_stops_the_client() -> None:
    """An upstream that reads nothing: what the client could send is what kernels and we hold."""
    reading = asyncio.Event()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reading.wait()
        await reader.readexactly(len(LARGE))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0, limit=65_536)
    port = server.sockets[0].getsockname()[1]
    async with engine(port) as (way, bound, _), connected(bound) as client, asyncio.timeout(20):
        client.writer.transport.set_write_buffer_limits(high=0)
        client.writer.write(
            b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
        )
        client.writer.write(LARGE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.writer.drain()
        transport = client.writer.transport
        assert transport.get_write_buffer_size() > 0  # it was stopped
        reading.set()
        head, _ = await client.answer()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert way.ends == [(200, len(LARGE), 0, type(None))]
    server.close()


async def test_a_connection_ends_after_its_last_request() -> None:
    settings = ListenerSettings(requests_max=3)
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, _l),
        connected(port) as client,
    ):
        heads = [(await client.ask(GET))[0] for _ in range(3)]
        assert [b"Connection: close" in head for head in heads] == [False, False, True]
        assert not await client.reader.read()


async def test_requests_ahead_of_their_turn_are_answered_however_many() -> None:
    settings = ListenerSettings(pipelined_bytes_max=100)
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, _l),
        connected(port) as client,
    ):
        client.writer.write(GET * 3_000)
        for _ in range(3_000):
            head, _ = await client.answer()
            assert head.startswith(b"HTTP/1.1 200 ")


async def test_half_a_body_behind_another_request_ends_with_its_client() -> None:
    settings = ListenerSettings(body_timeout_s=60, half_closed_timeout_s=1.0)
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, _l),
        connected(port) as client,
        asyncio.timeout(20),
    ):
        client.writer.write(GET + b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
        client.writer.write_eof()
        assert (await client.answer())[0].startswith(b"HTTP/1.1 200 ")
        with contextlib.suppress(ConnectionError):
            assert not await client.reader.read()


@pytest.mark.parametrize("gone", [False, True])
async def test_a_head_that_begins_behind_another_request_gets_a_heads_time(gone: bool) -> None:
    """Not an idle connection's: whoever sends half a head after a whole request waits no longer."""
    settings = ListenerSettings(
        idle_timeout_s=60, head_timeout_s=60 if gone else 1.0, half_closed_timeout_s=1.0
    )
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, _l),
        connected(port) as client,
        asyncio.timeout(20),
    ):
        client.writer.write(GET + b"GET / HT")
        if gone:
            client.writer.write_eof()
        assert (await client.answer())[0].startswith(b"HTTP/1.1 200 ")
        assert (await client.answer())[0].startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_stops_coming_ends_with_both_connections(chunked: bool) -> None:
    settings = ListenerSettings(body_timeout_s=0.2)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: 500"
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (way, port, _),
        connected(port) as client,
    ):
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n5\r\nhello" % framing)
        await gone(client, behind)
        assert [status for status, *_ in way.ends] == [0]


async def gone(client: Client, behind: ScriptedUpstream) -> None:
    """The client's connection ends without an answer, and the upstream's with it."""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            assert not await client.reader.read()
    await behind.until(lambda: behind.connections != [] and not behind.open)


async def test_a_body_that_drips_is_ended_though_it_never_stops() -> None:
    settings = ListenerSettings(body_timeout_s=0.5, body_rate_min=1_000)
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, _l),
        connected(port) as client,
    ):
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")
        ended = asyncio.get_running_loop().create_task(gone(client, behind))
        while not ended.done():
            client.writer.write(b"x")
            await asyncio.sleep(0.05)
        await ended
        assert len(behind.seen) < 500


async def test_a_slow_upstream_is_no_fault_of_the_client() -> None:
    """A body that may not come, for the upstream does not read, gets its time anew."""
    release = asyncio.Event()
    size = 20_000_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await release.wait()
        await reader.readexactly(size)
        writer.write(GREETING)
        await reader.read()
        writer.close()

    settings = ListenerSettings(body_timeout_s=0.4, body_rate_min=2_000_000_000)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with (
        server,
        engine(server.sockets[0].getsockname()[1], settings=settings) as (_, port, _l),
        connected(port) as client,
    ):
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        client.writer.write(b"x" * size)
        asyncio.get_running_loop().call_later(1.0, release.set)
        assert (await client.answer())[1] == b"hello"


async def test_an_upstream_that_takes_no_byte_of_a_body_is_ended() -> None:
    async with (
        upstream(lambda _: None) as behind,
        engine(behind.port, settings=ListenerSettings(send_timeout_s=0.4)) as (way, port, _),
        connected(port) as client,
    ):
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000000\r\n\r\n")
        await behind.until(lambda: len(behind.open) == 1)
        for one in behind.open:
            assert one.transport is not None
            one.transport.pause_reading()
        client.writer.write(b"x" * 50_000_000)
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(20):
                assert not await client.reader.read()
        assert [status for status, *_ in way.ends] == [0]


async def test_a_client_that_does_not_read_its_answer_is_ended() -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n" + b"x" * 20_000_000
    settings = ListenerSettings(send_timeout_s=0.3)
    async with (
        upstream(whole_request(answer)) as behind,
        engine(behind.port, settings=settings) as (way, port, _),
        connected(port) as client,
    ):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(GET)
        await behind.until(lambda: behind.connections != [] and not behind.open)
        assert [status for status, *_ in way.ends] == [0]


async def test_connections_beyond_the_bound_are_closed_and_counted() -> None:
    settings = ListenerSettings(connections_max=2)
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, listener),
        connected(port) as first,
        connected(port) as second,
    ):
        assert (await first.ask(GET))[1] == (await second.ask(GET))[1] == b"hello"
        async with connected(port) as third:
            with contextlib.suppress(ConnectionError):
                assert not await third.reader.read()
        assert listener.rejected == 1
        assert (await first.ask(GET))[1] == b"hello"


async def test_a_connection_that_says_nothing_is_ended() -> None:
    settings = ListenerSettings(idle_timeout_s=0.2)
    async with (
        upstream() as behind,
        engine(behind.port, settings=settings) as (_, port, listener),
        connected(port) as client,
        asyncio.timeout(20),
    ):
        assert (await client.ask(GET))[1] == b"hello"
        assert not await client.reader.read()
        assert listener.connections == 0


async def test_a_read_takes_half_of_the_bound() -> None:
    assert len(inbox(PoolSettings().buffer_bytes_max // 2)) == BOUND // 2
    assert inbox(1_000) is inbox(4_096)  # never less than a page, and one for all
