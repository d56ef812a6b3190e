"""The spans of what lies on disk. Pure."""

from collections.abc import Sequence

import msgspec

from tracing.pipeline.model import V2Span, decode_strict


def spans_of(body: bytes) -> list[V2Span] | None:
    """The spans of a body, as they came; None where the disk spoilt it."""
    try:
        return decode_strict(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def joined(bodies: Sequence[bytes]) -> bytes:
    """One list of the spans of several."""
    if len(bodies) == 1:
        return bodies[0]
    return b"[" + b",".join([body.strip()[1:-1] for body in bodies]) + b"]"
