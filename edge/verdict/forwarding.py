"""What services are told, when asked for, beyond X-Forwarded-*: a Forwarded line, an id. Pure.

The id is the trace's: unique, made here, and what one looks a request up by.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from wire.head import drop_pattern

if TYPE_CHECKING:
    import re

    from edge.verdict.context import EdgeContext


@dataclass(frozen=True)
class Forwarding:
    """What a configuration asks for. Shape: request_id is the name of a header; empty: none."""

    forwarded: bool = False
    request_id: bytes = b""

    @cached_property
    def _ids(self) -> re.Pattern[bytes]:
        return drop_pattern(self.request_id)

    def upstream(self, block: bytes, context: EdgeContext, peer_ip: str) -> bytes:
        """The block for a service; an id that came with the request is not believed."""
        if self.request_id:
            block = self._with_id(block, context)
        if self.forwarded:
            scheme = b"https" if context.https else b"http"
            host = context.host
            quoted = b'"%b"' % host if b":" in host else host  # RFC 7239, 4: else no token
            block += b"\r\nForwarded: for=%b;host=%b;proto=%b" % (
                _node(context.client),
                quoted,
                scheme,
            )
            if context.client != peer_ip:  # each proxy adds an element of its own
                block += b", for=" + _node(peer_ip)
        return block

    def answer(self, block: bytes, context: EdgeContext) -> bytes:
        """The block for the client."""
        return self._with_id(block, context) if self.request_id else block

    def _with_id(self, block: bytes, context: EdgeContext) -> bytes:
        block = self._ids.sub(b"", block)
        if context.trace is None:
            return block
        return b"%b\r\n%b: %b" % (block, self.request_id, context.trace.trace_id.hex().encode())


def _node(ip: str) -> bytes:
    """RFC 7239, 6."""
    return (f'"[{ip}]"' if ":" in ip else ip).encode()
