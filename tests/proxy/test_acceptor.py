"""PROXY headers at a listener: required of whom we trust, and believed of nobody else."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from typing import TYPE_CHECKING

import pytest

from proxy.acceptor import Prelude
from proxy.call import Peer
from proxy.settings import ListenerSettings
from proxy.tls import ServerTls, ServerTlsSettings
from tests.kits.certificates import Authority
from tests.kits.one_way import engine
from tests.kits.sockets import Client, connected, exchange, upstream
from wire.proxy_protocol import SIGNATURE

if TYPE_CHECKING:
    from pathlib import Path

GET = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4711 443\r\n"
BINARY = (
    SIGNATURE
    + b"\x21\x11\x00\x0f"
    + ipaddress.ip_address("192.0.2.7").packed
    + ipaddress.ip_address("198.51.100.1").packed
    + (4711).to_bytes(2, "big")
    + (443).to_bytes(2, "big")
    + b"\x04\x00\x00"
)
LOCAL = SIGNATURE + b"\x20\x00\x00\x00"
TRUSTED = Prelude(proxy_peers=(ipaddress.ip_network("127.0.0.0/8"),))
STRANGER = Prelude(proxy_peers=tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "::1/128"))))


@pytest.mark.parametrize("header", [LINE, BINARY])
@pytest.mark.parametrize("size", [1, 7, 1_000])
async def test_the_client_is_whom_the_balancer_names(header: bytes, size: int) -> None:
    async with upstream() as behind, engine(behind.port, prelude=TRUSTED) as (way, port, _):
        async with connected(port) as client:
            data = header + GET
            for begin in range(0, len(data), size):
                client.writer.write(data[begin : begin + size])
                await client.writer.drain()
                await asyncio.sleep(0)  # bytes in many pieces, as far as the kernel allows
            _, body = await client.answer()
        assert body == b"hello"
        assert way.peers == [Peer("192.0.2.7", 4711)]
        assert behind.seen.startswith(b"GET / ")


async def test_a_balancer_that_speaks_for_itself_is_the_client() -> None:
    async with upstream() as behind, engine(behind.port, prelude=TRUSTED) as (way, port, _):
        assert (await exchange(port, LOCAL + GET)).endswith(b"hello")
        assert way.peers[0].ip == "127.0.0.1"


@pytest.mark.parametrize(
    "data",
    [
        GET,
        LINE[:-1] + GET,
        LINE + LINE + GET,
        BINARY[:-3] + b"\x04\x00\xff" + GET,
        b"\r\n" + LINE + GET,
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_a_trusted_peer_without_a_right_header_reaches_nobody(data: bytes) -> None:
    async with upstream() as behind, engine(behind.port, prelude=TRUSTED) as (way, port, _):
        answer = await exchange(port, data)
        # A second header is a client's bytes already, and no request.
        assert answer == b"" or (data.startswith(LINE) and answer.startswith(b"HTTP/1.1 400"))
        assert way.peers == []
        assert behind.seen == b""


async def test_a_header_that_breaks_off_or_stays_away_is_closed() -> None:
    settings = ListenerSettings(head_timeout_s=0.2)
    async with (
        upstream() as behind,
        engine(behind.port, prelude=TRUSTED, settings=settings) as (_, port, listener),
    ):
        async with connected(port) as client:
            client.writer.write(LINE[:20])
            client.writer.write_eof()
            assert await client.reader.read() == b""
        assert await exchange(port, BINARY[:20]) == b""
        assert await exchange(port, b"") == b""
        assert listener.acceptor is not None
        assert (listener.acceptor.failed, listener.acceptor.waiting) == (3, 0)
        assert listener.connections == 0


@pytest.mark.parametrize("header", [LINE, BINARY, LOCAL])
async def test_a_header_of_a_stranger_is_a_bad_request(header: bytes) -> None:
    async with upstream() as behind, engine(behind.port, prelude=STRANGER) as (way, port, _):
        assert (await exchange(port, header + GET)).startswith(b"HTTP/1.1 400 ")
        assert (await exchange(port, GET)).endswith(b"hello")
        assert [peer.ip for peer in way.peers] == ["127.0.0.1"]
        assert b"PROXY" not in behind.seen


async def test_tls_begins_behind_the_header(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = ServerTls(ServerTlsSettings(certificates=(ca.issue("web.test"),)))
    prelude = Prelude(tls=tls, proxy_peers=TRUSTED.proxy_peers)
    async with upstream() as behind, engine(behind.port, prelude=prelude) as (way, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BINARY)
        await writer.start_tls(
            ssl.create_default_context(cafile=str(ca.file)), server_hostname="web.test"
        )
        assert (await Client(reader, writer).ask(GET))[1] == b"hello"
        writer.close()
        peer = way.peers[0]
        assert (peer.ip, peer.port) == ("192.0.2.7", 4711)
        assert peer.tls is not None


async def test_a_drain_waits_for_requests_and_says_how_many_were_cut() -> None:
    async with upstream(lambda _: None) as silent, engine(silent.port, prelude=TRUSTED) as running:
        _, port, listener = running
        async with connected(port) as asking, connected(port) as idle:
            asking.writer.write(LINE + GET)
            idle.writer.write(LINE)
            await silent.until(lambda: b"GET" in silent.seen)
            assert await listener.drain(0.2) == 1
            assert await idle.reader.read() == b""
        assert listener.connections == 0


def test_an_address_of_ipv4_in_ipv6_is_one_of_ipv4() -> None:
    assert TRUSTED.trusts("::ffff:127.0.0.1")
    assert not TRUSTED.trusts("::ffff:10.0.0.1")
    assert not Prelude().trusts("127.0.0.1")
