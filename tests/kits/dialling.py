"""Connections to a collector's ports, spoken by hand."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.kits.collecting import collecting
from tracing.pipeline.collector import Collector
from tracing.pipeline.collector_config import CollectorConfig, LimitsConfig
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.port import SpanStore

GET = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
PORTS = ["http", "otlp", "otlp_grpc", "scribe"]


@asynccontextmanager
async def bounded(store: SpanStore | None = None, **limits: Any) -> AsyncIterator[Collector]:
    """A collector with these limits."""
    config = CollectorConfig(limits=LimitsConfig(**limits))
    async with collecting(store or MemoryStore(), Settings(config=config)) as one:
        yield one


def port_of(collector: Collector, name: str) -> int:
    """One of PORTS."""
    if name == "scribe":
        return collector.scribe_port or 0
    urls = {"http": collector.url, "otlp": collector.otlp_url, "otlp_grpc": collector.otlp_grpc_url}
    return httpx.URL(urls[name] or "").port or 0


class Peer:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, collector: Collector, port: str = "http", said: bytes = b"") -> "Peer":
        """Connect; what is said at once lies there before the other side has seen who came."""
        sock = socket.create_connection(("127.0.0.1", port_of(collector, port)))
        sock.sendall(said)
        return cls(*await asyncio.open_connection(sock=sock))

    async def say(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the other side ends it."""
        heard = b""
        async with asyncio.timeout(30):
            try:
                while data := await self.reader.read(1 << 16):
                    heard += data
            except ConnectionError:
                pass
        self.writer.close()
        return heard

    async def status(self) -> int:
        """Of one answer, whose body is read."""
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None
            await self.reader.readexactly(int(length[1]))
        return int(head.split()[1])


Dial = Callable[..., Awaitable[Peer]]


def statuses(heard: bytes) -> list[int]:
    """Of all answers."""
    return [int(one) for one in re.findall(rb"HTTP/1\.1 (\d+)", heard)]


async def ended(collector: Collector, port: str, reason: str) -> int:
    """What the metrics count."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(collector.url + "/prometheus")).text
    name = f'weir_collector_connections_ended_total{{port="{port}",reason="{reason}"}} '
    [line] = [line for line in text.splitlines() if line.startswith(name)]
    return int(line.rpartition(" ")[2])
