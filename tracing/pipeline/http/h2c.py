"""HTTP/2 without TLS: gRPC, and everything else too.

A connection that begins with its preface is served here, stream by stream, by the ASGI application
that HTTP/1.1 has on the same port (http1.py).
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, cast

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from tracing.pipeline.connections import ENDING_S, Alarm, Crowd, Unread
from tracing.pipeline.http.exchange import Exchange, Stream, scope_of

# RFC 9113, 3.4
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_STREAMS_MAX: Final = 100
# Bytes that a sender may have under way before somebody reads them: of one stream, of all.
_STREAM_WINDOW: Final = 1 << 18
_WINDOW: Final = 1 << 20
_SETTINGS: Final = {
    h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: _STREAMS_MAX,
    h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
    h2.settings.SettingCodes.MAX_HEADER_LIST_SIZE: 65_536,
    h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 0,
}
# Tasks of streams that were reset still end; a connection that leaves so many is an attack
# (CVE-2023-44487).
_TASKS_MAX: Final = 2 * _STREAMS_MAX
# The library judges a frame's length once the frame is whole, which may be 16 MiB; a head of
# 65 frames of 16 KiB is the most that it holds itself.
_SILENT_MAX: Final = 65 * (16_384 + 9)
# Frames in a row that bring nothing: pings, settings, priorities, resets, empty data (CVE-2019-9512
# and its kin). gRPC sends a ping a second at most where it sends no data.
_NOISE_MAX: Final = 1_000
# RFC 9113, 8.2.2: these speak of an HTTP/1.1 connection.
_OF_CONNECTION: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"upgrade"})


class Http2Protocol(asyncio.Protocol):
    """One connection. Whichever side is slow, the other waits: windows one way, the socket's
    buffer the other.

    Shape: the state holds the server's connections and tasks, for which it waits in the end; places
    are the scope's client and server.
    """

    def __init__(
        self, app: ASGIApp, state: ServerState, crowd: Crowd, places: Mapping[str, object]
    ) -> None:
        self._app = app
        self._connections = cast("set[Http2Protocol]", state.connections)
        self._tasks = state.tasks
        self._crowd = crowd
        self._places = places
        self._streams: dict[int, Stream] = {}
        self._under_way = 0
        self._closing = False
        self._silent = 0  # bytes that came since the last whole frame
        self._noise = 0  # frames that came since the last that meant something
        self._slow = Alarm(self._too_slow)
        self._idle = Alarm(self._end)
        self._ending = Alarm(self._refuse_halves)
        self._writable = asyncio.Event()
        self._writable.set()
        self._h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        self._transport: asyncio.Transport

    # ── called by the loop ───────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say how much may be under way."""
        self._transport = cast("asyncio.Transport", transport)
        self._unread = Unread(self._transport, self._crowd)
        self._connections.add(self)
        # Anew, because a setting that is changed is only sent once the peer has agreed.
        self._h2.local_settings = h2.settings.Settings(client=False, initial_values=_SETTINGS)
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()
        self._idle.within(self._crowd.bounds.idle_within_s)
        self._crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop passes it
        """Nobody is there any more."""
        self._connections.discard(self)
        self._crowd.leave(self)
        for alarm in (self._slow, self._idle, self._ending, self._unread):
            alarm.off()
        self._leave()
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Frames."""
        self._silent += len(data)
        try:
            for event in self._h2.receive_data(data):
                self._silent = 0
                self._on_event(event)
        except h2.exceptions.ProtocolError:
            self._crowd.ended["malformed"] += 1
            self._flush()  # it tells the sender what was wrong
            self._hang_up()
            return
        self._flush()
        if self._silent:
            self._slow.within(self._crowd.bounds.head_within_s)
        else:
            self._slow.off()
        if self._under_way > _TASKS_MAX or self._silent > _SILENT_MAX or self._noise > _NOISE_MAX:
            self._crowd.ended["malformed"] += 1
            self._end(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)

    def pause_writing(self) -> None:
        """The other side does not read: neither do we, or its pings would fill our memory."""
        self._writable.clear()
        self._transport.pause_reading()
        self._slow.off()  # it is we who do not read its frame
        self._unread.begin()

    def resume_writing(self) -> None:
        """It reads again."""
        self._writable.set()
        self._transport.resume_reading()
        self._unread.off()

    def shutdown(self) -> None:
        """End once what is under way is answered; the server calls this."""
        self._closing = True
        if not self._streams:
            self._end()
        elif not all(stream.ended for stream in self._streams.values()):
            self._ending.within(ENDING_S)

    def _refuse_halves(self) -> None:
        """Wait for no bodies that are not whole yet; what is whole is still answered."""
        for number, stream in list(self._streams.items()):
            if not stream.ended:
                stream.leave()
                self._forget(number)
                self._give_back(number, stream)
                self._h2.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)
        self._flush()

    def turn_away(self) -> None:
        """End at once: another needs the place."""
        self._end()
        self._transport.abort()

    def _too_slow(self) -> None:
        self._crowd.ended["slow"] += 1
        self._end(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)

    # ── streams ──────────────────────────────────────────────────────────────────────────────

    def _on_event(self, event: h2.events.Event) -> None:
        self._noise += 1
        match event:
            case h2.events.RequestReceived(stream_id=int(number), headers=list(headers)):
                self._start(number, headers)
            case h2.events.DataReceived(
                stream_id=int(number), data=bytes(data), flow_controlled_length=int(size)
            ):
                self._take(number, data, size)
            case h2.events.StreamEnded(stream_id=int(number)):
                if (stream := self._streams.get(number)) is not None:
                    stream.ended = True
                    stream.tell()
            case h2.events.StreamReset(stream_id=int(number)):
                if (stream := self._forget(number)) is not None:
                    stream.leave()
                    self._give_back(number, stream)
            case h2.events.WindowUpdated() | h2.events.RemoteSettingsChanged():
                if self._streams and isinstance(event, h2.events.WindowUpdated):
                    self._noise -= 1
                for stream in self._streams.values():
                    stream.tell()
            case h2.events.ConnectionTerminated():
                self._hang_up()
            case _:
                pass  # priorities, pings, unknown frames: the library has answered them

    def _take(self, number: int, data: bytes, size: int) -> None:
        if data:
            self._noise = 0
        stream = self._streams.get(number)
        if stream is None:
            self._h2.acknowledge_received_data(size, number)
        else:
            stream.take(data, size)

    def _start(self, number: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self._closing or len(self._tasks) >= self._crowd.bounds.connections_max:
            self._h2.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        self._crowd.busy(self)
        self._idle.off()
        scope = scope_of(headers, self._places)
        stream = self._streams[number] = Stream()
        exchange = Exchange(self, number, stream, self._crowd.bounds.unread_within_s)
        task = asyncio.get_running_loop().create_task(exchange.run(self._app, scope))
        self._under_way += 1
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._under_way -= 1
        if self._closing and not self._streams:
            self._end()

    # ── called by exchanges ──────────────────────────────────────────────────────────────────

    def read(self, number: int, size: int) -> None:
        """So many bytes were read: as many more may come."""
        self._h2.acknowledge_received_data(size, number)
        self._flush()

    def begin(
        self, number: int, status: int, headers: Iterable[tuple[bytes, bytes]], *, end: bool
    ) -> None:
        """Send a head."""
        lines = [(name.lower(), value) for name, value in headers]
        lines = [line for line in lines if line[0] not in _OF_CONNECTION]
        status_line = (b":status", str(status).encode())
        self._h2.send_headers(number, [status_line, *lines], end_stream=end)
        self._flush()

    def room(self, number: int) -> int:
        """How many bytes of a body may be sent now."""
        return min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)

    async def write(self, number: int, data: bytes) -> None:
        """Send part of a body, no more than there is room for."""
        self._h2.send_data(number, data)
        self._flush()
        await self._writable.wait()

    def finish(self, number: int, trailers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """End an answer; what of the request is still coming is not wanted."""
        lines = list(trailers)
        if lines:
            self._h2.send_headers(number, lines, end_stream=True)
        else:
            self._h2.end_stream(number)
        self._flush()

    def drop(self, number: int) -> None:
        """Forget a stream; one that is not over is reset."""
        stream = self._forget(number)
        if stream is None or (stream.ended and stream.answered):
            self._noise = 0
            return
        self._give_back(number, stream)
        # RFC 9113, 8.1: NO_ERROR after a whole answer asks the sender to stop its request.
        errors = h2.errors.ErrorCodes
        self._h2.reset_stream(number, errors.NO_ERROR if stream.answered else errors.INTERNAL_ERROR)
        self._flush()

    def _forget(self, number: int) -> Stream | None:
        stream = self._streams.pop(number, None)
        if not self._streams:
            self._crowd.idle(self)
            self._idle.within(self._crowd.bounds.idle_within_s)
        return stream

    def _give_back(self, number: int, stream: Stream) -> None:
        if stream.unread:
            self._h2.acknowledge_received_data(stream.unread, number)

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def _end(self, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.NO_ERROR) -> None:
        if not self._transport.is_closing():
            self._h2.close_connection(code)
            self._flush()
            self._hang_up()

    def _hang_up(self) -> None:
        """Nothing more is said on any stream: the library would not have it."""
        self._leave()
        self._transport.close()

    def _leave(self) -> None:
        for stream in self._streams.values():
            stream.leave()
        self._streams.clear()
