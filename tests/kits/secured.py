"""TLS in front of the engine, and clients that trust one authority."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, NamedTuple

from proxy.acceptor import Prelude
from proxy.tls import (
    ClientTls,
    ClientTlsSettings,
    Dialing,
    ServerTls,
    ServerTlsSettings,
)
from tests.kits.one_way import engine
from tests.kits.sockets import Client, upstream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.certificates import CertificateFiles
    from proxy.listener import Listener
    from proxy.settings import ListenerSettings
    from tests.kits.certificates import Authority
    from tests.kits.one_way import OneWay
    from tests.kits.sockets import ScriptedUpstream


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
    """A client inside TLS, who asks for that name."""
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
    """A listener with TLS, its way, and the endpoint behind it."""

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
    """A listener's TLS with these certificates."""
    return ServerTls(ServerTlsSettings(certificates=certificates, **more))  # type: ignore[arg-type]


def dialing(name: str | None, **settings: object) -> Dialing:
    """How an endpoint of that name is dialled."""
    return Dialing(ClientTls(ClientTlsSettings(**settings)), name)  # type: ignore[arg-type]
