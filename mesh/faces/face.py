"""How a router meets its callers: what it believes of a request, what it tells them in an answer.

A mesh router shows Linkerd's face. The edge has one of its own, for the public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from mesh.context import (
    RequestContext,
    merged_deadlines,
    read_linkerd_context,
    read_request_context,
)
from mesh.faces.answers import unknown_destination
from mesh.faces.identify import Unreadable
from proxy.call import Peer, Reply
from tracing.propagation import LINKERD, Propagation
from wire.err_header import encode_err
from wire.head import drop_pattern, first_value
from wire.request import NOT_FOR_UPSTREAM

if TYPE_CHECKING:
    from mesh.faces.identify import Identifier
    from wire.errors import BadRequest
    from wire.request import RequestHead
    from wire.response import ResponseHead

# Read and written by the router itself, so what the caller said ends here.
ROUTER_NAMES: Final = (
    b"via",
    b"x-forwarded-client-cert",
    b"finagle-http-retryable-request",
    rb"l5d-(?:ctx-trace|ctx-dtab|ctx-deadline|dtab|sample|reqid|dst-service|dst-client|dst-residual)",
)
_FAILED: Final = b"\r\nl5d-success-class: 0.0"
_SUCCEEDED: Final = b"\r\nl5d-success-class: 1.0"
# Finagle says of a request that it has the whole body of, so that a server may refuse it unread.
_RETRYABLE: Final = b"\r\nfinagle-http-retryable-request: "
_BUFFERED_BYTES_MAX: Final = 5 * 1_024  # Linkerd: streamAfterContentLengthKB
_NO_CONTENT: Final = 204
# RFC 9110, 15.6: what is broken behind us.
BAD_GATEWAY: Final = 502
BAD_REQUEST: Final = 400


class Face(Protocol):
    """What differs between routers for insiders and for the public."""

    propagation: Propagation
    """The headers that a trace goes on by."""

    def read(self, request: RequestHead, peer: Peer) -> tuple[RequestContext, bytes | None] | Reply:
        """What is believed of a request, and the key of its service (None: it names none)."""

    def upstream_block(self, request: RequestHead, context: RequestContext, peer: Peer) -> bytes:
        """The request's header lines as the upstream shall see them, less the router's own."""

    def answer_block(
        self, response: ResponseHead, context: RequestContext, *, success: bool
    ) -> bytes | Reply:
        """The header lines of an upstream's answer, as the caller may see them.

        A Reply goes in the answer's place, body and all.
        """

    def hint_block(self, response: ResponseHead, context: RequestContext) -> bytes:
        """The lines of a 1xx head as the downstream shall see them."""

    def error(
        self, status: int, message: str, context: RequestContext, *, retryable: bool = False
    ) -> Reply:
        """An error of the router's own."""

    def unidentified(self, request: RequestHead, context: RequestContext, peer: Peer) -> Reply:
        """The answer to a request that names no service."""

    def refused(self, error: BadRequest, peer: Peer) -> Reply:
        """The answer to bytes that are no request."""


class LinkerdFace:
    """Everyone inside the mesh is believed, as Linkerd 1.7.5 does without clearContext."""

    def __init__(
        self,
        identifier: Identifier,
        via: str = "linkerd",
        propagation: Propagation = LINKERD,
    ) -> None:
        self.propagation = propagation
        self._drop = drop_pattern(*NOT_FOR_UPSTREAM, *ROUTER_NAMES, *propagation.names)
        self._identifier = identifier
        self._via = b"1.1 " + via.encode()
        self._via_1_0 = b"1.0 " + via.encode()
        self._drop_answer = drop_pattern(b"via", b"l5d-success-class")
        self._drop_length = drop_pattern(b"content-length")
        self._answer_via = b"\r\nVia: " + self._via

    def read(self, request: RequestHead, peer: Peer) -> tuple[RequestContext, bytes | None] | Reply:
        """Everything the caller says is believed."""
        del peer
        return self.believe(request), self.identify(request)

    def believe(self, request: RequestHead) -> RequestContext:
        """What an insider says of himself."""
        if request.plain:
            return RequestContext()
        if self.propagation is LINKERD:
            return read_request_context(request)
        context = read_linkerd_context(request.block)
        inbound = self.propagation.extract(request.block)
        context.trace, context.trace_state = inbound.trace, inbound.state
        if "l5d" not in self.propagation.read:
            context.sample = None
        if inbound.sample is not None and context.sample is None:
            context.sample = inbound.sample
        return context

    def identify(self, request: RequestHead) -> bytes | None:
        """The key of the request's service."""
        try:
            key = self._identifier.key(request)
        except Unreadable:
            return None  # `unidentified` says why
        return key if isinstance(key, bytes) else None

    def end_to_end(self, request: RequestHead) -> bytes:
        """The caller's lines that go on."""
        return request.block if request.plain else request.end_to_end(self._drop)

    def upstream_block(self, request: RequestHead, context: RequestContext, peer: Peer) -> bytes:
        """Hop-by-hop lines and the router's own are gone; Via is the first value and ours."""
        del peer
        own_at = context.own_at
        block = request.block[:own_at] if own_at else self.end_to_end(request)
        if request.content_length is None and not request.chunked:
            if request.upgrade is None:  # servers of WebSockets take no length
                block += b"\r\ncontent-length: 0"  # on every other request, as Finagle does
        elif 0 < (request.content_length or 0) <= _BUFFERED_BYTES_MAX:
            block += _RETRYABLE
        if request.host is None:
            block += b"\r\nHost: "  # RFC 9112, 3.2; only identifiers that need none come here
        via = self._via if request.minor == 1 else self._via_1_0
        if context.via:
            via = context.via + b", " + via
        if context.deadlines:
            block += merged_deadlines(context.deadlines)
        if context.trace_state and "w3c" in self.propagation.write:
            block += b"\r\ntracestate: " + context.trace_state
        return block + b"\r\nVia: " + via

    def answer_block(
        self, response: ResponseHead, context: RequestContext, *, success: bool
    ) -> bytes | Reply:
        """Via and l5d-success-class are ours; everything else passes."""
        del context
        block = response.end_to_end()
        via = self._answer_via
        if not response.plain:
            said = first_value(block, b"via")
            if said:
                via = b"\r\nVia: " + said + b", " + self._via
            block = self._drop_answer.sub(b"", block)
        if response.status == _NO_CONTENT and response.content_length is not None:
            block = self._drop_length.sub(b"", block)  # RFC 9110, 8.6
        return block + via + (_SUCCEEDED if success else _FAILED)

    def hint_block(self, response: ResponseHead, context: RequestContext) -> bytes:
        """Everything passes."""
        del context
        return response.end_to_end()

    def error(
        self, status: int, message: str, context: RequestContext, *, retryable: bool = False
    ) -> Reply:
        """The message as text and in l5d-err."""
        del context
        block = b"\r\nl5d-err: " + encode_err(message) + b"\r\nContent-Type: text/plain"
        if retryable:
            block = b"\r\nl5d-retryable: true" + block
        return Reply(status, message.encode(), block)

    def unidentified(self, request: RequestHead, context: RequestContext, peer: Peer) -> Reply:
        """Linkerd's `Unknown destination`."""
        message = unknown_destination(
            request.method.decode("latin-1"),
            request.target.decode("latin-1"),
            peer.ip,
            peer.port,
            self._why(request),
        )
        return self.error(BAD_REQUEST, message, context)

    def _why(self, request: RequestHead) -> str:
        try:
            return str(self._identifier.key(request))
        except Unreadable as error:
            return str(error)

    def refused(self, error: BadRequest, peer: Peer) -> Reply:
        """As Linkerd's codec answers: HTTP/1.0, no body, no reason."""
        del peer
        return Reply(error.status, b"", b"", close=True, http_1_0=True)
