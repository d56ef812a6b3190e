"""TLS towards endpoints: who is asked, who is believed, what we show."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest

from proxy.tls import (
    ClientCertificates,
    Dialing,
    ServerTls,
)
from tests.kits.certificates import LONG_AGO, Authority
from tests.kits.one_way import engine
from tests.kits.secured import dialing, server
from tests.kits.sockets import GREETING, Client, upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


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
