"""Two weirs in a row: their requests share one connection, and nobody notices."""

from __future__ import annotations

import asyncio

import pytest

from proxy.link import GREETING
from proxy.settings import ListenerSettings, PoolSettings
from tests.kits.linked import connected_by_link, two_weirs
from tests.kits.one_way import engine
from tests.kits.sockets import connected, upstream, whole_request
from wire.frames import DATA, WINDOW_BYTES, control_frame, data_frame, window_frame

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_a_hundred_clients_share_one_connection_to_the_next_weir() -> None:
    async with upstream() as behind, two_weirs(behind.port) as (way, port, second):

        async def ask_three_times() -> None:
            async with connected(port) as client:
                for _ in range(3):
                    assert (await client.ask(GET))[1] == b"hello"

        await asyncio.gather(*(ask_three_times() for _ in range(100)))
        assert way.ends == [(200, 0, 5, type(None))] * 300
        assert second.accepted - way.pool.connects == 2  # who greeted, and the link it became
        assert way.pool.connects <= 100


@pytest.mark.parametrize("size", [1, 20_000, 2_000_000])
async def test_bodies_of_any_size_cross_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    body = body[:size]
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
    async with (
        upstream(whole_request(answer)) as behind,
        two_weirs(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        for _ in range(2):
            assert (await client.ask(post))[1] == body
        assert behind.seen.endswith(b"\r\n\r\n" + body)


async def test_a_client_that_reads_nothing_holds_up_no_other() -> None:
    size = 20_000_000
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
    small = whole_request()

    def answer(data: bytes) -> bytes | None:
        return large if data.startswith(b"GET /large") else small(data)

    async with (
        upstream(answer) as behind,
        two_weirs(behind.port) as (_, port, second),
        connected(port) as stuck,
        connected(port) as other,
    ):
        stuck.writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await stuck.reader.read(1)
        for _ in range(50):
            assert (await other.ask(GET))[1] == b"hello"
        assert second.connections == 3  # the link and two streams
        # And the slow one gets everything in the end.
        got = 1
        async with asyncio.timeout(30):
            while got < size:
                got += len(await stuck.reader.read(1_000_000))


async def test_an_endpoint_that_is_no_weir_is_asked_once_and_served_plainly() -> None:
    def plain(data: bytes) -> bytes | None:
        if data.startswith(b"OPTIONS * "):
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        return whole_request()(data)

    async with (
        upstream(plain) as behind,
        engine(behind.port, pool=PoolSettings(links=True)) as (_, port, _l),
    ):
        for _ in range(3):
            async with connected(port) as client:
                assert (await client.ask(GET))[1] == b"hello"
        assert behind.seen.count(b"Upgrade: weir-link") == 1


async def test_an_endpoint_that_takes_a_link_and_goes_on_in_http_gets_no_request() -> None:
    def liar(data: bytes) -> bytes | None:
        if data.startswith(b"OPTIONS * "):
            return (
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: weir-link\r\n\r\n"
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
            )
        return whole_request()(data)

    async with (
        upstream(liar) as behind,
        engine(behind.port, pool=PoolSettings(links=True)) as (_, port, _l),
        connected(port) as client,
    ):
        assert (await client.ask(GET))[1] == b"hello"


async def test_a_listener_that_offers_no_links_takes_the_greeting_for_a_request() -> None:
    async with (
        upstream() as behind,
        engine(behind.port) as (_, second, listener),
        engine(second, pool=PoolSettings(links=True)) as (_w, port, _l),
        connected(port) as client,
    ):
        assert (await client.ask(GET))[1] == b"hello"
        assert listener.connections >= 1


async def test_a_lost_link_repeats_what_may_be_repeated_and_fails_the_rest() -> None:
    asked = asyncio.Event()

    def never_twice(data: bytes) -> bytes | None:
        if not data.endswith(b"\r\n\r\n"):
            return None
        if data.startswith(b"POST") and not asked.is_set():
            asked.set()
            return None  # no answer: the link is lost first
        return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

    async with upstream(never_twice) as behind, two_weirs(behind.port) as (way, port, second):
        async with connected(port) as one, connected(port) as other:
            await other.ask(GET)
            one.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            async with asyncio.timeout(20):
                await asked.wait()
            for connection in list(second._there):
                connection.abort_exchange()
            head, _ = await one.answer()
            assert head.startswith(b"HTTP/1.1 502 ")
            assert (await other.ask(GET))[1] == b"hello"  # by a new link
        assert way.ends[-1][0] == 200


async def test_a_client_that_leaves_cancels_its_request_at_the_end_of_the_line() -> None:
    async with upstream(lambda _: None) as behind, two_weirs(behind.port) as (_, port, second):
        async with connected(port) as client:
            client.writer.write(GET)
            await behind.saw(len(GET))
            assert len(behind.open) == 1
        await behind.until(lambda: not behind.open)
        assert second.connections == 1  # the link stays for the next request


async def test_a_weir_that_drains_finishes_what_is_under_way_on_its_links() -> None:
    asked = asyncio.Event()

    def held(data: bytes) -> bytes | None:
        if data.endswith(b"\r\n\r\n"):
            asked.set()
        return whole_request()(data) if data.startswith(b"GET /now") else None

    async with (
        upstream(held) as behind,
        two_weirs(behind.port) as (_, port, second),
        connected(port) as idle,
        connected(port) as client,
    ):
        await idle.ask(b"GET /now HTTP/1.1\r\nHost: a\r\n\r\n")
        asked.clear()
        client.writer.write(GET)
        await asked.wait()
        drained = asyncio.create_task(second.drain(20.0))  # noqa: TID251 - awaited below
        (under_way,) = [one.transport for one in behind.open if one.pending]
        assert under_way is not None
        under_way.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        assert (await client.answer())[1] == b"late"
        assert await asyncio.wait_for(drained, 20) == 0


async def test_more_bytes_than_a_window_allows_end_the_link() -> None:
    async with (
        upstream(lambda _: None) as behind,
        engine(behind.port, settings=ListenerSettings(links=True)) as (_, port, _l),
        connected_by_link(port) as client,
    ):
        client.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(2_000):  # 32 MB, whatever is allowed
            client.link.send(data_frame(client.stream.number, b"x" * 16_384))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(client.reader.read(), 20)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        data_frame(0, b"x"),
        data_frame(1, b""),
        control_frame(9, 1),
        control_frame(DATA, 1),
        b"\x00\x01\x00\x01\x00\x00\x00\x01x",
        b"\x00\x00\xff\xff\x00\x00\x00\x01",
        window_frame(1, 0),
        window_frame(1, WINDOW_BYTES + 1),
        control_frame(1, 7),
    ],
)
async def test_bytes_that_are_no_frames_end_the_link_and_nothing_else(bytes_: bytes) -> None:
    async with (
        upstream() as behind,
        engine(behind.port, settings=ListenerSettings(links=True)) as (_, port, _l),
    ):
        async with connected_by_link(port) as client:
            assert (await client.ask(GET))[1] == b"hello"
            client.link.send(bytes_)
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(client.reader.read(), 20)
        async with connected(port) as client:
            assert (await client.ask(GET))[1] == b"hello"


async def test_there_are_no_links_within_links() -> None:
    async with (
        upstream() as behind,
        engine(behind.port, settings=ListenerSettings(links=True)) as (_, port, listener),
        connected_by_link(port) as client,
    ):
        head, _ = await client.ask(GREETING)
        assert not head.startswith(b"HTTP/1.1 101 ")
        assert listener.connections == 2  # the link and its stream
