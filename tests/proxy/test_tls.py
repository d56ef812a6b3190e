"""TLS on both sides of the engine, with real handshakes: Python's ssl, openssl and curl."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from proxy.acceptor import Prelude
from proxy.settings import ListenerSettings
from proxy.tls import (
    ClientCertificates,
)
from tests.kits.certificates import Authority
from tests.kits.one_way import engine
from tests.kits.secured import behind_tls, dialing, secured, server, shown, trusting
from tests.kits.sockets import exchange

if TYPE_CHECKING:
    from pathlib import Path


GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


async def run(*command: str, say: bytes = b"") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(20):
        out, _ = await process.communicate(say)
    assert process.returncode is not None
    return process.returncode, out.decode("latin-1")


async def test_a_request_crosses_inside_tls_and_the_way_sees_it(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    async with behind_tls(server(ca.issue("web.test"))) as front:
        context = trusting(ca, alpn=("h2", "http/1.1"))
        async with secured(front.port, context, "web.test") as client:
            for _ in range(3):
                _, body = await client.ask(GET)
                assert body == b"hello"
            ssl_object = client.writer.get_extra_info("ssl_object")
            assert ssl_object.selected_alpn_protocol() == "http/1.1"
        session = front.way.peers[0].tls
        assert session is not None
        assert session.version == "TLSv1.3"
        assert session.identity is None
        assert front.way.peers[0].ip == "127.0.0.1"


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("one.test", "one.test"),
        ("TWO.test", "two.test"),
        ("a.wild.test", "*.wild.test"),
        ("a.b.wild.test", "one.test"),
        ("wild.test", "one.test"),
        ("nobody.test", "one.test"),
        ("127.0.0.1", "one.test"),
    ],
)
async def test_the_certificate_is_chosen_by_its_name(tmp_path: Path, asked: str, got: str) -> None:
    ca = Authority(tmp_path)
    tls = server(ca.issue("one.test"), ca.issue("two.test"), ca.issue("*.wild.test"))
    context = trusting(ca)
    context.check_hostname = False
    async with behind_tls(tls) as front, secured(front.port, context, asked) as client:
        assert shown(client) == got
        assert (await client.ask(GET))[1] == b"hello"


async def test_openssl_and_curl_agree_with_the_bounds(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = server(ca.issue("web.test"))
    async with behind_tls(tls) as front:
        client = [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{front.port}",
            "-CAfile",
            str(ca.file),
        ]
        request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        code, said = await run(
            *client, "-tls1_2", "-servername", "web.test", "-ign_eof", say=request
        )
        assert code == 0, said
        assert "Verify return code: 0 (ok)" in said
        assert "Compression: NONE" in said
        assert "ECDHE" in said
        assert said.rstrip().endswith(("hello", "closed"))
        code, said = await run(*client, "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
        assert code != 0, said
        code, said = await run(*client, "-tls1_2", "-cipher", "AES128-SHA")
        assert code != 0, said
        code, said = await run(
            "curl", "-sS", "--cacert", str(ca.file), "--noproxy", "*",
            "--connect-to", f"::127.0.0.1:{front.port}", "https://web.test/",
        )  # fmt: skip
        assert (code, said) == (0, "hello")


async def test_clear_text_to_a_tls_listener_is_closed_without_an_answer(tmp_path: Path) -> None:
    async with behind_tls(server(Authority(tmp_path).issue("web.test"))) as front:
        assert b"HTTP" not in await exchange(front.port, GET)
        assert front.listener.acceptor is not None
        assert front.listener.acceptor.failed == 1
        assert front.behind.seen == b""


async def test_a_handshake_that_never_comes_is_ended(tmp_path: Path) -> None:
    tls, settings = (
        server(Authority(tmp_path).issue("web.test")),
        ListenerSettings(head_timeout_s=1.0),
    )
    async with behind_tls(tls, 1, settings) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        async with asyncio.timeout(20):
            assert await exchange(front.port, b"") == b""  # one waits already
            assert await reader.read() == b""
        writer.close()
        assert front.listener.acceptor is not None
        assert (front.listener.acceptor.turned_away, front.listener.acceptor.failed) == (1, 1)
        assert front.listener.acceptor.waiting == 0


async def test_a_client_certificate_tells_the_way_who_asks(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = server(ca.issue("web.test"), clients=ClientCertificates.REQUIRED, authorities=(ca.file,))
    me = ca.issue("client.test", "spiffe://test/client")
    async with behind_tls(tls) as front:
        async with secured(front.port, trusting(ca, show=me), "web.test") as client:
            assert (await client.ask(GET))[1] == b"hello"
        session = front.way.peers[0].tls
        assert session is not None
        assert session.identity is not None
        assert session.identity.subject == "CN=client.test"
        assert session.identity.dns == ("client.test",)
        assert session.identity.uris == ("spiffe://test/client",)
        assert len(session.identity.sha256) == 64


@pytest.mark.parametrize("whose", ["nobody", "a stranger"])
async def test_without_a_trusted_client_certificate_nothing_crosses(
    tmp_path: Path, whose: str
) -> None:
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    tls = server(ca.issue("web.test"), clients=ClientCertificates.REQUIRED, authorities=(ca.file,))
    show = None if whose == "nobody" else other.issue("client.test")
    async with behind_tls(tls) as front:
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            async with secured(front.port, trusting(ca, show=show), "web.test") as client:
                await client.ask(GET)
        assert front.way.peers == []
        assert front.behind.seen == b""


async def test_a_wanted_certificate_may_be_missing(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = server(ca.issue("web.test"), clients=ClientCertificates.WANTED, authorities=(ca.file,))
    async with behind_tls(tls) as front:
        async with secured(front.port, trusting(ca), "web.test") as client:
            assert (await client.ask(GET))[1] == b"hello"
        assert front.way.peers[0].tls is not None
        assert front.way.peers[0].tls.identity is None


async def test_a_websocket_crosses_inside_tls_on_both_sides(tmp_path: Path) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    ca = Authority(tmp_path)
    front, inner = ca.issue("web.test"), ca.issue("inner.test")
    inside = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    inside.load_cert_chain(inner.chain, inner.key)
    async with (
        serve(echo, "127.0.0.1", 0, ssl=inside) as far,
        engine(
            far.sockets[0].getsockname()[1],
            prelude=Prelude(tls=server(front)),
            dialing=dialing("inner.test", authorities=(ca.file,)),
        ) as (way, port, listener),
    ):
        async with connect(
            "wss://web.test/", host="127.0.0.1", port=port, ssl=trusting(ca)
        ) as socket:
            for message in ("hello", b"\x01" * 500_000):
                await socket.send(message)
                assert await socket.recv() == message
        assert await listener.drain(5) == 0
        assert way.ends[0][0] == 101
