"""A link: one connection between two weirs that carries many streams.

System calls are most of what a hop costs. On a link, everything that is written to the next hop
within one turn of the loop leaves in one call, and comes in by one. A stream is a connection to
whoever uses it; docs/link.md has the wire format and why it is as it is.

Who dials asks for it (`OPTIONS *` with `Upgrade: weir-link`) and opens the streams; who listens
offers it only where a listener's settings say so.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from proxy.stream import Reader, Stream
from wire.frames import (
    AWAY,
    DATA,
    END,
    RESET,
    STREAM_MAX,
    BadFrame,
    FrameReader,
    control_frame,
    read_grant,
)
from wire.head import values

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.connections import Connections
    from wire.request import RequestHead

TOKEN: Final = b"weir-link"
GREETING: Final = (
    b"OPTIONS * HTTP/1.1\r\nHost: weir\r\nConnection: Upgrade\r\nUpgrade: weir-link\r\n\r\n"
)
WELCOME: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: weir-link\r\n\r\n"
)
# Each may hold 64 KiB each way; beyond, who dials opens plain connections.
STREAMS_MAX: Final = 1_000


def asks_for_link(request: RequestHead, transport: asyncio.Transport) -> bool:
    """Whether a request is the greeting of another weir; there are no links within links."""
    return (
        request.target == b"*"
        and b"upgrade" in request.nominated
        and values(request.block, b"upgrade") == [TOKEN]
        and not request.has_body
        and request.minor == 1
        and not isinstance(transport, Stream)
    )


class StreamUser(Reader, Protocol):
    """Who opens a stream, or serves one that was opened."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Here it is."""


class Link(asyncio.Protocol):
    """What both ends of a link do."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.full = False  # the connection takes no more bytes for now
        self.away = False  # no new streams
        self.streams: dict[int, Stream] = {}
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader()
        self._last = 0  # the newest stream's number
        self._out: list[bytes] = []  # of this turn; bounded by the streams' windows
        self._sending: dict[Stream, None] = {}  # have bytes queued, in the order they asked

    # ---- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is a link from here on."""
        self._transport = tcp = cast("asyncio.Transport", transport)
        tcp.set_write_buffer_limits(high=65_536)

    def data_received(self, data: bytes) -> None:
        """Hand each frame to its stream."""
        try:
            frames = self._reader.feed(data)
            for kind, number, payload in frames:
                stream = self.streams.get(number)
                if stream is None:
                    self._on_stray(kind, number, payload)
                elif kind == DATA:
                    stream.on_data(payload)
                elif kind == END:
                    stream.on_end()
                elif kind == RESET:
                    stream.on_reset()
                else:
                    stream.on_window(read_grant(payload))
        except BadFrame:
            self.abort()

    def pause_writing(self) -> None:
        """The other side is slow to read the connection: the streams' bytes wait with them."""
        self.full = True

    def resume_writing(self) -> None:
        """Send on, one frame a stream in turn."""
        self.full = False
        self._send_queued()

    def connection_lost(self, exc: Exception | None) -> None:
        """Every stream is lost with it."""
        self._transport = None
        self.away = True
        for stream in list(self.streams.values()):
            stream.on_lost(exc)

    # ---- called by the streams

    def fact(self, name: str, default: Any) -> Any:
        """What is known of the connection."""
        transport = self._transport
        return default if transport is None else transport.get_extra_info(name, default)

    def send(self, frame: bytes) -> None:
        """Write a frame, together with all others of this turn of the loop."""
        out = self._out
        if not out:
            self.loop.call_soon(self._flush)
        out.append(frame)

    def wants_to_send(self, stream: Stream) -> None:
        """A stream has bytes queued."""
        self._sending[stream] = None
        if not self.full:
            self._send_queued()

    def forget(self, stream: Stream) -> None:
        """A stream is over."""
        self._sending.pop(stream, None)
        self.streams.pop(stream.number, None)
        if not self.streams:
            self._on_empty()

    def close(self) -> None:
        """End the connection once everything is written."""
        self.away = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it, and every stream, at once."""
        self.away = True
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        if self._transport is not None:
            self._transport.write(data)

    def _send_queued(self) -> None:
        while self._sending and not self.full:
            stream = next(iter(self._sending))
            del self._sending[stream]
            if stream.send_one():
                self._sending[stream] = None

    def _on_stray(self, kind: int, number: int, payload: bytes) -> None:
        """A frame of no stream that we know: one that has just ended, or a new one."""
        del payload
        if kind == AWAY:
            self.away = True
        elif number > self._last:
            raise BadFrame("a frame of a stream that nobody has opened")

    def _on_empty(self) -> None:
        """The last stream is over."""


class DialledLink(Link):
    """Our end of a link that we asked for."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_gone: Callable[[DialledLink], None]
    ) -> None:
        super().__init__(loop)
        self._on_gone = on_gone

    @property
    def open(self) -> bool:
        """Whether it takes another stream."""
        return not self.away and len(self.streams) < STREAMS_MAX and self._last < STREAM_MAX

    def connect(self, protocol: StreamUser) -> Stream:
        """A new stream. Its first bytes tell the other side of it."""
        self._last = number = self._last + 1
        self.streams[number] = stream = Stream(self, number, protocol)
        protocol.connection_made(stream)
        return stream

    def retire(self) -> None:
        """No new streams; it ends with the last one."""
        self.away = True
        if not self.streams:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody shall ask it for streams any more, before the streams fail."""
        self._on_gone(self)
        super().connection_lost(exc)

    def _on_empty(self) -> None:
        if self.away:
            self.close()


class AcceptedLink(Link):
    """Our end of a link that somebody asked us for. To the listener it is a connection.

    Shape: `serve` makes who reads a new stream.
    """

    def __init__(self, listener: Connections, serve: Callable[[], StreamUser]) -> None:
        super().__init__(listener.loop)
        self.deadline = 0.0  # the loop's clock; 0: none
        self._listener = listener
        self._serve = serve

    def take(self, transport: asyncio.Transport) -> None:
        """Welcome who asked, and read frames from here on."""
        transport.write(WELCOME)
        # The loop decides how it reads when reading begins: this protocol reads another way.
        transport.pause_reading()
        transport.set_protocol(self)
        transport.resume_reading()
        self.connection_made(transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in."""
        super().connection_made(transport)
        if self._listener.admit(self):
            self._on_empty()
        else:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it out, behind its streams."""
        super().connection_lost(exc)
        self._listener.forget(self)

    @property
    def idle(self) -> bool:
        """Whether it may be told to go: always, for its streams still end in their own time."""
        return True

    def on_deadline(self) -> None:
        """Nobody has used it for a while."""
        self.close()

    def close_after_answer(self) -> None:
        """No new streams; it ends with the last one."""
        self.send(control_frame(AWAY, 0))
        self.away = True
        if not self.streams:
            self.close()

    def abort_exchange(self) -> None:
        """End everything on it now."""
        self.abort()

    def _on_stray(self, kind: int, number: int, payload: bytes) -> None:
        """The next number opens a stream; one that came behind our AWAY is refused."""
        if kind != DATA or number <= self._last:
            super()._on_stray(kind, number, payload)
            return
        self._last = number
        if self.away or len(self.streams) >= STREAMS_MAX:
            self.send(control_frame(RESET, number))
            return
        self.deadline = 0.0
        protocol = self._serve()
        self.streams[number] = stream = Stream(self, number, protocol)
        protocol.connection_made(stream)
        if number in self.streams:  # unless it was one connection too many
            stream.on_data(payload)

    def _on_empty(self) -> None:
        if self.away:
            self.close()
        else:
            self.deadline = self.loop.time() + self._listener.settings.idle_timeout_s
