"""Grants: signed, scoped, expiring leave to steer one's own requests. Pure.

A grant is a JWT (RFC 7519) signed with Ed25519 (RFC 8037). It names its holder, the hosts it is
good for, the dentries its requests get, and the bounds of what the holder may override himself.
Whatever is not exactly of the form that `mint` writes is refused, with a reason for the audit.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import jwt

from dtab import Dtab, DtabSyntaxError, Prefix, read_dtab, read_prefix, show
from edge.rules.capability import Capability
from edge.rules.hosts import HostTable
from edge.rules.trust import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

TYPE: Final = "weir-grant+jwt"
ALGORITHM: Final = "EdDSA"
# A browser keeps cookies up to 4,096 bytes, name and attributes included (RFC 6265, 6.1).
TOKEN_BYTES_MAX: Final = 3_800
# How far the clock of whoever mints may run ahead of ours.
NOT_BEFORE_SLACK_S: Final = 30
KEY_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_NAME: Final = re.compile(r"[!-~]{1,200}")
_HOST: Final = re.compile(r"\*|(?:\*\.)?[0-9a-z-]+(?:\.[0-9a-z-]+)*|\[[0-9a-f:.]+\]")
_PARTS: Final = 3
_HEADER: Final = frozenset({"alg", "kid", "typ"})
_REQUIRED: Final = frozenset({"sub", "jti", "nbf", "exp", "hosts"})
_OPTIONAL: Final = frozenset({"dtab", "prefixes", "targets", "sample", "debug", "reads_only"})
SAFE_METHODS: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


class Reason(Enum):
    """Why a grant counts for nothing. The values name counters and stand in the audit."""

    OVERSIZE = "oversize"
    FORM = "malformed"
    ENCODING = "encoding"
    DUPLICATE = "duplicate_field"
    ALGORITHM = "algorithm"
    KEY = "unknown_key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"
    EARLY = "not_yet_valid"
    LIFETIME = "lifetime_too_long"
    CEILING = "beyond_ceiling"
    REVOKED = "revoked"
    HOST = "other_host"
    METHOD = "other_method"
    COPIES = "several"
    FLOOD = "too_many_failures"


class GrantRefused(Exception):
    """A token is no good grant."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A grant's content. Units: seconds since 1970.

    Shape: `override` is what every request of the holder gets; `may` bounds the holder's own
    l5d-dtab, None: he may bring none.
    """

    id: str
    name: str
    kid: str
    hosts: tuple[str, ...]
    not_before_s: int
    expires_s: int
    override: Dtab = field(default_factory=Dtab)
    may: Capability | None = None
    sample: bool = False
    debug: bool = False
    reads_only: bool = False
    ceiling: Capability = field(default_factory=Capability)  # of the gateway that reads it

    def good_for(self, host: bytes) -> bool:
        """Whether the host, in its normal form, is among the grant's."""
        return self._host_table.find(host)[1] is not None

    @cached_property
    def _host_table(self) -> HostTable[bool]:
        return HostTable(dict.fromkeys(self.hosts, True))

    @cached_property
    def rule(self) -> Rule:
        """What the holder is trusted with."""
        return Rule(
            name=f"grant {self.id} of {self.name}",
            override=show(self.override).encode(),
            may=self.may,
            ceilings=(self.ceiling,),
            may_sample=self.sample,
            may_debug=self.debug,
            sample_rate=1.0 if self.sample else None,
            grant=self.id,
        )

    def claims(self) -> dict[str, Any]:
        """The token's payload."""
        found: dict[str, Any] = {
            "sub": self.name,
            "jti": self.id,
            "nbf": self.not_before_s,
            "exp": self.expires_s,
            "hosts": list(self.hosts),
        }
        if len(self.override):
            found["dtab"] = show(self.override)
        if self.may is not None:
            found["prefixes"] = list(map(str, self.may.prefixes or ()))
            found["targets"] = list(map(str, self.may.targets or ()))
        flags = {"sample": self.sample, "debug": self.debug, "reads_only": self.reads_only}
        return found | {name: True for name, value in flags.items() if value}


def mint(grant: Grant, key: Ed25519PrivateKey) -> str:
    """The signed token. Raises: GrantRefused, when it is larger than a cookie may be."""
    token = jwt.encode(
        grant.claims(),
        key,
        algorithm=ALGORITHM,
        headers={"kid": grant.kid, "typ": TYPE},
    )
    if len(token) > TOKEN_BYTES_MAX:
        raise GrantRefused(Reason.OVERSIZE, f"{len(token)} bytes of {TOKEN_BYTES_MAX}")
    return token


def read_grant(token: bytes, keys: Mapping[str, Ed25519PublicKey], *, verify: bool = True) -> Grant:
    """What a token says, once its form and its signature are beyond doubt.

    Whether it is valid now is asked with `check_time`. Without `verify` anybody may have written
    it. Raises: GrantRefused.
    """
    header, payload = _opened(token)
    if header.get("alg") != ALGORITHM or header.get("typ") != TYPE:
        raise GrantRefused(Reason.ALGORITHM, "only EdDSA grants are taken")
    kid = header.get("kid")
    if set(header) != _HEADER or not isinstance(kid, str) or not KEY_ID.fullmatch(kid):
        raise GrantRefused(Reason.FORM, "the header has other fields than alg, kid and typ")
    if verify:
        key = keys.get(kid)
        if key is None:
            raise GrantRefused(Reason.KEY, kid)
        try:
            jwt.api_jws.PyJWS(algorithms=[ALGORITHM]).decode(token, key, algorithms=[ALGORITHM])
        except jwt.PyJWTError as error:
            raise GrantRefused(Reason.SIGNATURE) from error
    return _grant(kid, payload)


def check_time(grant: Grant, now_s: float, lifetime_s_max: float) -> None:
    """Whether it is valid now. Raises: GrantRefused."""
    if now_s >= grant.expires_s:
        raise GrantRefused(Reason.EXPIRED)
    if now_s < grant.not_before_s - NOT_BEFORE_SLACK_S:
        raise GrantRefused(Reason.EARLY)
    if grant.expires_s - grant.not_before_s > lifetime_s_max:
        raise GrantRefused(Reason.LIFETIME, f"longer than {lifetime_s_max:g} s")


def _opened(token: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload, each in the only spelling that it has."""
    if len(token) > TOKEN_BYTES_MAX:
        raise GrantRefused(Reason.OVERSIZE)
    parts = token.split(b".")
    if len(parts) != _PARTS or not all(parts):
        raise GrantRefused(Reason.FORM, "not three parts")
    raw = [_decoded(part) for part in parts]
    return _object(raw[0]), _object(raw[1])


def _decoded(part: bytes) -> bytes:
    try:
        raw = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise GrantRefused(Reason.ENCODING) from None
    # Spare bits in the last letter, padding and line breaks would spell one token in many ways.
    if base64.urlsafe_b64encode(raw).rstrip(b"=") != part:
        raise GrantRefused(Reason.ENCODING, "base64 that is not canonical")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise GrantRefused(Reason.DUPLICATE)
        return found

    try:
        value = json.loads(raw.decode("ascii"), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise GrantRefused(Reason.FORM, "no JSON in ASCII") from None
    if not isinstance(value, dict):
        raise GrantRefused(Reason.FORM, "no JSON object")
    return value


def _grant(kid: str, said: dict[str, Any]) -> Grant:
    fields = set(said)
    if not fields >= _REQUIRED or fields - _REQUIRED - _OPTIONAL:
        odd = sorted((_REQUIRED - fields) | (fields - _REQUIRED - _OPTIONAL))
        raise GrantRefused(Reason.CLAIMS, "missing or unknown: " + ", ".join(odd))
    hosts = _texts(said, "hosts")
    if not hosts or not all(_HOST.fullmatch(host) for host in hosts):
        raise GrantRefused(Reason.CLAIMS, "hosts")
    may = None
    if "prefixes" in said or "targets" in said:
        may = Capability(prefixes=_prefixes(said, "prefixes"), targets=_prefixes(said, "targets"))
    return Grant(
        id=_name(said, "jti"),
        name=_name(said, "sub"),
        kid=kid,
        hosts=hosts,
        not_before_s=_time(said, "nbf"),
        expires_s=_time(said, "exp"),
        override=_dtab(said),
        may=may,
        sample=_flag(said, "sample"),
        debug=_flag(said, "debug"),
        reads_only=_flag(said, "reads_only"),
    )


def _name(said: dict[str, Any], field: str) -> str:
    value = said[field]
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise GrantRefused(Reason.CLAIMS, field)
    return value


def _time(said: dict[str, Any], field: str) -> int:
    value = said[field]
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise GrantRefused(Reason.CLAIMS, field)
    return value


def _flag(said: dict[str, Any], field: str) -> bool:
    value = said.get(field, False)
    if not isinstance(value, bool):
        raise GrantRefused(Reason.CLAIMS, field)
    return value


def _texts(said: dict[str, Any], field: str) -> tuple[str, ...]:
    values = said.get(field, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise GrantRefused(Reason.CLAIMS, field)
    return tuple(values)


def _prefixes(said: dict[str, Any], field: str) -> tuple[Prefix, ...]:
    try:
        return tuple(read_prefix(text) for text in _texts(said, field))
    except DtabSyntaxError as error:
        raise GrantRefused(Reason.CLAIMS, f"{field}: {error}") from None


def _dtab(said: dict[str, Any]) -> Dtab:
    text = said.get("dtab", "")
    if not isinstance(text, str):
        raise GrantRefused(Reason.CLAIMS, "dtab")
    try:
        return read_dtab(text)
    except DtabSyntaxError as error:
        raise GrantRefused(Reason.CLAIMS, f"dtab: {error}") from None
