"""A client that speaks through a link, as another weir does: each stream is a connection to it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from proxy.link import GREETING, WELCOME, DialledLink
from proxy.settings import ListenerSettings, PoolSettings
from tests.kits.one_way import OneWay, engine
from tests.kits.sockets import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from proxy.listener import Listener


class LinkedClient(Client):
    """One stream of a link; `another` opens a second one beside it."""

    def __init__(self, link: DialledLink) -> None:
        loop = link.loop
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        self.link = link
        self.stream = link.connect(protocol)
        super().__init__(reader, asyncio.StreamWriter(self.stream, protocol, reader, loop))

    @contextlib.asynccontextmanager
    async def another(self) -> AsyncIterator[LinkedClient]:
        """A new stream on the same link."""
        other = LinkedClient(self.link)
        try:
            yield other
        finally:
            other.writer.close()


@contextlib.asynccontextmanager
async def connected_by_link(port: int) -> AsyncIterator[LinkedClient]:
    """A link to a listener, and its first stream."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GREETING)
    async with asyncio.timeout(30):
        assert await reader.readexactly(len(WELCOME)) == WELCOME
    gone = asyncio.Event()
    link = DialledLink(loop, lambda _: gone.set())
    transport = writer.transport
    transport.set_protocol(link)
    link.connection_made(transport)
    client = LinkedClient(link)
    try:
        yield client
    finally:
        link.abort()
        async with asyncio.timeout(30):
            await gone.wait()


@contextlib.asynccontextmanager
async def two_weirs(
    port: int, settings: ListenerSettings | None = None
) -> AsyncIterator[tuple[OneWay, int, Listener]]:
    """Two before an upstream: the first's way, its port, the second's listener."""
    offering = replace(settings or ListenerSettings(), links=True)
    async with (
        engine(port, settings=offering) as (_, second, listener),
        engine(second, pool=PoolSettings(links=True)) as (way, first, _l),
    ):
        yield way, first, listener
