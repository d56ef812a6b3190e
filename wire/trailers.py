"""Which trailer lines go on to the next hop."""

from __future__ import annotations

from typing import Final

from wire.head import drop_pattern

# A trailer may not speak where only a head may: RFC 9110, 6.5.1; and never for us.
_FORBIDDEN: Final = drop_pattern(
    rb"(?:l5d|weir)[-_.][^:\r\n]*",
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"authorization",
    b"cookie",
    b"set-cookie",
    rb"x-forwarded-[^:\r\n]*",
    b"forwarded",
    b"te",
    b"trailer",
)


def passed_trailers(block: bytes) -> tuple[bytes, int]:
    """The lines that may pass, each led by CRLF, and how many were dropped."""
    return _FORBIDDEN.subn(b"", block)
