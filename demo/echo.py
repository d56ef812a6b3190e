# ruff: noqa: D102 - the loop and the parser document what they call
"""The echo server: its own httptools protocol, for an ASGI server lower-cases header names."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import signal
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import httptools
import uvloop

from demo.address import plain
from demo.echo_answer import Answer, Arrived, answer, refusal

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

HEAD_BYTES_MAX: Final = 65_536  # of target, header names and values; larger than any router's
FIELDS_MAX: Final = 1_000
IDLE_S: Final = 75.0  # longer than the pools of the routers that are tried against it
GRACE_S: Final = 5.0
# Answers that wait for one before them; beyond, nothing more is read from the connection.
WAITING_MAX: Final = 16
FILLER: Final = bytes(65_536)


class HeadTooLarge(Exception):
    """Raised out of the parser's callbacks."""


class EchoServer:
    """The connections of one listener."""

    def __init__(self, pod: str) -> None:
        self.pod = pod
        self.draining = False
        self._connections: set[EchoConnection] = set()
        self._gone = asyncio.Event()  # uvloop's wait_closed does not wait for connections

    def enter(self, connection: EchoConnection) -> None:
        """Note a new connection."""
        self._connections.add(connection)

    def leave(self, connection: EchoConnection) -> None:
        """Forget a connection; the last one ends a drain."""
        self._connections.discard(connection)
        if self.draining and not self._connections:
            self._gone.set()

    async def run(self, listening: socket.socket, started: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; then answer what has arrived, for GRACE_S at most."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        server = await loop.create_server(lambda: EchoConnection(self, loop), sock=listening)
        started()
        await stop.wait()
        server.close()
        self.draining = True
        if not self._connections:
            return
        for connection in list(self._connections):
            connection.close_if_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await self._gone.wait()
        for connection in list(self._connections):
            connection.abort()


class EchoConnection(asyncio.Protocol):
    """One connection. Requests are answered in order, one at a time."""

    __slots__ = (
        "_arrived", "_arriving", "_busy", "_digest", "_ending", "_filler", "_head_bytes",
        "_in_trailers", "_loop", "_parser", "_peer", "_reading", "_server", "_timer", "_transport",
        "_waiting", "_writable",
    )  # fmt: skip

    def __init__(self, server: EchoServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Answer] = deque()
        self._busy = False  # an answer is delayed or on its way
        self._ending = False  # nothing more is read; what waits is answered, then we close
        self._reading = True
        self._writable = True
        self._filler = 0  # bytes still to be written
        self._timer: asyncio.TimerHandle | None = None
        self.on_message_begin()
        self._arriving = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP gives a full one
        self._peer = plain(self._transport.get_extra_info("peername"))
        self._server.enter(self)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._server.leave(self)
        self._ending = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ending:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._ending = True  # the request itself is complete and gets its answer
        except httptools.HttpParserError as error:
            # llhttp wraps what a callback raises.
            if isinstance(error.__context__, HeadTooLarge):
                self._refuse(431, "the head is larger than 65536 bytes")
            else:
                self._refuse(400, f"no HTTP request: {error}")
        if len(self._waiting) > WAITING_MAX and self._reading and not self._ending:
            self._reading = False
            self._transport.pause_reading()
        self._advance()

    def eof_received(self) -> bool:
        self._ending = True
        self._advance()
        return True  # the other half stays for the answers that are due

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._filler:
            self._fill()

    # What the parser calls

    def on_message_begin(self) -> None:
        self._arrived = Arrived()
        self._digest = hashlib.sha256()
        self._head_bytes = 0
        self._in_trailers = False
        self._arriving = True

    def on_url(self, part: bytes) -> None:
        self._count(len(part))
        self._arrived.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        fields = self._arrived.trailers if self._in_trailers else self._arrived.headers
        fields.append((name, value))
        if len(fields) > FIELDS_MAX:
            raise HeadTooLarge

    def on_headers_complete(self) -> None:
        self._in_trailers = True  # llhttp reports trailers through on_header as well
        expected = (v.lower() for n, v in self._arrived.headers if n.lower() == b"expect")
        if b"100-continue" in expected and not self._busy and not self._waiting:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, part: bytes) -> None:
        self._arrived.body_bytes += len(part)
        self._digest.update(part)

    def on_message_complete(self) -> None:
        self._arriving = False
        arrived, parser = self._arrived, self._parser
        arrived.method = parser.get_method().decode("latin-1")
        arrived.version = parser.get_http_version()
        arrived.body_sha256 = self._digest.hexdigest()
        keep_alive = parser.should_keep_alive() and not self._server.draining
        made = answer(arrived, peer=self._peer, pod=self._server.pod, keep_alive=keep_alive)
        self._waiting.append(made)
        if not keep_alive:
            self._ending = True

    # What goes out

    def close_if_idle(self) -> None:
        """Close, unless an answer is due or a request has begun to arrive."""
        if not self._busy and not self._waiting and not self._arriving:
            self._transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._transport.abort()

    def _advance(self) -> None:
        if self._timer is not None and not self._busy:
            self._timer.cancel()
        if self._busy or self._transport.is_closing():
            return
        if not self._waiting:
            if self._ending:
                self._transport.close()
            else:
                self._arm()
            return
        self._busy = True
        delay_s = self._waiting[0].delay_s
        if delay_s:
            self._timer = self._loop.call_later(delay_s, self._write_next)
        else:
            self._write_next()

    def _write_next(self) -> None:
        if not self._waiting:
            return
        made = self._waiting.popleft()
        self._filler = made.filler
        self._transport.write(made.head + made.body)
        if self._writable:
            self._fill()  # else resume_writing does, once a slow reader has caught up

    def _fill(self) -> None:
        while self._filler and not self._transport.is_closing():
            if not self._writable:
                return
            part = min(self._filler, len(FILLER))
            self._filler -= part
            self._transport.write(FILLER[:part])
        self._busy = False
        if not self._reading and len(self._waiting) <= WAITING_MAX and not self._ending:
            self._reading = True
            self._transport.resume_reading()
        self._loop.call_soon(self._advance)  # not by recursion: a pipeline may be long

    def _refuse(self, status: int, reason: str) -> None:
        self._waiting.append(Answer(refusal(status, reason), b""))
        self._ending = True

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            raise HeadTooLarge

    def _arm(self) -> None:
        self._timer = self._loop.call_later(IDLE_S, self.abort)


def serve_echo(pod: str, listening: socket.socket, started: Callable[[], None]) -> None:
    """Run the echo server on one listening socket until a signal."""
    uvloop.run(EchoServer(pod).run(listening, started))
