# ruff: noqa: D102 - the loop and the parser document what they call
"""One keep-alive connection of the load generator, a request at a time."""

from __future__ import annotations

import asyncio
from typing import TypeAlias, cast

import httptools

# A status, or the reason why there is none.
Outcome: TypeAlias = int | str


class LoadConnection(asyncio.Protocol):
    """Sends ready bytes and waits for the answer's end; its body is thrown away."""

    def __init__(self) -> None:
        self._answered: asyncio.Future[Outcome] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._framed = False  # the answer says where it ends; else the connection's end does
        self._headed = False
        self.usable = False

    async def get(self, request: bytes, timeout_s: float) -> Outcome:
        """Send the request and give its status, or the reason why there is none."""
        self._answered = asyncio.get_running_loop().create_future()
        self._framed = self._headed = False
        self._transport.write(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answered
        except TimeoutError:
            self.close()
            return "timeout"

    def close(self) -> None:
        """End the connection at once."""
        self.usable = False
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP gives a full one
        self.usable = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        if self._headed and not self._framed and exc is None:
            self._end(self._parser.get_status_code())
        else:
            self._end("connection lost")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end("no HTTP response")
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note whether the answer is framed."""
        del value
        self._framed = self._framed or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """From here on an end of the connection may be the answer's end."""
        self._headed = True

    def on_message_complete(self) -> None:
        """The answer is here; 1xx only announces it."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004 - RFC 9110, 15.2
            self._framed = self._headed = False
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._end(status)

    def _end(self, outcome: Outcome) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(outcome)
