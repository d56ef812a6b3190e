"""Whose words an override is made of, and which addresses they may name. Pure.

A rule's override is the operator's own. A grant's is its signer's, a request's is its sender's:
each may lead past the mesh's own names only where somebody has opened that by saying so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dtab import Prefix, read_prefix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtab import Path
    from edge.rules.capability import Capability

# Below it are the names that stand for addresses (`/$/inet/…`), and the rewriters.
SYSTEM = b"$"


class Scope(NamedTuple):
    """The authors of one local dtab, as a few words behind a route's key.

    Shape: the first `given` entries come from a rule or a grant, the rest from the request.
    `opened` are addresses that somebody has opened, outermost first; as many of them must hold an
    address as the author of a label in it has stages: 0 for the operator, `given_stages` for the
    first entries, all of them for the request's own.
    """

    given: int
    given_stages: int
    opened: tuple[tuple[Prefix, ...], ...]

    def written(self) -> bytes:
        """The words; `read_scope` reads them."""
        stages = ("|".join(map(str, prefixes)) or "-" for prefixes in self.opened)
        return " ".join((str(self.given), str(self.given_stages), *stages)).encode()

    def opens(self, address: Path, stages: int) -> bool:
        """Whether labels of an author with so many stages may name this address."""
        name = Prefix(address.labels)
        return all(
            any(prefix.covers(name) for prefix in prefixes) for prefixes in self.opened[:stages]
        )


def read_scope(words: bytes) -> Scope:
    """The scope in a route's key."""
    given, given_stages, *stages = words.decode().split(" ")
    return Scope(int(given), int(given_stages), tuple(map(_prefixes, stages)))


def _prefixes(text: str) -> tuple[Prefix, ...]:
    return () if text == "-" else tuple(map(read_prefix, text.split("|")))


def scope_of(given: int, bounds: Sequence[Capability], *, by_operator: bool) -> Scope:
    """The scope of overrides within these bounds, outermost first."""
    opened = tuple(
        tuple(one for one in bound.targets or () if one.elems[:1] == (SYSTEM,)) for bound in bounds
    )
    return Scope(given, 0 if by_operator else min(1, len(opened)), opened)
