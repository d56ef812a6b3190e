"""The face's edits, header by header: slow, obvious, and what the bulk edits must equal.

The application door edits this way; the fast engine edits whole blocks. A property holds the two
together on every head.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from edge.answers.face import EdgeFace
from edge.answers.told import told_lines
from wire.head import HOP_BY_HOP, header_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.rules.place import Edits
    from edge.verdict.context import EdgeContext
    from mesh.context import RequestContext
    from proxy.call import Peer
    from wire.request import RequestHead
    from wire.response import ResponseHead

Header = tuple[bytes, bytes]

# RFC 9110, 7.6.1; Expect is answered here.
_THIS_HOP: Final = frozenset({*HOP_BY_HOP, b"expect"})
_FROM_HERE: Final = frozenset({b"host", b"via", b"forwarded", b"x-real-ip"})
# Of the trusted these are read, so they end here; every other l5d-* goes on.
_READ: Final = frozenset(
    {
        b"l5d-ctx-trace",
        b"l5d-ctx-dtab",
        b"l5d-dtab",
        b"l5d-sample",
        b"l5d-reqid",
        b"l5d-add-context",
    }
)
_TRACES: Final = frozenset({b"traceparent", b"tracestate", b"b3", b"baggage"})
_TIMING: Final = frozenset({b"server-timing", b"traceresponse"})
_SEPARATORS: Final = (b"-", b"_", b".")


class PlainFace(EdgeFace):
    """The gateway's face with plain edits."""

    def upstream_block(self, request: RequestHead, context: RequestContext, peer: Peer) -> bytes:
        """The request's lines for the upstream."""
        context = cast("EdgeContext", context)
        self.audit_use(context)
        kept = [
            (name, value)
            for name, value in header_lines(request.block)
            if not self._ends(name.lower(), request.nominated, trusted=context.trusted)
        ]
        kept.insert(0, (b"Host", context.host))
        if context.place is not None:
            kept = _edited(kept, context.place.request)
        if context.trace_state and "w3c" in self.propagation.write:
            kept.append((b"tracestate", context.trace_state))
        ip = peer.ip.encode()
        client = context.client.encode()
        kept += [
            (b"X-Forwarded-For", ip if client == ip else client + b", " + ip),
            (b"X-Forwarded-Proto", b"https" if context.https else b"http"),
            (b"X-Forwarded-Host", context.host),
            (b"Via", b"1.1 weir"),
        ]
        block = _block(kept)
        forwarding = self.settings.forwarding
        return block if forwarding is None else forwarding.upstream(block, context, peer.ip)

    def _ends(self, name: bytes, nominated: Sequence[bytes], *, trusted: bool) -> bool:
        """Whether a line, by its name in small letters, ends at this hop."""
        if name in _THIS_HOP or name in nominated or name in _FROM_HERE:
            return True
        if name.startswith(b"x-forwarded-") or _is_of(name, b"weir"):
            return True
        if not trusted and (name in _TRACES or name.startswith(b"x-b3-")):
            return True
        if any(re.fullmatch(written, name) for written in self.propagation.names):
            return True
        if not _is_of(name, b"l5d"):
            return False
        dashed = name[3:4] == b"-"
        return not (trusted and dashed) or name in _READ or name.startswith(b"l5d-dst-")

    def answer_block(
        self, response: ResponseHead, context: RequestContext, *, success: bool
    ) -> bytes:
        """The answer's lines for the client."""
        del success
        context = cast("EdgeContext", context)
        kept = []
        for name, value in header_lines(response.block):
            lowered = name.lower()
            ends = lowered in HOP_BY_HOP or lowered in response.nominated or lowered == b"via"
            inside = _is_of(lowered, b"weir") or (_is_of(lowered, b"l5d") and not context.trusted)
            if lowered in _TIMING and not context.trusted:
                inside = context.place is None or not context.place.server_timing
            if not ends and not inside:
                kept.append((name, value))
        if context.place is not None:
            kept = _edited(kept, context.place.response)
        if context.by is not None:
            kept += header_lines(told_lines(context, self.router))
        kept.append((b"Via", b"1.1 weir"))
        block = _block(kept)
        forwarding = self.settings.forwarding
        return block if forwarding is None else forwarding.answer(block, context)


def _is_of(name: bytes, family: bytes) -> bool:
    return name.startswith(tuple(family + separator for separator in _SEPARATORS))


def _edited(lines: list[Header], edits: Edits) -> list[Header]:
    kept = [
        (name, value)
        for name, value in lines
        if edits.remove is None or not edits.remove.fullmatch(_block([(name, value)]))
    ]
    return [*kept, *header_lines(edits.lines)]


def _block(lines: Iterable[Header]) -> bytes:
    return b"".join(b"\r\n%b: %b" % line for line in lines)
