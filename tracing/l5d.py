"""Linkerd 1.x's own context headers: l5d-ctx-trace, l5d-reqid, l5d-sample.

Source: Linkerd 1.7.5 as observed; the layout is Finagle's TraceId.serialize.
"""

import binascii
import math
import re
from typing import Final

from tracing.context import TraceContext

_SHORT: Final = 32
_LONG: Final = 40
_SIZES: Final = (_SHORT, _LONG)
_CHARACTERS_MAX: Final = 56
_PADDING: Final = (b"", b"===", b"==", b"=")  # by size modulo 4; one character over is malformed

# Java's float literal without its hexadecimal form, which no sender was seen to use.
_FLOAT: Final = re.compile(
    rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?|Infinity)\Z"
)
_JAVA_BLANKS: Final = bytes(range(0x21))


def read_context(value: bytes) -> TraceContext | None:
    """The span that the caller opened for this request; None when the value is malformed.

    Shape: base64 of span, parent, trace (low), flags, and in the long form trace (high), 8 bytes
    big-endian each. Padding may be missing.
    """
    size = len(value)
    if size > _CHARACTERS_MAX:
        return None
    try:
        raw = binascii.a2b_base64(value + _PADDING[size % 4], strict_mode=True)
    except binascii.Error:
        return None
    if len(raw) not in _SIZES:
        return None
    span_id, parent_id, trace_id = raw[0:8], raw[8:16], raw[16:24]
    return TraceContext(
        raw[32:40] + trace_id if len(raw) == _LONG else trace_id,
        span_id,
        None if parent_id == span_id else parent_id,
        int.from_bytes(raw[24:32], "big"),
    )


def write_context(ctx: TraceContext) -> bytes:
    """The header value to send upstream, padded; a root says its own id three times."""
    trace_id = ctx.trace_id
    raw = (
        ctx.span_id
        + (ctx.parent_id or ctx.span_id)
        + trace_id[-8:]
        + ctx.flags.to_bytes(8, "big")
        + trace_id[:-8]
    )
    return binascii.b2a_base64(raw, newline=False)


def request_id(ctx: TraceContext) -> bytes:
    """The l5d-reqid value: 16 hex digits, the low half of the trace id."""
    return binascii.hexlify(ctx.trace_id[-8:])


def read_sample(value: bytes) -> float | None:
    """The rate that this one request asks for, 0.0 to 1.0; None means the header says nothing.

    Linkerd answers NaN with a 502; it counts as absent here.
    """
    text = value.strip(_JAVA_BLANKS)
    if _FLOAT.match(text) is None:
        return None
    rate = float(text.rstrip(b"fFdD"))
    return None if math.isnan(rate) else min(1.0, max(0.0, rate))


# The flags that there are; a caller may send more.
_FLAGS: Final = tuple(flags.to_bytes(8, "big") for flags in range(8))


def child_lines(ctx: TraceContext, child_id: bytes) -> bytes:
    """The header lines that tell the next hop of a child of this span, each led by CRLF.

    The same bytes as write_context and request_id of `ctx.child(child_id)`, at half the cost.
    """
    trace_id, flags = ctx.trace_id, ctx.flags
    low = trace_id[-8:]
    written = _FLAGS[flags] if flags < len(_FLAGS) else flags.to_bytes(8, "big")
    raw = child_id + ctx.span_id + low + written + trace_id[:-8]
    return b"\r\nl5d-ctx-trace: %b\r\nl5d-reqid: %b" % (
        binascii.b2a_base64(raw, newline=False),
        binascii.hexlify(low),
    )
