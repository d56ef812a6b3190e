"""An upstream that reads with h11 and tells what it has read, request by request."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, cast

import h11

from tests.kits.conversation import Reader, Seen

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Recorder:
    """What came, in the order in which each request was whole."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.broken: list[str] = []  # what h11 could not read
        self.port = 0


class _Connection(asyncio.Protocol):
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._reader = Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            found = self._reader.feed(data)
        except h11.RemoteProtocolError as error:
            self._recorder.broken.append(str(error))
            self._transport.close()
            return
        self._recorder.seen += found
        self._transport.write(_OK * len(found))


@contextlib.asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """The upstream, on a free port."""
    recorder = Recorder()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(recorder), "127.0.0.1", 0)
    recorder.port = server.sockets[0].getsockname()[1]
    try:
        yield recorder
    finally:
        server.close()
