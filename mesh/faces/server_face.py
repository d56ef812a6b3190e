"""Linkerd's face with a server's options: bounds, Forwarded, a time stamp, strangers as callers.

Routers without such options keep the plain face, which asks nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mesh.context import RequestContext
from mesh.faces.face import BAD_REQUEST, ROUTER_NAMES, LinkerdFace
from mesh.faces.forwarded import Label, forwarded_line
from proxy.call import Peer, Reply
from tracing.propagation import LINKERD, Propagation
from wire.head import drop_pattern, first_value
from wire.request import NOT_FOR_UPSTREAM

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.deps import Deps
    from mesh.faces.identify import Identifier
    from wire.request import RequestHead
    from wire.response import ResponseHead

_UNAVAILABLE: Final = 503
# Finagle's words and marks for a request that was not begun: any other place may be asked.
_NACK: Final = Reply(
    _UNAVAILABLE,
    b"Request was not processed by the server due to an error and is safe to retry",
    b"\r\nfinagle-http-nack: true\r\nRetry-After: 0",
)
_CONTEXT: Final = rb"l5d-[^:\r\n]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What a `servers` entry says beyond its address."""

    ip: str
    port: int
    depth_max: int = 1_000
    concurrent_max: int | None = None
    clear_context: bool = False
    forwarded_by: Label | None = None
    forwarded_for: Label | None = None
    timestamp: bytes = b""  # the header's name


class ServerFace(LinkerdFace):
    """The face of one server. `pending` counts the router's requests under way."""

    def __init__(
        self,
        identifier: Identifier,
        options: ServerOptions,
        deps: Deps,
        propagation: Propagation = LINKERD,
    ) -> None:
        super().__init__(identifier, propagation=propagation)
        self._options = options
        self._deps = deps
        self.pending: Callable[[], int] = int
        self._drop_context = drop_pattern(
            *NOT_FOR_UPSTREAM, *ROUTER_NAMES, *propagation.names, _CONTEXT
        )
        self._drop_answer_context = drop_pattern(b"via", _CONTEXT)

    def read(self, request: RequestHead, peer: Peer) -> tuple[RequestContext, bytes | None] | Reply:
        """Refuse what is too much, then believe the caller, or nothing of him."""
        del peer
        options = self._options
        if options.concurrent_max is not None and self.pending() >= options.concurrent_max:
            return _NACK
        context, key = self._read(request)
        if context.via and context.via.count(b",") >= options.depth_max:
            message = (
                f"Maximum number of calls ({options.depth_max}) has been exceeded. "
                "Please check for proxy loops."
            )
            return self.error(BAD_REQUEST, message, context)
        return context, key

    def _read(self, request: RequestHead) -> tuple[RequestContext, bytes | None]:
        if not self._options.clear_context:
            return self.believe(request), self.identify(request)
        via = b"" if request.plain else first_value(request.block, b"via") or b""
        return RequestContext(via=via, trusted=False), self.identify(request)

    def upstream_block(self, request: RequestHead, context: RequestContext, peer: Peer) -> bytes:
        """The lines that the options ask for, behind the others."""
        options = self._options
        block = super().upstream_block(request, context, peer)
        if options.forwarded_by is not None and options.forwarded_for is not None:
            dice = self._deps.dice
            by = options.forwarded_by.show(options.ip, options.port, dice)
            of = options.forwarded_for.show(peer.ip, peer.port, dice)
            block += forwarded_line(by, of, request.host)
        if options.timestamp:
            block += b"\r\n%b: %d" % (options.timestamp, self._deps.wall_ns() // 1_000_000)
        return block

    def end_to_end(self, request: RequestHead) -> bytes:
        """To strangers' requests no l5d header belongs."""
        if self._options.clear_context and not request.plain:
            return request.end_to_end(self._drop_context)
        return super().end_to_end(request)

    def answer_block(
        self, response: ResponseHead, context: RequestContext, *, success: bool
    ) -> bytes | Reply:
        """Strangers see no l5d header, and no body of an error that the mesh made."""
        if not self._options.clear_context:
            return super().answer_block(response, context, success=success)
        block = response.end_to_end()
        said = first_value(block, b"via")
        via = self._answer_via if not said else b"\r\nVia: " + said + b", " + self._via
        block = self._drop_answer_context.sub(b"", block) + via
        if first_value(response.block, b"l5d-err") is None:
            return block
        return Reply(response.status, b"", self._drop_length.sub(b"", block))

    def hint_block(self, response: ResponseHead, context: RequestContext) -> bytes:
        """Strangers see no l5d header."""
        block = super().hint_block(response, context)
        return self._drop_answer_context.sub(b"", block) if self._options.clear_context else block

    def error(
        self, status: int, message: str, context: RequestContext, *, retryable: bool = False
    ) -> Reply:
        """Strangers are told the status, no more."""
        reply = super().error(status, message, context, retryable=retryable)
        if not self._options.clear_context:
            return reply
        return Reply(status, b"", b"\r\nContent-Type: text/plain")
