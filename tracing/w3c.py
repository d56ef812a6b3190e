"""W3C trace context: traceparent and tracestate. Pure; a malformed header is an absent one.

Source: W3C Recommendation "Trace Context", level 1.
"""

import binascii
import re
from typing import Final

from tracing.context import SAMPLED, SAMPLING_KNOWN, TraceContext

# Section 3.2.2. A later version may go on after another dash; version ff is none.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})"
    rb"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?\Z"
)
_FLAG_SAMPLED: Final = 1
_ZERO_TRACE: Final = b"0" * 32
_ZERO_SPAN: Final = b"0" * 16
_HALF: Final = 8

# Section 3.3.1.1: at most 32 members; vendors should carry 512 characters at least, so that is all.
_MEMBERS_MAX: Final = 32
_STATE_BYTES_MAX: Final = 512
_KEY: Final = rb"[a-z][_0-9a-z*/-]{0,255}|[a-z0-9][_0-9a-z*/-]{0,240}@[a-z][_0-9a-z*/-]{0,13}"
_MEMBER: Final = re.compile(rb"(?P<key>%b)=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}\Z" % _KEY)


def read_traceparent(value: bytes) -> TraceContext | None:
    """The caller's span; None when the value is malformed.

    A set flag is a decision to record. A cleared one says only that the caller may not have
    recorded: it counts as a denial, as tracers in use treat it.
    """
    match = _TRACEPARENT.match(value.strip(b" \t"))
    if match is None or (match["version"] == b"00" and match["more"]):
        return None
    if match["trace"] == _ZERO_TRACE or match["span"] == _ZERO_SPAN:
        return None
    trace_id = binascii.unhexlify(match["trace"])
    recorded = int(match["flags"], 16) & _FLAG_SAMPLED
    return TraceContext(
        # Senders of 64-bit ids fill them up with zeros; our ids keep the size they came from.
        trace_id if any(trace_id[:_HALF]) else trace_id[_HALF:],
        binascii.unhexlify(match["span"]),
        None,
        SAMPLING_KNOWN | SAMPLED if recorded else SAMPLING_KNOWN,
    )


def write_traceparent(ctx: TraceContext) -> bytes:
    """The header value to send upstream, version 00."""
    flags = "01" if ctx.sampled else "00"
    return f"00-{ctx.trace_id.hex():0>32}-{ctx.span_id.hex()}-{flags}".encode()


def clean_tracestate(values: list[bytes]) -> bytes | None:
    """The tracestate to pass on: all values of the header as one, in order; None to send none.

    One malformed or repeated member discards the whole header (section 3.3.1.1). Whole members go
    from the end when it is too long.
    """
    members: dict[bytes, bytes] = {}
    for member in b",".join(values).split(b","):
        text = member.strip(b" \t")
        if not text:
            continue
        match = _MEMBER.match(text)
        if match is None or match["key"] in members:
            return None
        members[match["key"]] = text
    if len(members) > _MEMBERS_MAX:
        return None
    kept: list[bytes] = []
    size = -1
    for text in members.values():
        size += 1 + len(text)
        if size > _STATE_BYTES_MAX:
            break
        kept.append(text)
    return b",".join(kept) or None
