"""What a request carries about itself: its place in a trace, its sampling, its own dtab. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from tracing.l5d import read_context, read_sample

if TYPE_CHECKING:
    from tracing.context import TraceContext

_OURS: Final = re.compile(
    rb"\r\n(l5d-ctx-trace|l5d-ctx-dtab|l5d-dtab|l5d-sample|via)[ \t]*:[ \t]*([^\r\n]*)",
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
    trusted: bool = True
    rule: str = ""  # the rule that decided what was believed, for the span
    tags: dict[str, str] | None = None  # of this request's spans, where a face has something to say


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
        else:
            overrides.append(value)
    if dtabs or overrides:
        context.local = SEPARATOR.join(dtabs + overrides)
    return context


# Each value must be a whole dtab of its own, so they are kept apart by a byte that no header can
# hold.
SEPARATOR: Final = b"\n"
