"""What an outsider, and what an employee, may say about the routing of a request. Pure.

An outsider may say nothing: every `l5d-*` header is dropped unread. A rule that matches the
request's cookie grants a capability: a fixed override, or leave to bring context and a dtab of
one's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dtab import Alt, Dtab, Empty, Fail, Leaf, NameTree, Neg, Path, Union
from wire.head import values

if TYPE_CHECKING:
    from collections.abc import Sequence

# `_` and `.` for `-` reach applications as the same name through CGI-like gateways.
OURS: Final = re.compile(rb"\r\nl5d[-_.]", re.IGNORECASE)
# Overriding these would leave the mesh (`/$/inet/…`) or pick discovery entries by hand (`/#/…`).
_RESERVED: Final = (b"$", b"#")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of trust.

    Shape: the cookie must equal `value`, byte for byte, and be given once; `override` is dtab text
    that the request gets; `may_override` lets the request bring its own dtab and context,
    `may_sample` its own sample rate.
    """

    name: str
    cookie: bytes
    value: bytes
    override: bytes = b""
    may_override: bool = False
    may_sample: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about one request's head."""

    rule: Rule | None
    dropped: bool  # whether there was anything of ours to drop
    reason: str


_OUTSIDER: Final = Verdict(None, dropped=False, reason="no rule of trust applies")
_OUTSIDER_DROPPED: Final = Verdict(
    None, dropped=True, reason="no rule of trust applies: its l5d-* headers are dropped"
)


class Policy:
    """Rules, in order; the first that matches decides."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)
        self._cookies = tuple({rule.cookie for rule in rules})

    def decide(self, block: bytes) -> Verdict:
        """The verdict on a head's lines."""
        for cookie in self._cookies:
            if cookie in block:
                rule = self._matching(block)
                if rule is not None:
                    return Verdict(
                        rule, dropped=False, reason=f"rule {rule.name}: its cookie matches"
                    )
                break
        return _OUTSIDER_DROPPED if OURS.search(block) else _OUTSIDER

    def _matching(self, block: bytes) -> Rule | None:
        jar = cookies(block)
        for rule in self.rules:
            if jar.get(rule.cookie) == [rule.value]:
                return rule
        return None


def cookies(block: bytes) -> dict[bytes, list[bytes]]:
    """Every cookie of a head, with all values it was given.

    Names and values as sent: case counts, quotes stay.
    """
    jar: dict[bytes, list[bytes]] = {}
    for line in values(block, b"cookie"):
        for pair in line.split(b";"):
            name, equals, value = pair.strip(b" \t").partition(b"=")
            if equals:
                jar.setdefault(name, []).append(value)
    return jar


def leaves_the_mesh(table: Dtab) -> Path | None:
    """The first name in an override that would pass the mesh's own rules by, or None.

    Source: an override may not name an address (`/$/inet/169.254.169.254/80`) or a discovery entry.
    """
    for entry in table:
        first = entry.prefix.elems[:1]
        if not first or not isinstance(first[0], bytes) or first[0] in _RESERVED:
            return Path((str(entry.prefix).encode(),))
        found = _reserved_leaf(entry.dst)
        if found is not None:
            return found
    return None


def _reserved_leaf(tree: NameTree[Path]) -> Path | None:
    match tree:
        case Leaf(path):
            return path if not path.labels or path.labels[0] in _RESERVED else None
        case Alt(trees):
            return next(filter(None, map(_reserved_leaf, trees)), None)
        case Union(parts):
            return next(filter(None, (_reserved_leaf(part.tree) for part in parts)), None)
        case Neg() | Fail() | Empty():
            return None
