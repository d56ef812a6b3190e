"""Which of a request's headers go along with the call that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# Linkerd's context; an app that drops it breaks routing by l5d-ctx-dtab and the trace.
LINKERD: Final = b"l5d-ctx"
# The reference app carries Linkerd's alone. These are what other meshes and tracers ask apps to
# carry: W3C Trace Context (3.2, 3.3) and B3, single and multi.
OTHERS: Final = (b"traceparent", b"tracestate", b"b3")
B3: Final = b"x-b3-"


def carried(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Pick the context headers, lower-cased, the first value of each."""
    kept: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower.startswith((LINKERD, B3)) or lower in OTHERS:
            kept.setdefault(lower, value)
    return list(kept.items())
