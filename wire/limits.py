"""Bounds on what one request head or chunked body may be.

Each is a setting; each default says why.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for one listener, or for the answers of one upstream."""

    head_bytes_max: int = 16_384  # a whole head; h11 stops at the same size, nginx at 4 x 8 KiB
    block_bytes_max: int | None = None  # of the header lines alone; None: what the head leaves
    headers_max: int = 100  # a browser sends under 30; each one costs a line to look at
    target_bytes_max: int = 8_192  # RFC 9112, 3 asks for at least 8,000
    body_bytes_max: int | None = None  # off: uploads are the service's business
    chunk_extension_bytes_max: int = 4_096  # of one body in sum: nobody uses them, attackers do
    trailer_bytes_max: int = 8_192
    host_required: bool = (
        True  # the edge refuses a request without Host; a mesh router lets its identifier answer
    )
    # TRACE, and OPTIONS with Max-Forwards, tell who stands on the way and what was added there.
    hop_methods: bool = False
    # Protocols that a connection may switch to. h2c is none: its requests would pass unread.
    upgrades: frozenset[bytes] = frozenset({b"websocket"})
    host_strict: bool = (
        True  # only characters of RFC 3986 host names; Linkerd takes any text as a label
    )


EDGE_LIMITS = Limits()

# Linkerd 1.7.5: maxHeadersKB 8, maxInitialLineKB 4; the identifier answers for Host.
MESH_LIMITS = Limits(
    head_bytes_max=8_192 + 4_096,
    block_bytes_max=8_192,
    headers_max=2_000,
    target_bytes_max=4_096,
    hop_methods=True,
    upgrades=frozenset(),  # none passes Linkerd; a router's `upgrades` lets them
    host_required=False,
    host_strict=False,
)
