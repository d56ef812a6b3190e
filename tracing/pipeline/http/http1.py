"""HTTP/1.1 on a port, or HTTP/2 where a connection begins with its preface (h2c.py).

uvicorn reads requests and sends answers. What it leaves open is bounded here: what a head may be,
how long it and the reading of an answer may take, how long a connection may idle, and how many
there are.
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracing.pipeline.connections import ENDING_S, Alarm, Crowd, Unread
from tracing.pipeline.http.exchange import escaped
from tracing.pipeline.http.h2c import PREFACE, Http2Protocol
from wire.errors import BadRequest
from wire.limits import Limits
from wire.request import read_request_head

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# Zipkin's longest question names 1,000 traces. TRACE has an answer of the application's. Nothing
# goes by Host, so a sender may leave it out, as the real server lets it.
_LIMITS: Final = Limits(
    target_bytes_max=40_000,
    block_bytes_max=16_384,
    hop_methods=True,
    upgrades=frozenset(),
    host_required=False,
)
# What may come of a head that is not whole; the parser keeps it.
_HEAD_BYTES_MAX: Final = 65_536
# A body of 10 MiB in chunks of four bytes; of the rest, such as trailers, nobody needs as much.
_MESSAGE_BYTES_MAX: Final = 24 << 20


class EitherProtocol(HttpToolsProtocol):
    """One connection.

    Shape: a message is open from its whole head to the end of its body; then an answer may still be
    owed, and heads behind it wait (uvicorn's pipeline).
    """

    def __init__(self, *, crowd: Crowd, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._crowd = crowd
        self._first: bytes | None = b""
        self._begun = False  # a head that is not whole yet
        self._open = False
        self._ending = False
        self._deaf = False  # nothing that follows is read
        self._came = 0  # bytes since the head began
        self._refusal: BadRequest | None = None
        self._told = True  # whether the parser's words are of a request, not what we told it
        self._framing = b""  # of a body that comes behind a head at which the parser stopped
        self._late = Alarm(self._too_late)

    # ── called by the loop ───────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place."""
        super().connection_made(transport)
        self._unread = Unread(transport, self._crowd)
        self._idle()
        self._crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give it back."""
        self._crowd.leave(self)
        self._late.off()
        self._unread.off()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The other side does not read."""
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._unread.off()

    def data_received(self, data: bytes) -> None:
        """Look at the first bytes; afterwards read them as HTTP/1.1."""
        if self._first is not None:
            data = self._first + data
            head = data[: len(PREFACE)]
            if head == PREFACE:
                self._become_http2(data)
                return
            if PREFACE.startswith(head):
                self._first = data
                self._late.within(self._crowd.bounds.head_within_s)
                return
            self._first = None
        if not self._deaf:
            self._read(data)

    def shutdown(self) -> None:
        """End once what was asked is answered; the server calls this."""
        super().shutdown()
        self._ending = True
        if self._open:
            self._late.off()
            self._late.within(ENDING_S)

    def turn_away(self) -> None:
        """End at once: another needs the place."""
        self.transport.abort()

    def _become_http2(self, data: bytes) -> None:
        self.connections.discard(self)
        self._crowd.leave(self)
        self._late.off()
        self._unset_keepalive_if_required()
        places = {"client": self.client, "server": self.server}
        other = Http2Protocol(cast("ASGIApp", self.app), self.server_state, self._crowd, places)
        self.transport.set_protocol(other)
        other.connection_made(self.transport)
        other.data_received(data)

    # ── bytes ────────────────────────────────────────────────────────────────────────────────

    def _read(self, data: bytes) -> None:
        if not (self._begun or self._open or data.isascii()):
            line, end, rest = data.partition(b"\r\n")
            data = escaped(line) + end + rest
        self._came += len(data)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self._refuse("malformed", self._refusal or BadRequest("this is no HTTP/1.1"))
        if self._deaf or self.transport.is_closing():
            return
        if self._begun:
            self._late.within(self._crowd.bounds.head_within_s)
            if self._came > _HEAD_BYTES_MAX:
                self._refuse("too_large", BadRequest("the head is too large", 431))
        elif self._came > _MESSAGE_BYTES_MAX:
            self._refuse("too_large", BadRequest("the body is too large", 413))
        elif self._answered() and not self._open:
            self._idle()  # blank lines between requests

    def _feed(self, data: bytes) -> None:
        """Have it parsed. Raises: httptools.HttpParserError.

        Nobody may switch to another protocol here, and RFC 9110, 7.8 lets us go on as if it had not
        been asked for. The parser stops at such a head, though, and takes its body for the other
        protocol: a new parser goes on, which is told how the body is framed.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as asked:
                self.parser = httptools.HttpRequestParser(self)
                data = data[asked.args[0] :]
                if self._framing:
                    self._told = False
                    self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n\r\n" % self._framing)
                    self._told = True
                    self._framing = b""
            else:
                return

    def on_message_begin(self) -> None:
        """A head begins."""
        if not self._told:
            return
        self._begun = True
        self._came = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Part of its target."""
        if self._told:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One line of it. What follows a body in chunks belongs to no head."""
        if not self._open:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """It is whole: refuse what the parser lets pass."""
        if not self._told:
            return
        self._begun = False
        self._late.off()
        block = b"".join([b"\r\n%b: %b" % line for line in self.headers])
        line = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        start = b"%b %b HTTP/%b" % line
        try:
            head = read_request_head(b"%b%b\r\n\r\n" % (start, block), _LIMITS)
        except BadRequest as error:
            self._refusal = error
            raise
        if self.parser.should_upgrade() and head.has_body:
            length = b"Content-Length: %d" % (head.content_length or 0)
            self._framing = b"Transfer-Encoding: chunked" if head.chunked else length
        self._open = True
        self._crowd.busy(self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is whole."""
        if self._framing:
            return  # it is still to come
        super().on_message_complete()
        self._open = False
        if self._answered():
            self._late.off()
            self._idle()

    # ── answers ──────────────────────────────────────────────────────────────────────────────

    def on_response_complete(self) -> None:
        """What nobody read of a request whose answer is sent may still come, but not for long."""
        nothing_owed = not self.pipeline
        super().on_response_complete()
        if nothing_owed:
            self._crowd.idle(self)
            if self._open:
                self._late.within(self._crowd.bounds.head_within_s)

    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _idle(self) -> None:
        if self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self._crowd.bounds.idle_within_s, self.timeout_keep_alive_handler
            )

    def _too_late(self) -> None:
        if self._begun and not self._answered():
            self._late.within(self._crowd.bounds.head_within_s)  # the answer before it comes first
        elif self._ending:
            self._refuse("slow", BadRequest("the collector ends; come again", 503))
        else:
            self._refuse("slow", BadRequest("the head was not whole in time", 408))

    def _refuse(self, reason: str, error: BadRequest) -> None:
        """Nothing more is read; what was asked before is answered, then this, where it can be."""
        if self._deaf:
            return
        self._deaf = True
        self._crowd.ended[reason] += 1
        if not self._open and not self._answered():
            self.cycle.keep_alive = False  # the last one's answer ends the connection
            return
        body_is_bad = self._open and not self._answered()
        if not self._open or (
            body_is_bad and not self.pipeline and not self.cycle.response_started
        ):
            text = error.reason.encode()
            head = (
                f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
                "content-type: text/plain; charset=utf-8\r\n"
                f"content-length: {len(text)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + text)
        self.transport.close()
