"""The trace that a trusted caller is in, when it speaks no l5d-ctx-trace. Pure.

Precedence: l5d-ctx-trace, then `b3`, then the X-B3-* set, then traceparent; the first that can be
read counts, and one that cannot is as good as none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracing import b3
from tracing.w3c import read_traceparent
from wire.head import header_lines

if TYPE_CHECKING:
    from tracing.context import TraceContext


def callers_trace(block: bytes) -> TraceContext | None:
    """What B3 or W3C trace headers say; None where they say nothing that can be read."""
    lowered = block.lower()
    if b"\r\nb3" not in lowered and b"\r\nx-b3" not in lowered and b"\r\ntracep" not in lowered:
        return None
    said: dict[bytes, bytes] = {}
    for name, value in header_lines(block):
        said.setdefault(name.lower(), value)
    trace = b3.read(said).context
    if trace is None and b"traceparent" in said:
        trace = read_traceparent(said[b"traceparent"])
    return trace
