"""One connection from a client: requests go to the listener's way, answers come back in order.

States: reading a head → waiting for the way → exchanging → reading the next head. One exchange at a
time; what a client pipelines beyond it waits in a bounded buffer, then in the kernel.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from proxy.call import Later, Peer, Reply
from proxy.exchange import Exchange
from proxy.link import AcceptedLink, asks_for_link
from proxy.tls import TlsSession
from wire.errors import BadRequest
from wire.reader import RequestReader

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from proxy.call import Call
    from proxy.connections import Connections
    from wire.body import BodyReader
    from wire.request import RequestHead

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# What we still read after the last answer, so that the client reads it before our close resets the
# connection.
_LINGER_BYTES_MAX: Final = 262_144


class Downstream(asyncio.BufferedProtocol):
    """A client's connection."""

    __slots__ = (
        "_body_held",
        "_closing",
        "_eof",
        "_linger",
        "_pumping",
        "_reader",
        "_reading_paused",
        "_route_task",
        "_transport",
        "deadline",
        "exchange",
        "listener",
        "loop",
        "peer",
        "requests",
    )

    def __init__(self, listener: Connections, peer: Peer | None = None) -> None:
        self.listener = listener
        self.loop = listener.loop
        self.peer = peer or Peer("", 0)
        self.exchange: Exchange | None = None
        self.deadline = 0.0  # the loop's clock; 0: none
        self.requests = 0
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader(listener.limits)
        self._route_task: asyncio.Task[None] | None = None
        self._body_held = False
        self._reading_paused = False
        self._pumping = False
        self._closing = False
        self._eof = False
        self._linger = 0

    # ---- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = tcp = cast("asyncio.Transport", transport)  # TCP gives a full transport
        tcp.set_write_buffer_limits(high=self.listener.settings.buffer_bytes_max // 2)
        ip, port, _ = self.peer
        if not ip:  # nobody has named the client before us
            ip, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        ssl = transport.get_extra_info("ssl_object")
        self.peer = Peer(ip, port, None if ssl is None else TlsSession(ssl))
        if not self.listener.admit(self):
            tcp.abort()
            return
        self.deadline = self.loop.time() + self.listener.settings.head_timeout_s

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._reader.close()
        self.listener.forget(self)
        if self._route_task is not None:
            self._route_task.cancel()
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.cancel()

    def eof_received(self) -> bool:
        """The client sends no more: it waits half-closed, or it is gone. Only time can tell.

        A whole request is still answered, if that does not take long; half a one never.
        """
        reader = self._reader
        half = reader.body is not None or (self.idle and not reader.buffer)
        if half or self.peer.tls is not None:
            return False  # TLS as the loop speaks it has no half-closed state
        self._eof = True
        self.deadline = self.loop.time() + self.listener.settings.half_closed_timeout_s
        return True

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop may read to: one place for everyone, for the bytes are taken at once."""
        del sizehint
        return self.listener.inbox

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self.listener.inbox[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Take bytes; also called with what came before HTTP began."""
        reader = self._reader
        if self.exchange is None and self._route_task is None:
            request = reader.again(data)
            if request is not None:
                self._begin(request)
                return
        if self._closing:
            self._on_lingering(len(data))
            return
        if reader.body is not None:
            try:
                data = self._on_body_bytes(reader.body, data)
            except BadRequest as error:
                self._refuse(error)
                return
            if not data:
                return
        reader.buffer += data
        if self.exchange is None and self._route_task is None:
            self._pump()
        else:
            self._update_reading()

    def pause_writing(self) -> None:
        self.deadline = self.loop.time() + self.listener.settings.send_timeout_s
        if self.exchange is not None:
            self.exchange.pause_answer()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            body_timeout_s = self.listener.settings.body_timeout_s
            reads = self._reader.body is not None
            self.deadline = self._until(body_timeout_s) if reads else self._end_of_patience()
            self.exchange.resume_answer()

    # ---- called by the exchange

    def write(self, data: bytes) -> None:
        """Write bytes of an answer."""
        if self._transport is not None:
            self._transport.write(data)

    def hold_body(self) -> None:
        """Stop reading: the other side is slower."""
        self._body_held = True
        if self._reader.body is not None:
            self.deadline = self._until(self.listener.settings.send_timeout_s)
        self._update_reading()

    def resume_body(self) -> None:
        """Read again."""
        if self._body_held:
            self._body_held = False
            if self._reader.body is not None:  # it was not the client who was slow
                self.deadline = self._until(self.listener.settings.body_timeout_s)
            self._update_reading()

    def on_exchange_end(self, *, keep_alive: bool) -> None:
        """The answer is written. Without keep_alive the connection ends once it is sent."""
        self.exchange = None
        if self._body_held:
            self.resume_body()
        waits = self._reader.buffer
        if not keep_alive or self._transport is None or (self._eof and not waits):
            self.close_after_answer()
            return
        self.deadline = self.loop.time() + self.listener.settings.idle_timeout_s
        if waits:
            self._pump()

    def release(self) -> asyncio.Transport | None:
        """Give the transport away, for a tunnel; None when the client did not wait for the 101."""
        if self._reader.buffer or self._eof:
            return None
        self._reader.close()
        self.exchange = None
        transport, self._transport = self._transport, None
        return transport

    def abort(self) -> None:
        """End the connection at once: an answer broke off, and the client must notice."""
        self.exchange = None
        if self._transport is not None:
            self._transport.abort()

    # ---- called by the listener

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return self.exchange is None and self._route_task is None

    def on_deadline(self) -> None:
        """The time to send a request, or to take an answer, is over."""
        if self.idle and self._reader.buffer and not self._closing:
            self._refuse(BadRequest("the request did not come in time", 408))
        else:
            self.abort_exchange()

    def abort_exchange(self) -> None:
        """End everything on this connection now."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.cancel()
        if self._transport is not None:
            self._transport.abort()

    def close_after_answer(self, *, linger: bool = False) -> None:
        """Close once everything is written.

        What the client still sends is read and thrown away for a moment.
        """
        if self._closing or self._transport is None:
            return
        self._closing = True
        linger = linger or self._reader.body is not None or bool(self._reader.buffer)
        self._reader.stop()
        self.deadline = self.loop.time() + self.listener.settings.linger_timeout_s
        if linger:
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._body_held = False
            self._update_reading()
        else:
            self._transport.close()

    # ---- reading

    def _end_of_patience(self) -> float:
        """The deadline while an exchange is under way: none, unless the client may be gone."""
        return self.loop.time() + self.listener.settings.half_closed_timeout_s if self._eof else 0.0

    def _until(self, limit_s: float) -> float:
        """The deadline for more bytes; sooner, when the client has said that there are none."""
        if self._eof:
            limit_s = self.listener.settings.half_closed_timeout_s
        return self.loop.time() + limit_s

    def _until_more(self, size: int) -> float:
        """The deadline behind so many bytes of a body: more of them buy more time."""
        settings = self.listener.settings
        limit = self._until(settings.body_timeout_s)
        if settings.body_rate_min and self.deadline:
            limit = min(limit, self.deadline + size / settings.body_rate_min)
        return limit

    def _pump(self) -> None:
        """Take requests from the buffer until one is under way or the bytes run out."""
        if self._pumping:
            return  # an answer was given within a call from the loop below
        self._pumping = True
        reader = self._reader
        try:
            while (request := reader.take_head()) is not None:
                if request.target == b"*" and self._become_link(request):
                    break
                if reader.body is not None:
                    self.deadline = self._until(self.listener.settings.body_timeout_s)
                self._begin(request)
                if (
                    not reader.buffer
                    or self.exchange is not None
                    or self._route_task is not None
                    or reader.body is not None
                    or self._closing
                ):
                    break
            else:
                self._expect_head()
        except BadRequest as error:
            self._refuse(error)
        finally:
            self._pumping = False
        if reader.buffer or self._reading_paused:
            self._update_reading()

    def _begin(self, request: RequestHead) -> None:
        """A request is there: ask the way for it."""
        self.requests += 1
        if self.requests >= self.listener.settings.requests_max:
            request.keep_alive = False
        if self._reader.body is None:
            self.deadline = self._end_of_patience() if self._eof else 0.0
        decided = self.listener.way.on_request(request, self.peer)
        if isinstance(decided, Reply):
            self._answer(request, decided)
        elif isinstance(decided, Later):
            self.hold_body()
            route = self._route(request, decided.decided)
            self._route_task = self.listener.tasks.start(route, "route")
        else:
            self._exchange(request, decided)

    def _expect_head(self) -> None:
        """A head has begun: it gets its time from here, not what an idle connection would get."""
        limit = self._until(self.listener.settings.head_timeout_s)
        if not self.deadline or self.deadline > limit:
            self.deadline = limit

    def _become_link(self, request: RequestHead) -> bool:
        """Another weir asks for a link: the connection is one from here on, if we offer any."""
        transport = self._transport
        offered = self.listener.settings.links and not self._reader.buffer
        if not offered or transport is None or not asks_for_link(request, transport):
            return False
        self._reader.close()
        self._transport = None
        listener, peer = self.listener, self.peer
        listener.forget(self)
        AcceptedLink(listener, lambda: Downstream(listener, peer)).take(transport)
        return True

    async def _route(self, request: RequestHead, decided: Awaitable[Call | Reply]) -> None:
        try:
            call = await decided
        finally:
            self._route_task = None
            self.resume_body()
        if self._transport is None:
            return
        try:
            if isinstance(call, Reply):
                self._answer(request, call)
            else:
                self._exchange(request, call)
        except BadRequest as error:
            self._refuse(error)
        self._update_reading()

    def _exchange(self, request: RequestHead, call: Call) -> None:
        self.exchange = exchange = Exchange(self, request, call)
        if request.expects_continue:
            self.write(_CONTINUE)
        reader = self._reader
        if reader.buffer and reader.body is not None:
            # First, so that what is refused here reaches nobody, and what is not goes up at once.
            data, reader.buffer = reader.buffer, b""
            reader.buffer = self._on_body_bytes(reader.body, data)
        exchange.start()

    def _on_body_bytes(self, body: BodyReader, data: bytes) -> bytes:
        """Pass body bytes up; returns what follows the body."""
        exchange = self.exchange
        if exchange is None:
            # The way still thinks: a little may be in flight before reading stops.
            self._reader.buffer += data
            return b""
        pieces = self._reader.take_body(body, data)
        self.deadline = self._end_of_patience() if body.done else self._until_more(len(data))
        for piece in pieces:
            exchange.on_request_body(piece)
        if body.done and self.exchange is exchange:
            exchange.on_request_end(body.trailers)
        return body.rest

    def _update_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        pause = self._body_held or (
            not self.idle and len(self._reader.buffer) > self.listener.settings.pipelined_bytes_max
        )
        if pause is not self._reading_paused:
            self._reading_paused = pause
            if pause:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # ---- answers of our own

    def _answer(self, request: RequestHead, reply: Reply) -> None:
        keep_alive = (
            request.keep_alive
            and not reply.close
            and self._reader.body is None
            and not self.listener.draining
        )
        self.write(
            reply.render(
                keep_alive=keep_alive, head_only=request.method == b"HEAD", minor=request.minor
            )
        )
        self.on_exchange_end(keep_alive=keep_alive)

    def _refuse(self, error: BadRequest) -> None:
        """Answer bytes that we do not accept, and close.

        An exchange under way loses its request.
        """
        exchange, self.exchange = self.exchange, None
        self.listener.refused += 1
        if exchange is not None:
            answered = exchange.answered
            exchange.cancel()
            if answered:
                self.abort()
                return
        reply = self.listener.way.refuse(error, self.peer)
        self.write(reply.render(keep_alive=False, head_only=False, minor=1))
        self.close_after_answer(linger=True)

    def _on_lingering(self, size: int) -> None:
        self._linger += size
        if self._linger > _LINGER_BYTES_MAX and self._transport is not None:
            self._transport.abort()
