"""Header lines that end here: a forger's on the way up, the inside's on the way down. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wire.head import drop_pattern
from wire.request import NOT_FOR_UPSTREAM

if TYPE_CHECKING:
    import re

    from edge.verdict.context import EdgeContext

# What a forger would like to say about where a request came from; set anew from the connection
# itself.
_FORWARDED: Final = (rb"x-forwarded-[^:\r\n]*", b"forwarded", b"x-real-ip", b"host", b"via")
# An outsider's trace, whoever's form it has: services behind us would go on with it, and record.
_TRACES: Final = (b"traceparent", b"tracestate", b"b3", rb"x-b3-[^:\r\n]*", b"baggage")
_EVERYTHING_OURS: Final = rb"(?:l5d|weir)[-_.][^:\r\n]*"
_READ_HERE: Final = (
    rb"l5d(?:[_.][^:\r\n]*|-(?:ctx-trace|ctx-dtab|dtab|sample|reqid|dst-[^:\r\n]*|add-context))",
    rb"weir[-_.][^:\r\n]*",
)
# Times and trace ids of the inside (W3C Server Timing; Trace Context, traceresponse).
_TIMING: Final = (b"server-timing", b"traceresponse")
_DOWN: Final = drop_pattern(b"via", *_TIMING, _EVERYTHING_OURS)
_DOWN_WITH_TIMING: Final = drop_pattern(b"via", _EVERYTHING_OURS)
_DOWN_TO_TRUSTED: Final = drop_pattern(b"via", rb"weir[-_.][^:\r\n]*")
DROP: Final = drop_pattern(*NOT_FOR_UPSTREAM, *_FORWARDED, *_TRACES, _EVERYTHING_OURS)
OF_TRUSTED: Final = (*NOT_FOR_UPSTREAM, *_FORWARDED, *_READ_HERE)


def hidden(context: EdgeContext) -> re.Pattern[bytes]:
    """The lines that tell of the way behind us, as far as this client may not see them."""
    if context.trusted:
        return _DOWN_TO_TRUSTED
    place = context.place
    return _DOWN_WITH_TIMING if place is not None and place.server_timing else _DOWN
