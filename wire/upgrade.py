"""Switching protocols on a connection: what a request may ask for, and what answers it.

RFC 9110, 7.8; RFC 6455, 4. The protocols that may pass are a setting, for a tunnel is the one way
past a proxy's rules: h2c, for one, would carry requests that nobody here reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Final, Protocol

from wire.errors import BadRequest, BadResponse
from wire.head import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wire.limits import Limits
    from wire.response import ResponseHead

WEBSOCKET: Final = b"websocket"
# RFC 6455, 1.3
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16


class Asking(Protocol):
    """What there is to know of a request: of its head, read as far as that."""

    method: bytes
    minor: int
    block: bytes
    nominated: Sequence[bytes]
    upgrade: bytes | None

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow the head."""


def protocol_asked(request: Asking, limits: Limits) -> bytes | None:
    """The protocol that this request may switch to, in small letters; None: it stays HTTP.

    A request that asks for a protocol which is not let through goes on as if it had not asked, as
    RFC 9110 allows and Linkerd does.

    Raises: BadRequest, when the handshake of a protocol that is let through is malformed.
    """
    lines = values(request.block, b"upgrade")
    if request.minor == 0 or b"upgrade" not in request.nominated or len(lines) != 1:
        return None
    protocol = lines[0].lower()
    if protocol not in limits.upgrades or request.has_body:
        return None
    if protocol == WEBSOCKET:
        _check_key(request)
    return protocol


def _check_key(request: Asking) -> None:
    if request.method != b"GET":
        raise BadRequest("a WebSocket begins with GET")
    keys = values(request.block, b"sec-websocket-key")
    try:
        key = base64.b64decode(keys[0], validate=True) if len(keys) == 1 else b""
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise BadRequest("Sec-WebSocket-Key is not one key of 16 bytes")


def check_switch(request: Asking, response: ResponseHead) -> None:
    """Whether a 101 says yes to what was asked, to the letter.

    Raises: BadResponse.
    """
    if request.upgrade is None:
        raise BadResponse("101 was not asked for")
    lines = values(response.block, b"upgrade")
    if [line.lower() for line in lines] != [request.upgrade]:
        raise BadResponse("101 switches to another protocol than was asked for")
    if b"upgrade" not in response.nominated:
        raise BadResponse("101 comes without Connection: upgrade")
    if response.chunked or response.content_length:
        raise BadResponse("101 has no body")
    if request.upgrade == WEBSOCKET:
        asked = values(request.block, b"sec-websocket-key")
        if values(response.block, b"sec-websocket-accept") != [accept_of(asked[0])]:
            raise BadResponse("Sec-WebSocket-Accept does not answer the key")


def accept_of(key: bytes) -> bytes:
    """The answer to a key: RFC 6455, 4.2.2."""
    # SHA-1 is the protocol's, and protects nothing.
    digest = hashlib.sha1(key + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


def upgrade_lines(protocol: bytes) -> bytes:
    """The lines that ask for a switch, or agree to it."""
    return b"\r\nConnection: Upgrade\r\nUpgrade: " + protocol
