"""The Forwarded line of a request, as Linkerd 1.7.5 writes it. Pure. Source: RFC 7239."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_RANDOM_LENGTH: Final = 6


@dataclass(frozen=True, slots=True)
class Label:
    """How one end is called: by its address, with or without port, by a text, or by chance."""

    kind: str  # "ip", "ip:port", "random" or "text"
    text: str = ""

    def show(self, ip: str, port: int, dice: Callable[[], float]) -> bytes:
        """The label for an end at this address. dice: uniform in [0, 1)."""
        if self.kind == "text":
            return b"_" + self.text.encode("latin-1", "replace")
        if self.kind == "random":
            picked = (_LETTERS[int(dice() * len(_LETTERS))] for _ in range(_RANDOM_LENGTH))
            return b"_" + bytes(picked)
        address = f"[{ip}]" if ":" in ip else ip
        if self.kind == "ip":
            return (f'"{address}"' if ":" in ip else address).encode()
        return f'"{address}:{port}"'.encode()


def forwarded_line(by: bytes, of: bytes, host: bytes | None) -> bytes:
    """A line of its own: what others wrote stays. A host that is no token is quoted."""
    line = b"\r\nForwarded: by=" + by + b";for=" + of
    if host:
        odd = b":" in host or b"[" in host
        line += b';host="' + host + b'"' if odd else b";host=" + host
    return line
