"""The spans of what lies on disk. Pure."""

import msgspec

from tracing.pipeline.model import V2Span, decode_strict


def spans_of(body: bytes) -> list[V2Span] | None:
    """The spans of a body, as they came; None where the disk spoilt it."""
    try:
        return decode_strict(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
