"""One byte stream of a link, for a protocol that takes it for a connection of its own.

So everything that holds for a connection holds for a stream: the same readers, the same strictness,
the same time-outs. What differs is below: bytes go as frames, and the receiver says how many more
it takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, Protocol, cast

from wire.frames import (
    END,
    PAYLOAD_BYTES_MAX,
    RESET,
    WINDOW_BYTES,
    BadFrame,
    control_frame,
    data_frame,
    window_frame,
)

# Like the engine's TCP connections: beyond the first the writer waits, until the second is reached.
_QUEUED_HIGH: Final = 65_536
_QUEUED_LOW: Final = 16_384


class Reader(Protocol):
    """What a stream asks of its protocol, whichever of asyncio's kinds that is."""

    def data_received(self, data: bytes) -> None:
        """Bytes came."""

    def eof_received(self) -> bool | None:
        """The other side writes no more; True keeps our side open."""

    def pause_writing(self) -> None:
        """Write no more for now."""

    def resume_writing(self) -> None:
        """Write on."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""


class Carrier(Protocol):
    """What carries streams: a link; `link.py` says what each means."""

    loop: asyncio.AbstractEventLoop
    full: bool

    def fact(self, name: str, default: Any) -> Any: ...  # noqa: D102 - of the link, all of them
    def send(self, frame: bytes) -> None: ...  # noqa: D102
    def wants_to_send(self, stream: Stream) -> None: ...  # noqa: D102
    def forget(self, stream: Stream) -> None: ...  # noqa: D102


class Stream(asyncio.Transport):
    """The transport of one stream."""

    __slots__ = (
        "_closing",
        "_credit",
        "_end_sent",
        "_end_wanted",
        "_gone",
        "_held",
        "_link",
        "_owed",
        "_peer_ended",
        "_protocol",
        "_queue",
        "_queued",
        "_reading",
        "_waits",
        "_window",
        "number",
    )

    def __init__(self, link: Carrier, number: int, protocol: Reader) -> None:
        super().__init__()
        self.number = number
        self._link = link
        self._protocol = protocol
        self._window = WINDOW_BYTES  # what the other side takes
        self._credit = WINDOW_BYTES  # what it may send
        self._owed = 0  # taken by our protocol, and not allowed anew
        self._queue: deque[bytes] = deque()  # bounded: the protocol is told to pause
        self._queued = 0
        self._held: deque[bytes] = deque()  # came while nobody reads; bounded by the credit
        self._reading = True
        self._waits = False  # our protocol was told to pause
        self._closing = False
        self._end_wanted = False
        self._end_sent = False
        self._peer_ended = False
        self._gone = False

    # ---- called by the protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection below."""
        return self._link.fact(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Somebody else reads from here on: a tunnel."""
        self._protocol = cast("Reader", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who reads."""
        return cast("asyncio.BaseProtocol", self._protocol)

    def is_closing(self) -> bool:
        """Whether nothing more may be written."""
        return self._closing or self._gone

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The limits are fixed: they are the link's."""

    def can_write_eof(self) -> bool:
        """A stream can be ended on one side."""
        return True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes, or keep them until the other side takes more."""
        if self._closing or self._gone or self._end_wanted or not data:
            return
        data = bytes(data)  # costs nothing where they are bytes already
        size = len(data)
        if (
            size <= self._window
            and size <= PAYLOAD_BYTES_MAX
            and not self._queue
            and not self._link.full
        ):
            self._window -= size
            self._link.send(data_frame(self.number, data))
            return
        self._queue.append(data)
        self._queued += size
        self._link.wants_to_send(self)
        if self._queued > _QUEUED_HIGH and not self._waits:
            self._waits = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        """Write no more; still read."""
        self._end_wanted = True
        self._end_when_written()

    def close(self) -> None:
        """End it once everything is written."""
        if not self._closing and not self._gone:
            self._closing = self._end_wanted = True
            self._end_when_written()

    def abort(self) -> None:
        """End it at once."""
        if not self._gone:
            self._link.send(control_frame(RESET, self.number))
            self._leave(None)

    def pause_reading(self) -> None:
        """Deliver nothing: the window fills, and the other side stops."""
        self._reading = False

    def resume_reading(self) -> None:
        """Deliver again, from the next turn of the loop on."""
        if not self._reading:
            self._reading = True
            self._link.loop.call_soon(self._deliver_held)

    # ---- called by the link

    def on_data(self, payload: bytes) -> None:
        """Bytes came. Raises: BadFrame, when they are more than was allowed, or behind the end."""
        self._credit -= len(payload)
        if self._credit < 0 or self._peer_ended:
            raise BadFrame("a stream has sent more than it may")
        if self._closing:
            return
        if not self._reading or self._held:
            self._held.append(payload)
            return
        self._owed += len(payload)
        self._protocol.data_received(payload)
        if self._owed > WINDOW_BYTES // 2:
            self._grant()

    def on_end(self) -> None:
        """The other side writes no more."""
        self._peer_ended = True
        if not self._held:
            self._tell_end()

    def on_reset(self) -> None:
        """The other side has ended it at once."""
        self._leave(ConnectionResetError("the stream was reset"))

    def on_window(self, more: int) -> None:
        """The other side takes more. Raises: BadFrame, when that is more than there can be."""
        self._window += more
        if self._window > WINDOW_BYTES:
            raise BadFrame("a stream allows more than its window")
        if self._queue:
            self._link.wants_to_send(self)

    def on_lost(self, exc: Exception | None) -> None:
        """The connection below is gone. To a reader that is an end only if it was one."""
        self._leave(exc or ConnectionResetError("the link was lost"))

    def send_one(self) -> bool:
        """Send one frame of what waits; whether more could be sent at once."""
        queue = self._queue
        if not queue or self._window <= 0 or self._gone:
            return False
        piece = queue.popleft()
        size = min(len(piece), self._window, PAYLOAD_BYTES_MAX)
        if size < len(piece):
            queue.appendleft(piece[size:])
            piece = piece[:size]
        self._window -= size
        self._queued -= size
        self._link.send(data_frame(self.number, piece))
        if self._waits and self._queued <= _QUEUED_LOW:
            self._waits = False
            self._protocol.resume_writing()
        self._end_when_written()
        return bool(self._queue) and self._window > 0

    # ---- inside

    def _grant(self) -> None:
        more, self._owed = self._owed, 0
        self._credit += more
        self._link.send(window_frame(self.number, more))

    def _deliver_held(self) -> None:
        while self._held and self._reading and not self.is_closing():
            payload = self._held.popleft()
            self._owed += len(payload)
            self._protocol.data_received(payload)
        if self._gone or self._closing or self._held:
            return
        if self._owed:
            self._grant()
        if self._peer_ended:
            self._tell_end()

    def _tell_end(self) -> None:
        if not self.is_closing() and not self._protocol.eof_received():
            self.close()

    def _end_when_written(self) -> None:
        if not self._end_wanted or self._queue or self._gone:
            return
        if not self._end_sent:
            self._end_sent = True
            self._link.send(control_frame(END, self.number))
        if self._closing:
            self._leave(None)

    def _leave(self, exc: Exception | None) -> None:
        if self._gone:
            return
        self._gone = True
        self._queue.clear()
        self._held.clear()
        self._link.forget(self)
        # Not in this call: as a socket's transport does, for the protocol may be in one of ours.
        self._link.loop.call_soon(self._protocol.connection_lost, exc)

    def __repr__(self) -> str:
        return f"<Stream {self.number} queued={self._queued} window={self._window}>"
