"""One connection to an endpoint.

It carries one exchange at a time and is reused only when nothing is in doubt.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from proxy.errors import UpstreamBroken, UpstreamClosed, UpstreamError, why_closed
from wire.body import answer_body
from wire.errors import BadRequest, BadResponse
from wire.head import HEAD_END
from wire.repeat import read_answer_again
from wire.response import ResponseHead, read_response_head
from wire.second import SecondAnswers
from wire.upgrade import check_switch

if TYPE_CHECKING:
    from proxy.settings import PoolSettings
    from wire.body import BodyReader
    from wire.limits import Limits
    from wire.request import RequestHead

_SWITCHING: Final = 101
_INTERIM_MAX: Final = 8  # 1xx heads before the answer; an endless row of them is an attack


class Asker(Protocol):
    """Whose request it carries, and who is told the answer; `exchange.py` says what each means."""

    request: RequestHead
    request_done: bool

    def flush(self) -> None: ...
    def pause_request(self) -> None: ...
    def resume_request(self) -> None: ...
    def on_interim(self, response: ResponseHead) -> None: ...
    def on_whole_response(self, response: ResponseHead, body: bytes) -> None: ...
    def on_switched(self, response: ResponseHead, rest: bytes) -> None: ...
    def on_response_head(self, response: ResponseHead) -> bool: ...
    def on_response_body(self, piece: bytes) -> None: ...
    def on_response_end(self, trailers: bytes) -> None: ...
    def on_upstream_failed(self, error: UpstreamError) -> None: ...


class Home(Protocol):
    """Where a connection goes back to: a pool."""

    limits: Limits
    settings: PoolSettings
    inbox: memoryview
    closed: bool
    said: ResponseHead | None  # the last answer that came whole

    def give_back(self, upstream: Upstream) -> None:
        """It is ready for another request."""

    def on_lost(self, upstream: Upstream) -> None:
        """It is gone."""


class Upstream(asyncio.BufferedProtocol):
    """Reads answers for its exchange: head, body, end.

    llhttp reads every byte beside our own framing; where the two disagree about the end of an
    answer, the connection is closed and the answer counts as broken.
    """

    __slots__ = (
        "_body",
        "_buffer",
        "_head",
        "_interim",
        "_pool",
        "_second",
        "exchange",
        "idle_since",
        "transport",
    )

    def __init__(self, pool: Home) -> None:
        self._pool = pool
        self.exchange: Asker | None = None
        self.transport: asyncio.Transport | None = None
        self.idle_since = 0.0
        self._buffer = b""
        self._head: ResponseHead | None = None
        self._body: BodyReader | None = None
        self._interim = 0
        self._second = SecondAnswers()

    # ---- called by the pool and the exchange

    def usable(self) -> bool:
        """Whether another request may be written."""
        return self.transport is not None and not self.transport.is_closing()

    def begin(self, exchange: Asker, data: bytes) -> None:
        """Write the beginning of a request; the answer belongs to that exchange."""
        self.exchange = exchange
        if self.transport is not None:
            self.transport.write(data)

    def write(self, data: bytes) -> None:
        """Write more of the request."""
        if self.transport is not None:
            self.transport.write(data)

    def close(self) -> None:
        """End the connection at once; the exchange, if any, is told nothing more."""
        self.exchange = None
        if self.transport is not None:
            self.transport.abort()

    def release(self) -> asyncio.Transport | None:
        """Give the transport away; `left` is called when it is gone."""
        self.exchange = None
        transport, self.transport = self.transport, None
        return transport

    def left(self) -> None:
        """The connection that was given away is gone."""
        self._pool.on_lost(self)

    # ---- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = tcp = cast("asyncio.Transport", transport)  # TCP gives a full transport
        tcp.set_write_buffer_limits(high=self._pool.settings.buffer_bytes_max // 2)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the loop may read to: one place for everyone, for the bytes are taken at once."""
        del sizehint
        return self._pool.inbox

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(self._pool.inbox[:nbytes]))

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            # Nobody asked: a second answer, or bytes behind the last one. It must never reach the
            # next request.
            self.close()
            return
        said = self._pool.said
        if said is not None and not (self._head or self._buffer):
            if not data.startswith(said.sent):
                said = read_answer_again(said, data)
            if said is not None and self._is_whole(exchange, said, data):
                self._pool.said = said
                self._on_whole(exchange, said, data)
                return
        try:
            if self._head is None:
                self._on_head_bytes(exchange, data)
            else:
                self._on_body_bytes(exchange, data)
        except (BadResponse, BadRequest) as error:
            self._break(UpstreamBroken(error.reason))
        else:
            exchange.flush()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.on_lost(self)
        self._second.close()
        exchange, self.exchange = self.exchange, None
        self.transport = None
        if exchange is None:
            return
        head = self._head
        if head is not None and exc is None and self._until_close(head):
            exchange.on_response_end(b"")
            exchange.flush()
            return
        exchange.on_upstream_failed(UpstreamClosed(why_closed(exc, bool(self._buffer))))

    def pause_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.pause_request()

    def resume_writing(self) -> None:
        if self.exchange is not None:
            self.exchange.resume_request()

    # ---- reading

    def _on_head_bytes(self, exchange: Asker, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        end = data.find(HEAD_END)
        if end < 0:
            if len(data) > self._pool.limits.head_bytes_max:
                raise BadResponse("the response head is too large")
            self._buffer = data
            return
        end += 4
        self._buffer = b""
        if end > self._pool.limits.head_bytes_max:
            raise BadResponse("the response head is too large")
        head = read_response_head(data[:end], exchange.request.method)
        if not head.bodyless and self._is_whole(exchange, head, data):
            self._second.head(data)
            if not self._second.complete:
                raise BadResponse("the end of the answer is ambiguous")
            self._pool.said = head
            self._on_whole(exchange, head, data)
            return
        self._second.head(data[:end])
        rest = data[end:]
        if head.interim:
            self._on_interim(exchange, head, rest)
            return
        if head.status == _SWITCHING:
            check_switch(exchange.request, head)
            exchange.on_switched(head, rest)
            return
        self._head = head
        self._body = answer_body(head, self._pool.limits)
        if not exchange.on_response_head(head):
            return  # the exchange tries again elsewhere and has closed us
        self._on_body_bytes(exchange, rest)

    @staticmethod
    def _is_whole(exchange: Asker, head: ResponseHead, data: bytes) -> bool:
        """Whether these bytes are that head and its body, to a request that is complete."""
        complete = exchange.request_done and exchange.request.method != b"HEAD"
        return complete and head.content_length == len(data) - len(head.sent)

    def _on_whole(self, exchange: Asker, head: ResponseHead, data: bytes) -> None:
        """The answer is all here: no state to keep, and the connection goes back first."""
        self._buffer = b""
        self.exchange = None
        self._interim = 0
        if head.keep_alive and not self._pool.closed:
            self._pool.give_back(self)
        else:
            self.close()
        exchange.on_whole_response(head, data[len(head.sent) :])

    def _on_interim(self, exchange: Asker, head: ResponseHead, rest: bytes) -> None:
        self._interim += 1
        if self._interim > _INTERIM_MAX:
            raise BadResponse("too many interim responses")
        exchange.on_interim(head)
        if rest:
            self._on_head_bytes(exchange, rest)

    @staticmethod
    def _until_close(head: ResponseHead) -> bool:
        return not head.bodyless and not head.chunked and head.content_length is None

    def _on_body_bytes(self, exchange: Asker, data: bytes) -> None:
        """Take body bytes; what is behind them was not asked for."""
        body = self._body
        if body is None:
            # llhttp does not know that HEAD was asked; it may wait for a body, and must start anew.
            self._second.restart()
            self._finish(exchange, b"", extra=bool(data))
            return
        for piece in self._second.body(body, data):
            exchange.on_response_body(piece)
        if body.done:
            self._finish(exchange, body.trailers, extra=bool(body.rest))

    def _finish(self, exchange: Asker, trailers: bytes, *, extra: bool) -> None:
        head = self._head
        assert head is not None
        reusable = head.keep_alive and not extra and exchange.request_done
        self.exchange = None
        self._head = None
        self._body = None
        self._interim = 0
        if reusable and not self._pool.closed:
            self._pool.give_back(self)
        else:
            self.close()
        exchange.on_response_end(trailers)

    def _break(self, error: UpstreamError) -> None:
        exchange, self.exchange = self.exchange, None
        self.close()
        if exchange is not None:
            exchange.on_upstream_failed(error)
