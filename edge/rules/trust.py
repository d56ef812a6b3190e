"""Who is trusted, and with what. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, TypeAlias

from dtab import read_dtab
from edge.rules.hosts import HostTable
from edge.rules.scope import scope_of

if TYPE_CHECKING:
    from edge.rules.capability import Capability
    from edge.rules.identity import CertificateMatch
    from proxy.tls import TlsSession

Network: TypeAlias = IPv4Network | IPv6Network


# Two rules are never the same rule: what is remembered about one holds for no other.
@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """One rule of trust: how a request is known, and what it may say then.

    Shape: every condition that is set must hold. A cookie must be given once, and equal `equals`
    byte for byte; or hold `contains`, capitals or not, where the operator chose that.
    `override` is dtab text that the request gets; `may` bounds a dtab of its own, None: it may
    bring none. `ceilings` bound both, where somebody else than the operator wrote the rule.
    """

    name: str
    hosts: tuple[str, ...] = ()  # none: every host
    cookie: bytes = b""
    equals: bytes = b""
    contains: bytes = b""  # lower case
    peers: tuple[Network, ...] = ()
    certificate: CertificateMatch | None = None
    override: bytes = b""
    may: Capability | None = None
    ceilings: tuple[Capability, ...] = ()
    may_sample: bool = False
    may_debug: bool = False
    sample_rate: float | None = None  # in place of the host's
    grant: str = ""  # the id of the grant that this rule was made of

    @cached_property
    def bounds(self) -> tuple[Capability, ...]:
        """What a dtab of the request's own must keep within, outermost first."""
        return self.ceilings if self.may is None else (*self.ceilings, self.may)

    @cached_property
    def scope(self) -> bytes:
        """What stands behind the key of a route that an override of this rule steers."""
        given = len(read_dtab(self.override.decode()))
        return b" " + scope_of(given, self.bounds, by_operator=not self.grant).written()

    def is_for(self, host: bytes) -> bool:
        """Whether the rule counts on this host, which is in its normal form."""
        return not self.hosts or self._host_table.find(host)[1] is not None

    @cached_property
    def _host_table(self) -> HostTable[bool]:
        return HostTable(dict.fromkeys(self.hosts, True))

    def knows_certificate(self, tls: TlsSession | None) -> bool:
        """Whether the client has shown the certificate that the rule asks for."""
        identity = tls.identity if tls is not None else None
        return (
            self.certificate is not None
            and identity is not None
            and self.certificate.fits(identity)
        )

    def knows_cookie(self, values: list[bytes] | None) -> bool:
        """Whether the values given for the cookie are what the rule asks for."""
        if values is None or len(values) != 1:
            return False
        if self.contains:
            return self.contains in values[0].lower()
        return values[0] == self.equals
