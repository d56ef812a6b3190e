"""A pool under a crowd: few connections are opened at once, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import socket

import pytest

from proxy.settings import PoolSettings
from tests.kits.one_way import engine
from tests.kits.running import free_port
from tests.kits.sockets import connected, upstream

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def ask(port: int) -> bytes:
    async with connected(port) as client:
        return (await client.ask(GET))[0]


async def test_a_crowd_on_a_cold_pool_shares_the_connections_that_come_back() -> None:
    pool = PoolSettings(connecting_max=4)
    async with upstream() as behind, engine(behind.port, pool=pool) as (way, port, _):
        heads = await asyncio.gather(*(ask(port) for _ in range(200)))
        assert all(head.startswith(b"HTTP/1.1 200 ") for head in heads)
        assert len(behind.connections) < 200
        assert way.pool.connections == way.pool.idle


async def test_slow_answers_still_get_a_connection_each() -> None:
    go_on = asyncio.Event()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.append(1)
        if len(arrived) == 30:
            go_on.set()
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    arrived: list[int] = []
    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    bound = server.sockets[0].getsockname()[1]
    async with (
        engine(bound, pool=PoolSettings(connecting_max=2)) as (_, port, _l),
        asyncio.timeout(20),
    ):
        heads = await asyncio.gather(*(ask(port) for _ in range(30)))
        assert all(head.startswith(b"HTTP/1.1 200 ") for head in heads)
    server.close()


@pytest.mark.parametrize("connecting_max", [1, 64])
async def test_everyone_is_told_that_an_endpoint_refuses(connecting_max: int) -> None:
    pool = PoolSettings(connecting_max=connecting_max)
    async with engine(free_port(), pool=pool) as (way, port, _):
        heads = await asyncio.gather(*(ask(port) for _ in range(20)))
        assert all(head.startswith(b"HTTP/1.1 502 ") for head in heads)
        assert way.pool.connections == 0


async def test_nobody_waits_behind_others_for_an_endpoint_that_does_not_answer() -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)  # one connection fits; the kernel drops who comes after it
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        pool = PoolSettings(connecting_max=1, connect_timeout_s=0.3)
        async with (
            engine(deaf.getsockname()[1], pool=pool) as (_, port, _l),
            asyncio.timeout(10),  # a hundred in a row would take 30 s
        ):
            heads = await asyncio.gather(*(ask(port) for _ in range(100)))
            assert all(head.startswith(b"HTTP/1.1 502 ") for head in heads)


async def test_a_line_that_is_full_turns_away() -> None:
    pool = PoolSettings(connections_max=1, waiters_max=1)

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            held.set()
            await go_on.wait()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    held, go_on = asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    async with (
        engine(server.sockets[0].getsockname()[1], pool=pool) as (_, port, _l),
        asyncio.timeout(20),
    ):
        first = asyncio.ensure_future(ask(port))
        await held.wait()
        others = [asyncio.ensure_future(ask(port)) for _ in range(2)]
        done, _ = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result()[:12] for one in done] == [b"HTTP/1.1 502"]
        go_on.set()
        heads = await asyncio.gather(first, *others)
        assert sorted(head[9:12] for head in heads) == [b"200", b"200", b"502"]
    server.close()


async def test_a_connection_that_nobody_uses_is_closed_after_its_time() -> None:
    pool = PoolSettings(idle_timeout_s=30)
    async with upstream() as behind, engine(behind.port, pool=pool) as (way, port, _):
        await ask(port)
        now = asyncio.get_running_loop().time()
        way.pool.sweep(now + 29)
        assert way.pool.idle == 1
        way.pool.sweep(now + 31)
        assert way.pool.idle == 0
        await behind.until(lambda: not behind.open)
        await ask(port)
        assert len(behind.connections) == 2


async def test_an_endpoint_gets_no_more_connections_than_it_may() -> None:
    pool = PoolSettings(connections_max=2)
    async with upstream() as behind, engine(behind.port, pool=pool) as (way, port, _):
        heads = await asyncio.gather(*(ask(port) for _ in range(50)))
        assert all(head.startswith(b"HTTP/1.1 200 ") for head in heads)
        assert len(behind.connections) == 2
        assert way.pool.connections == 2
