"""What a request carries about itself: its place in a trace, its sampling, its own dtab. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from tracing.l5d import read_context, read_sample

if TYPE_CHECKING:
    from tracing.context import TraceContext
    from wire.request import RequestHead

_OURS: Final = re.compile(
    rb"\r\n(l5d-ctx-trace|l5d-ctx-dtab|l5d-ctx-deadline|l5d-dtab|l5d-sample|via)"
    rb"[ \t]*:[ \t]*([^\r\n]*)",
    re.IGNORECASE,
)


class RequestContext(msgspec.Struct, gc=False):
    """One request's context, as far as it is believed.

    Shape: `local` is the local dtab as text, entries of several headers joined by `;`, empty when
    there is none; `via` is the first Via value, empty when there is none; `trusted` says whether
    internals may be shown in answers.
    """

    trace: TraceContext | None = None
    sample: float | None = None
    local: bytes = b""
    via: bytes = b""
    deadlines: tuple[bytes, ...] = ()  # l5d-ctx-deadline, as sent
    trace_state: bytes = b""  # of a trace that came by traceparent
    own_at: int = 0  # where the lines of a router before us begin, if they stand last; else 0
    trusted: bool = True
    rule: str = ""  # the rule that decided what was believed, for the span
    tags: dict[str, str] | None = None  # of this request's spans, where a face has something to say


# What a router writes stands behind the caller's lines, in one piece, and mostly these are all.
_ROUTERS: Final = re.compile(
    rb"\r\nVia: ([^\r\n]*)\r\nl5d-ctx-trace: ([^\r\n]*)\r\nl5d-reqid: [^\r\n]*"
    rb"\r\nl5d-dst-service: [^\r\n]*\r\nl5d-dst-client: [^\r\n]*"
    rb"(?:\r\nl5d-dst-residual: [^\r\n]*)?(?:\r\nl5d-ctx-dtab: ([^\r\n]*))?\Z"
)
# Marks of lines that no router of the mesh reads or takes away.
_PASSED: Final = frozenset(
    b"\r\n" + name
    for name in (
        *(b"host", b"content-length", b"forwarded", b"x-real-ip"),
        *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"),
        *(b"b3", b"x-b3-", b"traceparent", b"tracestate", b"baggage"),
    )
)


def read_request_context(request: RequestHead) -> RequestContext:
    """What `read_linkerd_context` reads, in one look where a router before us wrote all of it."""
    found = _ROUTERS.search(request.block)
    read = [mark for mark in request.marks if mark not in _PASSED]
    if found is None or found[0].count(b"\n") != len(read):
        return read_linkerd_context(request.block)
    via, trace, local = found.groups()
    return RequestContext(
        trace=read_context(trace.rstrip(b" \t")),
        via=via.strip(b" \t"),
        local=(local or b"").strip(b" \t"),
        own_at=found.start(),
    )


def read_linkerd_context(block: bytes) -> RequestContext:
    """What Linkerd 1.7.5 reads.

    The first l5d-ctx-trace and l5d-sample, all dtabs, `l5d-ctx-dtab` before `l5d-dtab`.
    """
    context = RequestContext()
    dtabs: list[bytes] = []
    overrides: list[bytes] = []
    seen_trace = seen_sample = False
    for name, value in _OURS.findall(block):
        value = value.rstrip(b" \t")
        key = name.lower()
        if key == b"via":
            context.via = context.via or value
        elif key == b"l5d-ctx-trace":
            if not seen_trace:
                seen_trace = True
                context.trace = read_context(value)
        elif key == b"l5d-sample":
            if not seen_sample:
                seen_sample = True
                context.sample = read_sample(value)
        elif key == b"l5d-ctx-dtab":
            dtabs.append(value)
        elif key == b"l5d-ctx-deadline":
            context.deadlines = (*context.deadlines, value)
        else:
            overrides.append(value)
    if dtabs or overrides:
        context.local = SEPARATOR.join(dtabs + overrides)
    return context


# Each value must be a whole dtab of its own, so they are kept apart by a byte that no header can
# hold.
SEPARATOR: Final = b"\n"


def merged_deadlines(values: tuple[bytes, ...]) -> bytes:
    """The `l5d-ctx-deadline` line to pass on: the latest time stamp, the earliest deadline.

    Linkerd neither enforces nor shortens it. What cannot be read is left as it is when nothing can.
    """
    read = []
    for value in values:
        numbers = value.split(b" ")[:2]
        if len(numbers) == _DEADLINE_PARTS and all(_NUMBER.fullmatch(one) for one in numbers):
            read.append((int(numbers[0]), int(numbers[1])))
    if not read:
        return b"".join(b"\r\nl5d-ctx-deadline: " + value for value in values)
    stamp = max(one for one, _ in read)
    return b"\r\nl5d-ctx-deadline: %d %d" % (stamp, min(deadline for _, deadline in read))


def deadline(stamp_ns: int, timeout_s: float) -> bytes:
    """A value of `l5d-ctx-deadline`: when it was set, and when it is over."""
    return b"%d %d" % (stamp_ns, stamp_ns + int(timeout_s * 1e9))


_DEADLINE_PARTS: Final = 2  # nanoseconds since 1970: when it was set, and when it is over
_NUMBER: Final = re.compile(rb"-?[0-9]{1,19}")
