"""WebSockets through the engine: what opens a tunnel, what crosses it, what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from proxy.settings import ListenerSettings
from tests.kits.one_way import engine
from tests.kits.sockets import Client, connected, exchange, upstream
from wire.limits import EDGE_LIMITS, MESH_LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from proxy.listener import Listener

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # of that key: RFC 6455, 1.3
ASK = (
    b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: " + ACCEPT + b"\r\n\r\n"
)


def switching(answer: bytes = SWITCH) -> Callable[[bytes], bytes | None]:
    """Answer the first head with this, and nothing afterwards."""

    def on_bytes(data: bytes) -> bytes | None:
        return answer if data.endswith(b"\r\n\r\n") else None

    return on_bytes


@contextlib.asynccontextmanager
async def tunnel(
    settings: ListenerSettings | None = None,
) -> AsyncIterator[tuple[Client, asyncio.StreamReader, asyncio.StreamWriter, Listener]]:
    """A client and the far end's streams, with a tunnel open between them."""
    far: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH)
        far.put_nowait((reader, writer))

    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with engine(port, settings=settings) as (_, bound, listener), asyncio.timeout(20):
        async with connected(bound) as client:
            await client.ask(ASK, head=True)
            reader, writer = await far.get()
            yield client, reader, writer, listener
            writer.close()
        server.close()


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_a_websocket_library_talks_through_the_engine_to_another() -> None:
    async with (
        serve(_echo, "127.0.0.1", 0) as server,
        engine(server.sockets[0].getsockname()[1]) as (way, port, listener),
    ):
        async with connect(f"ws://127.0.0.1:{port}/chat", max_size=None) as socket:
            for message in ("hello", os.urandom(600_000), ""):
                await socket.send(message)
                assert await socket.recv() == message
            assert listener.tunnels == 1
        assert await listener.drain(5) == 0
        status, up, down, error = way.ends[0]
        assert (status, error) == (101, type(None))
        assert min(up, down) > 600_000
        assert (listener.tunnels, listener.tunnelled, way.pool.connections) == (0, 1, 0)


async def test_the_handshake_goes_up_with_its_hop_lines_written_anew() -> None:
    async with (
        upstream(switching(SWITCH + b"first")) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        head, _ = await client.ask(ASK, head=True)
        assert await client.reader.readexactly(5) == b"first"
        assert behind.seen.lower().count(b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n") == 1
        assert behind.seen.lower().count(b"connection:") == 1
        assert head.startswith(b"HTTP/1.1 101 ")
        assert head.lower().count(b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n") == 1
        assert ACCEPT in head


@pytest.mark.parametrize(
    "answer",
    [
        SWITCH.replace(ACCEPT, b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        SWITCH.replace(b"\r\nSec-WebSocket-Accept: " + ACCEPT, b""),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        SWITCH.replace(b"Upgrade: websocket\r\n", b""),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: websocket\r\nUpgrade: websocket"),
        SWITCH.replace(b"Connection: Upgrade", b"Connection: keep-alive"),
        SWITCH.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        SWITCH.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"),
    ],
)
async def test_a_101_that_is_not_to_the_letter_is_a_broken_answer(answer: bytes) -> None:
    async with (
        upstream(switching(answer)) as behind,
        engine(behind.port) as (way, port, _),
        connected(port) as client,
    ):
        head, _ = await client.ask(ASK)
        assert head.startswith(b"HTTP/1.1 502 ")
        await behind.until(lambda: not behind.open)
        assert way.pool.idle == 0


@pytest.mark.parametrize(
    "request_head",
    [
        ASK.replace(b"Upgrade: WebSocket", b"Upgrade: h2c"),
        ASK.replace(b"Upgrade: WebSocket", b"Upgrade: websocket, h2c"),
        ASK.replace(b"Upgrade: WebSocket", b"Upgrade: websocket\r\nUpgrade: websocket"),
        ASK.replace(b"keep-alive, Upgrade", b"keep-alive"),
        ASK.replace(b"HTTP/1.1", b"HTTP/1.0"),
    ],
)
async def test_what_does_not_ask_properly_is_a_request_like_any_other(request_head: bytes) -> None:
    async with (
        upstream(switching()) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        head, _ = await client.ask(request_head)
        assert head.startswith(b"HTTP/1.1 502 ")  # a 101 that nobody asked for
        assert b"upgrade:" not in behind.seen.lower()


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"Content-Length: 5", b"hello"),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
        (b"Content-Length: 0", b""),
    ],
)
async def test_a_body_behind_a_wish_for_http2_arrives(framing: bytes, body: bytes) -> None:
    """Java's client asks so with its first request, curl with --http2."""
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n" + framing + b"\r\n\r\n"
    )
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    async with (
        upstream(lambda data: answer if data.endswith(body or b"\r\n\r\n") else None) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        for _ in range(2):  # the second head is one like the first
            said, _ = await client.ask(head + body)
            assert said.startswith(b"HTTP/1.1 200 ")
        assert behind.seen.endswith(b"\r\n\r\n" + body)
        assert b"h2c" not in behind.seen.lower()
        assert b"http2-settings" not in behind.seen.lower()


@pytest.mark.parametrize("length", [b"5, 5", b"+5", b"5\r\nTransfer-Encoding: chunked"])
async def test_a_wish_for_http2_makes_no_framing_right(length: bytes) -> None:
    head = (
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Content-Length: " + length + b"\r\n\r\nhello"
    )
    async with upstream(switching()) as behind, engine(behind.port) as (_, port, _l):
        assert (await exchange(port, head)).startswith(b"HTTP/1.1 400 ")
        assert not behind.seen


@pytest.mark.parametrize(
    "request_head",
    [
        ASK.replace(KEY, b"c2hvcnQ="),
        ASK.replace(KEY, b"*" * 24),
        ASK.replace(b"Sec-WebSocket-Key", b"X"),
        ASK.replace(b"Host: a", b"Host: a\r\nSec-WebSocket-Key: " + KEY),
        ASK.replace(b"GET", b"POST"),
    ],
)
async def test_a_malformed_handshake_reaches_nobody(request_head: bytes) -> None:
    async with upstream(switching()) as behind, engine(behind.port) as (_, port, _l):
        assert (await exchange(port, request_head)).startswith(b"HTTP/1.1 400 ")
        assert not behind.seen


async def test_bytes_sent_before_the_answer_are_not_passed_on() -> None:
    """An upstream that says 101 late must not be fed what the client meant as a request."""
    go_on = asyncio.Event()

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await reader.readuntil(b"\r\n\r\n"))
        begun.set()
        await go_on.wait()
        writer.write(SWITCH)
        seen.extend(await reader.read())
        writer.close()
        ended.set()

    seen, begun, ended = bytearray(), asyncio.Event(), asyncio.Event()
    server = await asyncio.start_server(on_connection, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with engine(port) as (_, bound, _l), connected(bound) as client, asyncio.timeout(20):
        client.writer.write(ASK + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        await begun.wait()
        go_on.set()
        head, _ = await client.answer()
        assert head.startswith(b"HTTP/1.1 400 ")
        await ended.wait()
        assert b"smuggled" not in seen
    server.close()


async def test_a_refused_upgrade_leaves_a_connection_for_the_next_request() -> None:
    answer = b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno"
    async with (
        upstream(switching(answer)) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        for _ in range(2):
            head, body = await client.ask(ASK)
            assert (head[:12], body) == (b"HTTP/1.1 426", b"no")
        assert len(behind.connections) == 1


async def test_a_mesh_router_lets_none_pass_unless_told_to() -> None:
    assert EDGE_LIMITS.upgrades == {b"websocket"}
    async with (
        upstream(switching()) as behind,
        engine(behind.port, limits=MESH_LIMITS) as (_, port, _l),
        connected(port) as client,
    ):
        head, _ = await client.ask(ASK)
        assert head.startswith(b"HTTP/1.1 502 ")
        assert b"\r\nupgrade" not in behind.seen.lower()


async def test_a_half_close_goes_through_and_the_other_half_goes_on() -> None:
    async with tunnel() as (client, reader, writer, _):
        client.writer.write(b"last words")
        client.writer.write_eof()
        assert await reader.read() == b"last words"
        writer.write(b"still here")
        await writer.drain()
        assert await client.reader.readexactly(10) == b"still here"
        writer.close()
        assert not await client.reader.read()


async def test_a_slow_reader_stops_the_sender() -> None:
    async with tunnel() as (client, _reader, writer, _):
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    writer.write(b"x" * 65_536)
                    await writer.drain()
                    sent += 65_536
        assert sent < 30_000_000  # what kernels and two buffers hold, not what a second can carry
        total = 0
        while total < sent:
            total += len(await client.reader.read(1 << 20))


async def test_a_reader_that_never_reads_is_ended() -> None:
    async with tunnel(ListenerSettings(send_timeout_s=0.2)) as (client, reader, writer, listener):
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        assert listener.tunnels == 0
        assert reader.at_eof() or reader.exception() is not None
        assert client.writer is not None


async def test_a_silent_tunnel_ends() -> None:
    async with tunnel(ListenerSettings(tunnel_idle_timeout_s=0.2)) as (client, reader, _, listener):
        with contextlib.suppress(ConnectionError):
            assert not await client.reader.read()
        with contextlib.suppress(ConnectionError):
            assert not await reader.read()
        assert listener.tunnels == 0


async def test_a_drain_leaves_a_tunnel_its_time_and_counts_it() -> None:
    async with tunnel() as (client, reader, writer, listener):
        drain = asyncio.ensure_future(listener.drain(1.5))
        await asyncio.sleep(0)
        client.writer.write(b"up")
        assert await reader.readexactly(2) == b"up"
        writer.write(b"down")
        assert await client.reader.readexactly(4) == b"down"
        assert await drain == 1
        with contextlib.suppress(ConnectionError):
            assert not await client.reader.read()


async def test_connect_stays_refused() -> None:
    async with upstream(switching()) as behind, engine(behind.port) as (_, port, _l):
        answer = await exchange(port, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405 ")
        assert not behind.seen
