"""B3 trace context, one header or five. Pure; a malformed header is an absent one.

Source: Zipkin's B3 propagation as its tracers send and accept it.
"""

import binascii
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from tracing.context import DEBUG, SAMPLED, SAMPLING_KNOWN, TraceContext

_ID: Final = rb"[0-9a-f]{16}"
_SINGLE: Final = re.compile(
    rb"(?P<trace>(?:%b){1,2})-(?P<span>%b)(?:-(?P<state>[01d])(?:-(?P<parent>%b))?)?\Z"
    % (_ID, _ID, _ID)
)
_TRACE_ID: Final = re.compile(rb"(?:%b){1,2}\Z" % _ID)
_SPAN_ID: Final = re.compile(rb"%b\Z" % _ID)
_ZERO: Final = bytes(8)

_ACCEPT: Final = SAMPLING_KNOWN | SAMPLED
_STATES: Final = {b"0": SAMPLING_KNOWN, b"1": _ACCEPT, b"d": DEBUG | _ACCEPT}
# Old senders spell the decision out.
_SAMPLED: Final = _STATES | {b"true": _ACCEPT, b"false": SAMPLING_KNOWN}


class Extracted(NamedTuple):
    """What a caller sent: its span, or a decision alone (flags), or neither (None, 0)."""

    context: TraceContext | None
    flags: int = 0


NOTHING: Final = Extracted(None)


def _context(trace: bytes, span: bytes, parent: bytes | None, flags: int) -> Extracted:
    trace_id, span_id = binascii.unhexlify(trace), binascii.unhexlify(span)
    if not any(trace_id) or span_id == _ZERO:
        return Extracted(None, flags)
    parent_id = binascii.unhexlify(parent) if parent else None
    if parent_id in (span_id, _ZERO):
        parent_id = None
    return Extracted(TraceContext(trace_id, span_id, parent_id, flags), flags)


def read_single(value: bytes) -> Extracted:
    """The b3 header: TRACE-SPAN[-STATE[-PARENT]], or a state alone."""
    if value in _STATES:
        return Extracted(None, _STATES[value])
    match = _SINGLE.match(value)
    if match is None:
        return NOTHING
    flags = _STATES[match["state"]] if match["state"] else 0
    return _context(match["trace"], match["span"], match["parent"], flags)


def read_multi(headers: Mapping[bytes, bytes]) -> Extracted:
    """The X-B3-* headers, by lower-case name. Ids count only together."""
    flags = _SAMPLED.get(headers.get(b"x-b3-sampled", b"").lower(), 0)
    if headers.get(b"x-b3-flags") == b"1":
        flags = DEBUG | _ACCEPT
    trace, span = headers.get(b"x-b3-traceid", b""), headers.get(b"x-b3-spanid", b"")
    if _TRACE_ID.match(trace) is None or _SPAN_ID.match(span) is None:
        return Extracted(None, flags)
    parent = headers.get(b"x-b3-parentspanid", b"")
    return _context(trace, span, parent if _SPAN_ID.match(parent) else None, flags)


def write_single(ctx: TraceContext) -> bytes:
    """The b3 header value to send upstream."""
    value = ctx.trace_id.hex() + "-" + ctx.span_id.hex()
    if ctx.debug:
        value += "-d"
    elif ctx.sampled is not None:
        value += "-1" if ctx.sampled else "-0"
    if ctx.parent_id is not None and ctx.sampled is not None:
        value += "-" + ctx.parent_id.hex()
    return value.encode()


def write_multi(ctx: TraceContext) -> list[tuple[bytes, bytes]]:
    """The x-b3-* headers to send upstream, as Linkerd 1.7.5 sends them.

    So the flags always go along, and with debug the decision besides. What nobody decided is left
    open, where Linkerd would deny it.
    """
    headers = [
        (b"x-b3-traceid", binascii.hexlify(ctx.trace_id)),
        (b"x-b3-spanid", binascii.hexlify(ctx.span_id)),
    ]
    if ctx.parent_id is not None:
        headers.append((b"x-b3-parentspanid", binascii.hexlify(ctx.parent_id)))
    if ctx.sampled is not None:
        headers.append((b"x-b3-sampled", b"1" if ctx.sampled else b"0"))
    headers.append((b"x-b3-flags", b"1" if ctx.debug else b"0"))
    return headers
