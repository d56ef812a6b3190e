"""Who is trusted, and with what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edge.capability import Capability

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of trust: how a request is known, and what it may say then.

    Shape: every condition that is set must hold. A cookie must be given once, and equal `equals`
    byte for byte; or hold `contains`, capitals or not, where the operator chose that.
    `override` is dtab text that the request gets; `may` bounds a dtab of its own, None: it may
    bring none.
    """

    name: str
    cookie: bytes = b""
    equals: bytes = b""
    contains: bytes = b""  # lower case
    peers: tuple[Network, ...] = ()
    override: bytes = b""
    may: Capability | None = None
    may_sample: bool = False
    may_debug: bool = False
    always_sample: bool = False
    grant: str = ""  # the id of the grant that this rule was made of

    def knows_cookie(self, values: list[bytes] | None) -> bool:
        """Whether the values given for the cookie are what the rule asks for."""
        if values is None or len(values) != 1:
            return False
        if self.contains:
            return self.contains in values[0].lower()
        return values[0] == self.equals
