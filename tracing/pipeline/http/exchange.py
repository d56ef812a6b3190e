"""One request and its answer on an HTTP/2 connection, in ASGI's words."""

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from tracing.pipeline.connections import RATE_MIN

_RAW: Final = re.compile(rb"[\x80-\xff]")


class Wire(Protocol):
    """What an exchange asks of its connection; streams go by their numbers."""

    def read(self, number: int, size: int) -> None:
        """So many bytes were read: as many more may come."""

    def begin(
        self, number: int, status: int, headers: Iterable[tuple[bytes, bytes]], *, end: bool
    ) -> None:
        """Send a head, with which the answer may end."""

    def room(self, number: int) -> int:
        """How many bytes of a body may be sent now."""

    async def write(self, number: int, data: bytes) -> None:
        """Send part of a body, no more than there is room for."""

    def finish(self, number: int, trailers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """End an answer."""

    def drop(self, number: int) -> None:
        """Forget a stream; one that is not over is reset."""


def escaped(target: bytes) -> bytes:
    """A target in ASCII: the real server reads raw UTF-8 too, as curl sends what was typed."""
    return _RAW.sub(lambda raw: b"%%%02X" % raw[0][0], target)


def scope_of(headers: Iterable[tuple[bytes, bytes]], places: Mapping[str, object]) -> Scope:
    """A request's scope; the pseudo headers go where HTTP/1.1 has their like."""
    pseudo = {name: value for name, value in headers if name.startswith(b":")}
    lines = [(name, value) for name, value in headers if not name.startswith(b":")]
    if b":authority" in pseudo:
        lines.insert(0, (b"host", pseudo[b":authority"]))
    raw, _, query = escaped(pseudo.get(b":path", b"/")).partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "2",
        "method": pseudo.get(b":method", b"").decode("latin-1"),
        "scheme": "http",
        "path": unquote(raw.decode("ascii")),
        "raw_path": raw,
        "query_string": query,
        "root_path": "",
        "headers": lines,
        "extensions": {"http.response.trailers": {}},
        **places,
    }


class Stream:
    """One request under way.

    Shape: body is what came and nobody has read yet; unread is what that took of the window.
    """

    def __init__(self) -> None:
        self.body = bytearray()
        self.unread = 0
        self.ended = False  # the request is whole
        self.begun = False  # the answer's head was sent
        self.answered = False  # the answer is whole
        self.gone = False  # nobody wants it any more
        self._wake = asyncio.Event()

    def tell(self) -> None:
        """Something changed."""
        self._wake.set()

    def take(self, data: bytes, size: int) -> None:
        """Part of the body, which took so much of the window."""
        self.body += data
        self.unread += size
        self.tell()

    async def news(self) -> None:
        """Wait for a change."""
        self._wake.clear()
        await self._wake.wait()

    @property
    def over(self) -> bool:
        """Nothing is to be said any more."""
        return self.gone or self.answered

    def leave(self) -> None:
        """The other side is gone."""
        self.gone = True
        self.tell()


class Exchange:
    """A stream between its connection and the application.

    Units: unread_within_s is how long an answer may wait to be read, besides the time that its size
    takes at the slowest rate.
    """

    def __init__(
        self, connection: Wire, number: int, stream: Stream, unread_within_s: float
    ) -> None:
        self._connection = connection
        self._number = number
        self._stream = stream
        self._unread_within_s = unread_within_s
        self._start: Message = {}
        self._told = False
        self._bodiless = False

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        """Have the application answer."""
        self._bodiless = scope["method"] == "HEAD"  # its answer is a head, whatever is sent
        try:
            await app(scope, self._receive, self._send)
        finally:
            if not self._stream.gone:
                self._connection.drop(self._number)

    async def _receive(self) -> Message:
        stream = self._stream
        # Who was told that the request is whole asks on only to hear that nobody waits any more.
        while not (stream.unread or (stream.ended and not self._told) or stream.over):
            await stream.news()
        if stream.over:
            return {"type": "http.disconnect"}
        data, size = bytes(stream.body), stream.unread
        stream.body.clear()
        stream.unread = 0
        if size:
            self._connection.read(self._number, size)
        self._told = stream.ended
        return {"type": "http.request", "body": data, "more_body": not stream.ended}

    async def _send(self, message: Message) -> None:
        stream, connection, number = self._stream, self._connection, self._number
        if stream.gone:
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] == "http.response.trailers":
            connection.finish(number, message["headers"])
            stream.answered = True
            return
        body: bytes = b"" if self._bodiless else message.get("body", b"")
        last = not message.get("more_body", False) and not self._start.get("trailers", False)
        if not stream.begun:
            stream.begun = True
            end = last and not body
            connection.begin(number, self._start["status"], self._start["headers"], end=end)
            if end:
                stream.answered = True
                return
        try:
            async with asyncio.timeout(self._unread_within_s + len(body) / RATE_MIN):
                await self._write(body)
        except TimeoutError:
            connection.drop(number)
            stream.leave()
        if last and not stream.gone:
            connection.finish(number)
            stream.answered = True

    async def _write(self, body: bytes) -> None:
        at = 0
        while at < len(body) and not self._stream.gone:
            room = self._connection.room(self._number)
            if room <= 0:
                await self._stream.news()
                continue
            await self._connection.write(self._number, body[at : at + room])
            at += room
