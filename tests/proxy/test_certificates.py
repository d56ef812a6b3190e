"""Certificate files that change while connections are open."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

import pytest

from proxy.certificates import CertificateWatch, TlsError
from proxy.tls import (
    ClientCertificates,
)
from tests.kits.certificates import Authority
from tests.kits.secured import behind_tls, secured, server, shown, trusting

if TYPE_CHECKING:
    from pathlib import Path


GET = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"


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
            socket.create_connection(("127.0.0.1", front.port), 30) as plain,
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
