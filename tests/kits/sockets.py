"""Real sockets for engine tests.

A client that speaks raw bytes, an upstream that answers by script.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

GREETING = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class ScriptedUpstream:
    """A TCP server that keeps every byte it gets and answers as told.

    `answer` is called with the bytes of a connection that are not answered yet whenever more come;
    what it returns is written. None: nothing yet. `close_after` ends the connection once something
    was written.
    """

    def __init__(
        self, answer: Callable[[bytes], bytes | None], *, close_after: bool = False
    ) -> None:
        self.connections: list[bytearray] = []
        self.open: set[_Connection] = set()
        self.answer = answer
        self.close_after = close_after
        self.port = 0
        self._changed = asyncio.Event()

    @property
    def seen(self) -> bytes:
        """All bytes of all connections."""
        return b"".join(bytes(one) for one in self.connections)

    def note(self) -> None:
        """Something came, or a connection ended."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it is true; looked at whenever something happened here."""
        async with asyncio.timeout(20):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def saw(self, count: int) -> None:
        """Wait until so many bytes have come in all."""
        await self.until(lambda: len(self.seen) >= count)


class _Connection(asyncio.Protocol):
    def __init__(self, server: ScriptedUpstream) -> None:
        self.server = server
        self.transport: asyncio.Transport | None = None
        self.got = bytearray()
        self.pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.server.connections.append(self.got)
        self.server.open.add(self)
        self.server.note()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.server.open.discard(self)
        self.server.note()

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.pending += data
        answer = self.server.answer(self.pending)
        self.server.note()
        if answer is not None and self.transport is not None:
            self.pending = b""
            self.transport.write(answer)
            if self.server.close_after:
                self.transport.close()


def whole_request(answer: bytes = GREETING) -> Callable[[bytes], bytes | None]:
    """Answer each request once its head, and a Content-Length or chunked body, are complete."""

    def on_bytes(data: bytes) -> bytes | None:
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return None
        lowered = head.lower()
        if b"transfer-encoding: chunked" in lowered:
            return answer if body.endswith(b"0\r\n\r\n") else None
        for line in lowered.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return answer if len(body) >= int(line[15:]) else None
        return answer

    return on_bytes


@contextlib.asynccontextmanager
async def upstream(
    answer: Callable[[bytes], bytes | None] | None = None, *, close_after: bool = False
) -> AsyncIterator[ScriptedUpstream]:
    """A scripted upstream on a free port."""
    scripted = ScriptedUpstream(answer or whole_request(), close_after=close_after)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(scripted), "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()
        for connection in list(scripted.open):
            if connection.transport is not None:
                connection.transport.abort()
        await scripted.until(lambda: not scripted.open)


async def exchange(port: int, data: bytes, *, host: str = "127.0.0.1") -> bytes:
    """Send bytes on a new connection and read until the server closes it.

    A reset ends the answer like a close.
    """
    async with asyncio.timeout(20), connected(port, host) as client:
        client.writer.write(data)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while more := await client.reader.read(65_536):
                answer += more
        return answer


class Client:
    """A connection that is kept: write bytes, read one answer at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes, *, head: bool = False) -> tuple[bytes, bytes]:
        """Send a request and read its answer's head and body."""
        self.writer.write(data)
        return await self.answer(head=head)

    async def answer(self, *, head: bool = False) -> tuple[bytes, bytes]:
        """Read one answer: (head, body)."""
        async with asyncio.timeout(20):
            block = await self.reader.readuntil(b"\r\n\r\n")
            lowered = block.lower()
            if head:
                return block, b""
            if b"transfer-encoding: chunked" in lowered:
                return block, await self._chunked()
            for line in lowered.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    return block, await self.reader.readexactly(int(line[15:]))
            return block, b""

    async def _chunked(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        while (await self.reader.readline()) != b"\r\n":
            pass
        return body


@contextlib.asynccontextmanager
async def connected(port: int, host: str = "127.0.0.1") -> AsyncIterator[Client]:
    """A kept client connection."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
