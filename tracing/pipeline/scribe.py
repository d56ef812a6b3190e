"""The scribe receiver: framed thrift calls on a port of their own."""

import asyncio
import socket
import struct
from collections import deque
from typing import Final, cast

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.connections import Alarm, Bounds, Crowd, Unread
from tracing.pipeline.decode import scribe, thrift
from tracing.pipeline.decode.scribe import Call
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.intake import FullError, Held
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.port import StoreBusyError, StoreError
from tracing.thrift import CATEGORY, OK, TRY_LATER, ThriftError

_FRAME_BYTES_MAX: Final = 16 << 20
_WAITING_MAX: Final = 64  # frames of one connection that wait for their turn; then reading stops


class ScribeServer:
    """Accepts connections; one task each works its calls off in order."""

    def __init__(self, ingest: Ingest, bounds: Bounds, category: str = CATEGORY) -> None:
        self._ingest = ingest
        self._category = category
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.crowd = Crowd(bounds)

    async def start(self, listener: socket.socket) -> None:
        """Answer on a listening socket from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._ingest, self._category, self._connections, self.crowd),
            sock=listener,
        )

    async def aclose(self) -> None:
        """Stop listening, answer what was read, close."""
        if self._server is not None:
            self._server.close()
        open_now = list(self._connections)
        for connection in open_now:
            connection.finish()
        tasks = [connection.task for connection in open_now if connection.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)


class _Connection(asyncio.Protocol):
    """One sender. Replies come in the order of the calls."""

    __slots__ = (
        "_buffer",
        "_category",
        "_crowd",
        "_ending",
        "_everyone",
        "_frames",
        "_frames_bytes",
        "_held",
        "_ingest",
        "_late",
        "_paused",
        "_transport",
        "_unread",
        "_unwritable",
        "task",
    )

    def __init__(
        self, ingest: Ingest, category: str, everyone: "set[_Connection]", crowd: Crowd
    ) -> None:
        self._ingest = ingest
        self._category = category
        self._everyone = everyone
        self._crowd = crowd
        self._buffer = bytearray()
        self._frames: deque[bytes] = deque()
        self._frames_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._paused = False  # too many frames wait
        self._unwritable = False  # replies do
        self._ending = False  # nothing more is read
        self._held = Held(ingest.intake)
        self._late = Alarm(self._too_late)
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asked for with isinstance: uvloop's transports are not asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        self._unread = Unread(self._transport, self._crowd)
        self._everyone.add(self)
        self._crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's signature
        self._transport = None
        self._everyone.discard(self)
        self._crowd.leave(self)
        self._buffer.clear()  # the frames that are whole are worked off all the same
        self._late.off()
        self._unread.off()
        self._hold()

    def pause_writing(self) -> None:
        """It does not read its replies, so it may not ask for more of them."""
        self._unwritable = True
        self._unread.begin()
        self._listen()

    def resume_writing(self) -> None:
        """It reads again."""
        self._unwritable = False
        self._unread.off()
        self._listen()

    def turn_away(self) -> None:
        """End at once: another needs the place."""
        self._abort()

    def _listen(self) -> None:
        if self._transport is None or self._transport.is_closing() or self._ending:
            return
        if self._paused or self._unwritable:
            self._transport.pause_reading()
            self._late.off()  # it is we who do not read its frame
        else:
            self._transport.resume_reading()
            self._time_frame()

    def _time_frame(self) -> None:
        """A frame that stops in the middle would take its room for ever."""
        if self._buffer:
            self._late.within(self._ingest.intake.within_s)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            self._read_frames()
        except FullError:
            self._ingest.refuse("scribe", 0)
            self._give_up()  # the sender comes again, as it does when a connection breaks
            return
        if self._frames and (self.task is None or self.task.done()):
            self._crowd.busy(self)
            self.task = asyncio.get_running_loop().create_task(self._work())
        if len(self._frames) >= _WAITING_MAX and not self._paused:
            self._paused = True
            self._listen()

    def _read_frames(self) -> None:
        """Take whole frames out of the buffer. Raises: FullError."""
        at = 0
        while len(self._buffer) - at >= 4:  # noqa: PLR2004 - a frame's length
            size = struct.unpack_from(">i", self._buffer, at)[0]
            if not 0 <= size <= _FRAME_BYTES_MAX:
                self._crowd.ended["malformed"] += 1
                self._give_up()  # unframed, or no thrift at all: nothing can be answered
                return
            if len(self._buffer) - at < 4 + size:
                break
            self._frames.append(bytes(self._buffer[at + 4 : at + 4 + size]))
            self._frames_bytes += size
            at += 4 + size
        if at:
            del self._buffer[:at]
            self._late.off()
        self._time_frame()
        self._hold()

    def _hold(self) -> None:
        """What came and was not worked off yet counts in the intake. Raises: FullError."""
        self._held.now(len(self._buffer) + self._frames_bytes)

    def _too_late(self) -> None:
        self._crowd.ended["slow"] += 1
        self._abort()

    def finish(self) -> None:
        """No more calls; the task, if there is one, answers those that were read and closes."""
        if self._transport is None:
            return
        self._ending = True
        self._transport.pause_reading()
        if self.task is None or self.task.done():
            self._transport.close()

    def _give_up(self) -> None:
        self._buffer.clear()
        self._frames.clear()
        self._frames_bytes = 0
        self._hold()
        self._abort()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _work(self) -> None:
        """Work off what was read, also for a sender that has gone."""
        while self._frames:
            frame = self._frames.popleft()
            self._frames_bytes -= len(frame)
            self._hold()
            try:
                call = scribe.read_call(frame, self._category)
            except ThriftError:
                self._ingest.refuse("scribe", 0)
                self._give_up()
                return
            reply = await self._answer(call)
            transport = self._transport
            if transport is None:
                continue
            if call.wants_reply:
                transport.write(struct.pack(">i", len(reply)) + reply)
            if self._paused and len(self._frames) < _WAITING_MAX // 2:
                self._paused = False
                self._listen()
        self._crowd.idle(self)
        if self._ending and self._transport is not None:
            self._transport.close()

    async def _answer(self, call: Call) -> bytes:
        if call.messages is None:
            if call.name == "Log":
                self._ingest.refuse("scribe", 0)
            return scribe.refusal(call)
        try:
            structs = [scribe.unbase64(message) for message in call.messages]
        except ThriftError:
            self._ingest.refuse("scribe", 0)
            return scribe.refusal(call)

        def decode(_: bytes) -> Batch:
            return batch_of([span for one in structs for span in thrift.decode_one(one)])

        try:
            await self._ingest.accept("scribe", b"".join(structs), decode)
        except SpanError:
            return scribe.refusal(call)
        except (StoreBusyError, StoreError):
            # The real server never says it, but senders understand it: keep the spans, come again.
            return scribe.result(call, TRY_LATER)
        return scribe.result(call, OK)
