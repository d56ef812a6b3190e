"""TLS on both sides of the engine, with real handshakes: Python's ssl, openssl and curl."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, NamedTuple

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from proxy.acceptor import Prelude
from proxy.certificates import CertificateFiles, CertificateWatch, TlsError
from proxy.listener import ListenerSettings
from proxy.tls import (
    ClientCertificates,
    ClientTls,
    ClientTlsSettings,
    Dialing,
    ServerTls,
    ServerTlsSettings,
)
from tests.kits.certificates import LONG_AGO, Authority
from tests.kits.one_way import engine
from tests.kits.sockets import GREETING, Client, exchange, upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from proxy.listener import Listener
    from tests.kits.one_way import OneWay
    from tests.kits.sockets import ScriptedUpstream

GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


def trusting(
    authority: Authority, *, show: CertificateFiles | None = None, alpn: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """A client that knows one authority."""
    context = ssl.create_default_context(cafile=str(authority.file))
    if show is not None:
        context.load_cert_chain(show.chain, show.key)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


@contextlib.asynccontextmanager
async def secured(port: int, context: ssl.SSLContext, name: str) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()


class Front(NamedTuple):
    way: OneWay
    port: int
    listener: Listener
    behind: ScriptedUpstream


@contextlib.asynccontextmanager
async def behind_tls(
    tls: ServerTls, waiting_max: int = 1_000, settings: ListenerSettings | None = None
) -> AsyncIterator[Front]:
    """The engine behind TLS, in front of an upstream that greets."""
    prelude = Prelude(tls=tls, waiting_max=waiting_max)
    async with (
        upstream() as behind,
        engine(behind.port, prelude=prelude, settings=settings) as (way, port, listener),
    ):
        yield Front(way, port, listener, behind)


def shown(client: Client) -> str:
    """The common name of the server's certificate."""
    found = client.writer.get_extra_info("peercert")
    return str(dict(pair for rdn in found["subject"] for pair in rdn)["commonName"])


def server(*certificates: CertificateFiles, **more: object) -> ServerTls:
    return ServerTls(ServerTlsSettings(certificates=certificates, **more))  # type: ignore[arg-type]


async def run(*command: str, say: bytes = b"") -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(15):
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
        ListenerSettings(head_timeout_s=0.3),
    )
    async with behind_tls(tls, 1, settings) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        async with asyncio.timeout(5):
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


async def test_twenty_reloads_under_load_fail_no_request(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = server(ca.issue("web.test", "0.test", file="web"))
    context = trusting(ca)
    names: set[str] = set()
    async with behind_tls(tls) as front:
        stop = asyncio.Event()

        async def ask_on_new_connections() -> int:
            count = 0
            while not stop.is_set():
                async with secured(front.port, context, "web.test") as client:
                    found = client.writer.get_extra_info("peercert")["subjectAltName"]
                    names.update(name for _, name in found)
                    assert (await client.ask(GET))[1] == b"hello"
                count += 1
            return count

        async def ask_on_one_connection() -> int:
            count = 0
            async with secured(front.port, context, "web.test") as client:
                while not stop.is_set():
                    assert (await client.ask(GET))[1] == b"hello"
                    count += 1
            return count

        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask_on_new_connections()) for _ in range(3)]
            asked.append(group.create_task(ask_on_one_connection()))
            for number in range(1, 21):
                ca.issue("web.test", f"{number}.test", file="web")
                tls.reload()
                async with secured(front.port, context, f"{number}.test") as client:
                    assert (await client.ask(GET))[1] == b"hello"
            stop.set()
        assert all(task.result() for task in asked)
        assert len(front.behind.open) >= 1
    assert len(names) > 2


async def test_files_that_change_are_read_again_and_broken_ones_are_not_used(
    tmp_path: Path,
) -> None:
    ca = Authority(tmp_path)
    files = ca.issue("old.test", file="web")
    tls = server(files)
    watch = CertificateWatch([tls])
    assert watch.look() == []
    assert watch.reloads == 0
    before = tls.context
    good = files.key.read_bytes()
    files.key.write_bytes(b"no key")
    assert len(watch.look()) == 1
    assert tls.context is before
    assert watch.look() == []  # told once
    files.key.write_bytes(good)
    assert watch.look() == []
    ca.issue("new.test", file="web")
    assert watch.look() == []
    assert (watch.reloads, watch.failures) == (2, 1)
    async with behind_tls(tls) as front, secured(front.port, trusting(ca), "new.test") as client:
        assert shown(client) == "new.test"


async def test_a_client_whose_authority_was_dropped_cannot_resume(tmp_path: Path) -> None:
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(ca.file.read_bytes())
    tls = server(ca.issue("web.test"), clients=ClientCertificates.REQUIRED, authorities=(trusted,))
    context = trusting(ca, show=ca.issue("client.test"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    def handshake(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        # A blocking client, for asyncio's resumes no session.
        with (
            socket.create_connection(("127.0.0.1", front.port), 10) as plain,
            context.wrap_socket(plain, server_hostname="web.test", session=session) as client,
        ):
            client.sendall(GET)
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            return client.session

    async with behind_tls(tls) as front:
        session = await asyncio.to_thread(handshake, None)
        assert session is not None
        await asyncio.to_thread(handshake, session)
        trusted.write_bytes(other.file.read_bytes())
        tls.reload()
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(handshake, session)


@pytest.mark.parametrize("missing", ["chain", "key"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, missing: str) -> None:
    files = Authority(tmp_path).issue("web.test")
    getattr(files, missing).unlink()
    with pytest.raises(TlsError, match=r"web\.test\.(pem|key): no such file"):
        server(files)


# ---- towards endpoints


@contextlib.asynccontextmanager
async def secure_upstream(tls: ServerTls) -> AsyncIterator[tuple[int, list[str | None]]]:
    """An endpoint behind TLS: its port, and the names it was asked for."""
    asked: list[str | None] = []

    def note(_: object, name: str | None, __: object) -> None:
        asked.append(name)

    tls.context.sni_callback = note

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(GREETING)
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls.context)
    try:
        yield listening.sockets[0].getsockname()[1], asked
    finally:
        listening.close()


def dialing(name: str | None, **settings: object) -> Dialing:
    return Dialing(ClientTls(ClientTlsSettings(**settings)), name)  # type: ignore[arg-type]


async def ask(port: int, tls: Dialing) -> bytes:
    async with engine(port, dialing=tls) as (way, front, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", front)
        client = Client(reader, writer)
        try:
            _, first = await client.ask(GET)
            if first == b"hello":
                await client.ask(GET)
                assert way.pool.connects == 1
        finally:
            writer.close()
        return first


async def test_an_endpoint_is_asked_for_and_verified_by_its_name(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    async with secure_upstream(server(ca.issue("web.test"))) as (port, asked):
        assert await ask(port, dialing("web.test", authorities=(ca.file,))) == b"hello"
        assert asked == ["web.test"]


@pytest.mark.parametrize(
    ("case", "why"),
    [
        ("another name", b"Hostname mismatch"),
        ("another authority", b"unable to get local issuer certificate"),
        ("the system's authorities", b"unable to get local issuer certificate"),
        ("expired", b"certificate has expired"),
    ],
)
async def test_an_endpoint_that_cannot_prove_itself_gets_no_request(
    tmp_path: Path, case: str, why: bytes
) -> None:
    ca, other = Authority(tmp_path), Authority(tmp_path, "other")
    certificate = ca.issue("web.test", until=LONG_AGO.replace(month=2)) if case == "expired" else (
        ca.issue("web.test")
    )  # fmt: skip
    authorities = {"another authority": (other.file,), "the system's authorities": ()}
    name = "other.test" if case == "another name" else "web.test"
    async with secure_upstream(server(certificate)) as (port, _):
        answer = await ask(port, dialing(name, authorities=authorities.get(case, (ca.file,))))
        assert answer.startswith(b"ConnectFailed")
        assert why in answer


@pytest.mark.parametrize("name", [None, "some.name.test"])
async def test_verification_can_be_switched_off(tmp_path: Path, name: str | None) -> None:
    async with secure_upstream(server(Authority(tmp_path).issue("web.test"))) as (port, asked):
        assert await ask(port, dialing(name, verify=False)) == b"hello"
        assert asked == [name]


async def test_a_certificate_without_alternative_names_goes_by_its_common_name(
    tmp_path: Path,
) -> None:
    ca = Authority(tmp_path)
    async with secure_upstream(server(ca.issue("web.test", alternative=False))) as (port, _):
        assert await ask(port, dialing("web.test", authorities=(ca.file,))) == b"hello"


async def test_a_certificate_of_ours_is_shown_to_who_asks_for_one(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    tls = server(ca.issue("web.test"), clients=ClientCertificates.REQUIRED, authorities=(ca.file,))
    mine = ca.issue("client.test")
    async with secure_upstream(tls) as (port, _):
        with_it = dialing("web.test", authorities=(ca.file,), certificate=mine)
        assert await ask(port, with_it) == b"hello"
        without = await ask(port, dialing("web.test", authorities=(ca.file,)))
        assert without.startswith(b"UpstreamClosed")  # TLS 1.3 refuses behind the handshake


async def test_a_plain_endpoint_gets_no_request_that_was_meant_for_tls() -> None:
    async with upstream() as behind:
        answer = await ask(behind.port, dialing("web.test", verify=False))
        assert answer.startswith(b"ConnectFailed")
        assert b"GET" not in behind.seen


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
