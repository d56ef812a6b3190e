"""One request and its answer, between a downstream and whichever upstream ends up serving it.

The life of an exchange, in calls: `start` → `dial` → connected → head and body out → response head
→ response body → end. A failure before any byte of the answer reached the downstream asks the call
what to do: again, or a reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from proxy.call import Again, Reply
from proxy.connections import Connection
from proxy.errors import AnswerTimeout, AttemptTimeout, UpstreamClosed, UpstreamError
from proxy.tunnel import Tunnel
from wire.head import HEAD_END as _HEAD_END
from wire.trailers import passed_trailers
from wire.upgrade import upgrade_lines

if TYPE_CHECKING:
    import asyncio

    from proxy.call import Call, EndpointPool
    from proxy.connections import Connections
    from proxy.upstream import Upstream
    from wire.request import RequestHead
    from wire.response import ResponseHead

# Bodies up to this size are kept until the answer begins, so that the request can be sent again.
# Linkerd aggregates up to streamAfterContentLengthKB, which is 5 by default.
REPLAY_BYTES_MAX: Final = 5 * 1024
# Body bytes held while the connection is being opened; then the downstream waits.
HELD_BYTES_MAX: Final = 65_536
# RFC 9110, 9.2.2: may be sent twice when a reused connection dies under them.
IDEMPOTENT: Final = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"})
# RFC 6455, 4.1: a client waits for the answer. What it sent before is not for the other protocol.
_TOO_EARLY: Final = Reply(
    400, b"the client did not wait for the answer to its Upgrade\n", close=True
)


class Client(Connection, Protocol):
    """The connection that the request came on; `downstream.py` says what each means."""

    loop: asyncio.AbstractEventLoop
    listener: Connections

    def write(self, data: bytes) -> None: ...  # noqa: D102 - of the downstream, all of them
    def hold_body(self) -> None: ...  # noqa: D102
    def resume_body(self) -> None: ...  # noqa: D102
    def on_exchange_end(self, *, keep_alive: bool) -> None: ...  # noqa: D102
    def release(self) -> asyncio.Transport | None: ...  # noqa: D102
    def abort(self) -> None: ...  # noqa: D102


class Exchange:
    """Moves one request up and one answer down.

    No slots, but defaults in the class: most exchanges never change them, and what is not set costs
    nothing.
    """

    cancelled = False
    request_done = True  # no more of it is to come
    _replayable = True  # it could be sent again: it has no body, or one that we keep
    _up: Upstream | None = None
    _pool: EndpointPool | None = None
    _body: list[bytes] | tuple[()] = ()  # framed pieces: to send first, and to send again
    _body_bytes = 0
    _status = 0
    _request_bytes = 0
    _response_bytes = 0
    _reused = False
    _chunked_down = False
    _begun = False  # a byte of the answer has left for the downstream
    _close_down = False
    _timer: asyncio.TimerHandle | None = None
    _again: asyncio.TimerHandle | None = None
    _attempt: asyncio.TimerHandle | None = None

    def __init__(self, down: Client, request: RequestHead, call: Call) -> None:
        self._down = down
        self.request = request
        self.call = call
        self._out: list[bytes] = []
        if request.chunked or request.content_length:
            self.request_done = False
            length = request.content_length or 0
            self._replayable = not request.chunked and length <= REPLAY_BYTES_MAX

    @property
    def answered(self) -> bool:
        """Whether a byte of an answer has been written."""
        return bool(self._status)

    # ---- the request's way up

    def start(self) -> None:
        """Dial an endpoint; the first time, and for each retry."""
        call = self.call
        if call.timeout_s is not None and self._timer is None:
            self._timer = self._down.loop.call_later(call.timeout_s, self._on_timeout)
        self._again = None
        pool = call.dial()
        if isinstance(pool, Reply):
            self._reply(pool, None)
            return
        self._pool = pool
        upstream = pool.take()
        if upstream is None:
            pool.connect(self)
        elif self.request_done and call.attempt_timeout_s is None and not self._body:
            self._up = upstream  # the usual case: nothing but a head to send
            self._reused = True
            upstream.begin(self, self._whole_head())
        else:
            self.on_connected(upstream, reused=True)

    def _whole_head(self) -> bytes:
        """All of a request without a body."""
        if self.request.upgrade is None:
            return self.call.head() + _HEAD_END
        return self.call.head() + upgrade_lines(self.request.upgrade) + _HEAD_END

    def on_connected(self, upstream: Upstream, *, reused: bool) -> None:
        """The pool has a connection for us: send what is there of the request."""
        self._up = upstream
        self._reused = reused
        if self.call.attempt_timeout_s is not None:
            if self._attempt is not None:  # of a kept connection that died under us
                self._attempt.cancel()
            self._attempt = self._down.loop.call_later(
                self.call.attempt_timeout_s, self._on_attempt_timeout
            )
        if self.request_done and not self._body:
            upstream.begin(self, self._whole_head())
            return
        framing = _HEAD_END
        if self.request.chunked:
            framing = b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        upstream.begin(self, b"".join((self.call.head(), framing, *self._body)))
        if not self._replayable:
            self._body = ()
            self._down.resume_body()

    def on_request_body(self, piece: bytes) -> None:
        """A piece of the request's body."""
        self._request_bytes += len(piece)
        if self.request.chunked:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        self._send(piece)

    def on_request_end(self, trailers: bytes) -> None:
        """The request is complete. trailers: their block, as read."""
        if self.request.chunked:
            kept, dropped = passed_trailers(trailers)
            self._down.listener.trailers_dropped += dropped
            self._send(b"0%b\r\n\r\n" % kept)
        self.request_done = True

    def _send(self, piece: bytes) -> None:
        if self._up is not None:
            self._up.write(piece)
            if not self._replayable:
                return
        if not self._body:
            self._body = []
        self._body.append(piece)
        self._body_bytes += len(piece)
        if self._up is None and self._body_bytes > HELD_BYTES_MAX:
            self._down.hold_body()

    def pause_request(self) -> None:
        """The upstream is slow: the downstream waits."""
        self._down.hold_body()

    def resume_request(self) -> None:
        """The upstream takes bytes again."""
        self._down.resume_body()

    # ---- the answer's way down

    def on_interim(self, response: ResponseHead) -> None:
        """A 1xx head. 100 ends here, for we answered Expect ourselves."""
        if response.status != 100 and self.request.minor == 1:  # noqa: PLR2004
            block = self.call.on_interim(response)
            self._out.append(b"%b%b\r\n\r\n" % (response.line, block))

    def on_whole_response(self, response: ResponseHead, body: bytes) -> None:
        """The answer came in one piece, and its connection is back in the pool: the usual case."""
        self._up = None
        verdict = self.call.on_response(response, replayable=self._replayable)
        if not isinstance(verdict, bytes):
            if isinstance(verdict, Again):
                self._retry(verdict)
            else:
                self._reply(verdict, None)
            return
        down, request = self._down, self.request
        framing = b"\r\n\r\n"
        keep_alive = request.keep_alive and not down.listener.draining
        if not keep_alive:
            framing = b"\r\nConnection: close\r\n\r\n"
        elif request.minor == 0:
            framing = b"\r\nConnection: keep-alive\r\n\r\n"
        self._status = response.status
        self.cancelled = True
        out = self._out
        if out:  # interim heads
            out.append(b"%b%b%b%b" % (response.line, verdict, framing, body))
            self.flush()
        else:
            down.write(b"%b%b%b%b" % (response.line, verdict, framing, body))
        if self._timer is not None:
            self._timer.cancel()
        if self._attempt is not None:
            self._attempt.cancel()
        self.call.on_end(response.status, self._request_bytes, len(body), None)
        down.on_exchange_end(keep_alive=keep_alive)

    def on_switched(self, response: ResponseHead, rest: bytes) -> None:
        """The answer is a 101 as asked: both connections leave HTTP. rest: what came behind it."""
        verdict = self.call.on_response(response, replayable=False)
        if isinstance(verdict, Again):  # not replayable, so nobody asks for it
            verdict = Reply(503)
        down, up = self._down, self._up
        assert up is not None
        transport = down.release() if isinstance(verdict, bytes) else None
        if not isinstance(verdict, bytes) or transport is None:
            self._drop_upstream()
            self._reply(_TOO_EARLY if isinstance(verdict, bytes) else verdict, None)
            return
        self._status = response.status
        self._cancel_timers()
        behind = up.release()
        assert behind is not None
        self._up = None
        assert self.request.upgrade is not None

        def on_end(request_bytes: int, response_bytes: int) -> None:
            up.left()
            self._request_bytes, self._response_bytes = request_bytes, response_bytes
            self._end(None)

        tunnel = Tunnel(down.listener, transport, behind, on_end)
        down.listener.begin_tunnel(down, tunnel)
        lines = upgrade_lines(self.request.upgrade)
        head = b"%b%b%b%b\r\n\r\n" % (b"".join(self._out), response.line, verdict, lines)
        self._out.clear()
        tunnel.start(head + rest)

    def on_response_head(self, response: ResponseHead) -> bool:
        """The answer begins. False: the call has other plans, and the connection is closed."""
        verdict = self.call.on_response(response, replayable=self._may_replay())
        if isinstance(verdict, Again):
            self._drop_upstream()
            self._retry(verdict)
            return False
        if isinstance(verdict, Reply):
            self._drop_upstream()
            self._reply(verdict, None)
            return False
        self._status = response.status
        down = self._down
        self._close_down = (
            not self.request.keep_alive or not self.request_done or down.listener.draining
        )
        framing = b""
        if not response.bodyless and response.content_length is None:
            if self.request.minor == 1:
                self._chunked_down = True
                framing = b"\r\nTransfer-Encoding: chunked"
            else:
                self._close_down = True
        if self._close_down:
            framing += b"\r\nConnection: close"
        elif self.request.minor == 0:
            framing += b"\r\nConnection: keep-alive"
        self._out.append(b"%b%b%b\r\n\r\n" % (response.line, verdict, framing))
        return True

    def on_response_body(self, piece: bytes) -> None:
        """A piece of the answer's body."""
        self._response_bytes += len(piece)
        if self._chunked_down:
            self._out.append(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            self._out.append(piece)

    def on_response_end(self, trailers: bytes) -> None:
        """The answer is complete; the connection has gone back to its pool, or is closed."""
        self._up = None
        if self._chunked_down:
            self._out.append(b"0%b\r\n\r\n" % passed_trailers(trailers)[0])
        self.flush()
        self._end(None)
        self._down.on_exchange_end(keep_alive=not self._close_down)

    def flush(self) -> None:
        """Write what has gathered since the loop called us."""
        out = self._out
        if out:
            self._begun = bool(self._status)  # not with a 1xx alone
            self._down.write(out[0] if len(out) == 1 else b"".join(out))
            out.clear()

    def pause_answer(self) -> None:
        """The downstream is slow: the upstream waits."""
        if self._up is not None and self._up.transport is not None:
            self._up.transport.pause_reading()

    def resume_answer(self) -> None:
        """The downstream takes bytes again."""
        if self._up is not None and self._up.transport is not None:
            self._up.transport.resume_reading()

    # ---- failures

    def _may_replay(self) -> bool:
        return self.request_done and not self._status and self._replayable

    def on_connect_failed(self, error: UpstreamError) -> None:
        """There is no connection.

        Nothing was sent, so whatever is held of the body can be sent elsewhere.
        """
        self._fail(error, replayable=True)

    def on_upstream_failed(self, error: UpstreamError) -> None:
        """The upstream broke off. The connection is gone."""
        self._up = None
        if self._begun:
            self._end(error)
            self._down.abort()
            return
        self._status = self._response_bytes = 0
        self._chunked_down = self._close_down = False
        self._out.clear()
        if (
            isinstance(error, UpstreamClosed)
            and self._reused
            and self.request.method in IDEMPOTENT
            and self._may_replay()
        ):
            # It died while idle and we found out by writing: not the endpoint's failure, so the
            # same pool is asked again.
            self._reused = False
            assert self._pool is not None
            self._pool.connect(self)
            return
        self._fail(error, replayable=self._may_replay())

    def _fail(self, error: UpstreamError, *, replayable: bool) -> None:
        verdict = self.call.on_failure(error, replayable=replayable)
        if isinstance(verdict, Again):
            self._retry(verdict)
        else:
            self._reply(verdict, error)

    def _retry(self, again: Again) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
        if again.delay_s > 0:
            self._again = self._down.loop.call_later(again.delay_s, self.start)
        else:
            self.start()

    def _on_timeout(self) -> None:
        self._timer = None
        self._drop_upstream()
        self.cancelled = True  # a connection that is still being opened goes to the pool
        error = AnswerTimeout("the answer did not come in time")
        if self._status:
            self._end(error)
            self._down.abort()
            return
        verdict = self.call.on_failure(error, replayable=False)
        if isinstance(verdict, Again):  # a timeout of the whole call leaves no time to try again
            verdict = Reply(503)
        self._reply(verdict, error)

    def _on_attempt_timeout(self) -> None:
        if self._up is not None and not self._status:
            self._drop_upstream()
            error = AttemptTimeout("the answer did not begin in time")
            self._fail(error, replayable=self._may_replay())

    def _drop_upstream(self) -> None:
        upstream, self._up = self._up, None
        if upstream is not None:
            upstream.close()

    def _reply(self, reply: Reply, error: UpstreamError | None) -> None:
        keep_alive = (
            self.request.keep_alive
            and self.request_done
            and not reply.close
            and not self._down.listener.draining
        )
        self._out.clear()
        self._status = reply.status
        self._response_bytes = len(reply.body)
        self._down.write(
            reply.render(
                keep_alive=keep_alive,
                head_only=self.request.method == b"HEAD",
                minor=self.request.minor,
            )
        )
        self._end(error)
        self._down.on_exchange_end(keep_alive=keep_alive)

    def cancel(self) -> None:
        """The downstream is gone."""
        if self.cancelled:
            return
        self.cancelled = True
        self._drop_upstream()
        self._status = 0
        self._end(None)

    def _cancel_timers(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._again is not None:
            self._again.cancel()
        if self._attempt is not None:
            self._attempt.cancel()

    def _end(self, error: UpstreamError | None) -> None:
        self.cancelled = True
        self._cancel_timers()
        self.call.on_end(self._status, self._request_bytes, self._response_bytes, error)
