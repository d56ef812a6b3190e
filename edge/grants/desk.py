"""Where tokens are looked at: verified once, remembered, withdrawn at once. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from edge.grants.grant import SAFE_METHODS, Grant, GrantRefused, Reason, check_time, read_grant
from edge.rules.capability import Capability
from edge.rules.rates import Meter, Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# Verified tokens, good and bad: about 6 kB each at the most.
TOKENS_MAX: Final = 2_048
# A signature costs 0.1 ms. Tokens that fail are looked at so often for one client, then not at all.
FAILURES: Final = Rate(per_s=2.0, burst=20)
_CLIENTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """What no grant may exceed, whoever signed it."""

    may: Capability = field(default_factory=Capability)
    sample: bool = True
    debug: bool = True
    lifetime_s_max: float = 604_800.0

    def check(self, grant: Grant) -> None:
        """Raises: GrantRefused."""
        why = self.may.refuses(grant.override)
        if why is not None:
            raise GrantRefused(Reason.CEILING, why)
        if (grant.sample and not self.sample) or (grant.debug and not self.debug):
            raise GrantRefused(Reason.CEILING, "sample or debug")


@dataclass(frozen=True, slots=True)
class Revoked:
    """What is withdrawn: grants by id, holders by name, keys by id."""

    ids: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()

    def holds(self, grant: Grant) -> bool:
        """Whether this grant is withdrawn."""
        return grant.id in self.ids or grant.name in self.names or grant.kid in self.keys


class GrantDesk:
    """Tells for a token what it grants, now, to this host."""

    def __init__(self, ceiling: Ceiling | None = None) -> None:
        self.refused: Counter[str] = Counter()  # by reason
        self.used = 0
        self._ceiling = ceiling or Ceiling()
        self._keys: Mapping[str, Ed25519PublicKey] = {}
        self._revoked = Revoked()
        self._known: OrderedDict[bytes, Grant | GrantRefused] = OrderedDict()
        self._failures = Meter(FAILURES, _CLIENTS_MAX)

    def set_keys(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        """Trust these keys, by kid, and no others."""
        self._keys = dict(keys)
        self._known.clear()

    def set_revoked(self, revoked: Revoked) -> None:
        """Withdraw these, from the next request on."""
        self._revoked = revoked

    def set_ceiling(self, ceiling: Ceiling) -> None:
        """Hold every grant to these bounds."""
        self._ceiling = ceiling
        self._known.clear()

    @property
    def keys(self) -> tuple[str, ...]:
        """The kids that are trusted."""
        return tuple(self._keys)

    def open_one(
        self, tokens: set[bytes], host: bytes, method: bytes, now_s: float, client: str
    ) -> Grant:
        """The grant of a request that must carry one token, as cookie or header or both.

        Raises: GrantRefused, which is counted.
        """
        if len(tokens) != 1:
            self.refused[Reason.COPIES.value] += 1
            raise GrantRefused(Reason.COPIES)
        (token,) = tokens
        return self.open(token, host, method, now_s, client)

    def open(
        self, token: bytes, host: bytes, method: bytes, now_s: float, client: str = ""
    ) -> Grant:
        """The grant, if it is good for this request. Raises: GrantRefused, which is counted.

        now_s: seconds since 1970.
        """
        try:
            grant = self._checked(token, host, method, now_s, client)
        except GrantRefused as refused:
            self.refused[refused.reason.value] += 1
            raise
        self.used += 1
        return grant

    def _checked(
        self, token: bytes, host: bytes, method: bytes, now_s: float, client: str
    ) -> Grant:
        grant = self._read(token, now_s, client)
        check_time(grant, now_s, self._ceiling.lifetime_s_max)
        if self._revoked.holds(grant):
            raise GrantRefused(Reason.REVOKED)
        if host and not grant.good_for(host):
            raise GrantRefused(Reason.HOST, host.decode("latin-1"))
        if grant.reads_only and method not in SAFE_METHODS:
            raise GrantRefused(Reason.METHOD, method.decode("latin-1"))
        return grant

    def _read(self, token: bytes, now_s: float, client: str) -> Grant:
        known = self._known.get(token)
        if known is None:
            if client and self._failures.take(client, now_s) > 0.0:
                raise GrantRefused(Reason.FLOOD)
            try:
                known = replace(read_grant(token, self._keys), ceiling=self._ceiling.may)
                self._ceiling.check(known)
                self._failures.give_back(client)
            except GrantRefused as refused:
                known = refused
            self._known[token] = known
            if len(self._known) > TOKENS_MAX:
                self._known.popitem(last=False)
        if isinstance(known, GrantRefused):
            raise GrantRefused(known.reason, known.detail)
        return known
