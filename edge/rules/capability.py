"""What an override may say: which names it may override, and where it may lead. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dtab import Dtab, Prefix, leafs
from dtab.path import Wildcard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtab import Path

# Overriding these would leave the mesh (`/$/inet/…`) or pick discovery entries by hand (`/#/…`).
_RESERVED: Final = (b"$", b"#")
# One request's own: a person writes one or two, a tool a few dozen.
ENTRIES_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """The bounds of an override.

    Shape: `prefixes` cover what may be overridden, `targets` where it may lead; None is every name
    of the mesh's own. Names under `/$` and `/#` are open only to an entry that begins so.
    """

    prefixes: tuple[Prefix, ...] | None = None
    targets: tuple[Prefix, ...] | None = None

    def refuses(self, table: Dtab) -> str | None:
        """Why this table is outside, or None."""
        if len(table) > ENTRIES_MAX:
            return f"an override may have {ENTRIES_MAX} entries, not {len(table)}"
        for entry in table:
            if not _within(entry.prefix, self.prefixes):
                return _told(entry.prefix, "override", self.prefixes)
            for path in leafs(entry.dst):
                target = Prefix(path.labels)
                if not _within(target, self.targets):
                    return _told(path, "lead to", self.targets)
        return None


def _within(name: Prefix, allowed: Sequence[Prefix] | None) -> bool:
    first = name.elems[:1]
    if not first or isinstance(first[0], Wildcard):
        return False  # `/` and `/*` are every name, the reserved ones included
    if first[0] in _RESERVED:
        return any(one.elems[:1] == first and one.covers(name) for one in allowed or ())
    return allowed is None or any(one.covers(name) for one in allowed)


def _told(name: Prefix | Path, verb: str, allowed: Sequence[Prefix] | None) -> str:
    if allowed is None:
        return f"an override may not {verb} {name}: it leads past the mesh's own names"
    shown = ", ".join(map(str, allowed)) or "nothing"
    return f"this override may not {verb} {name}; allowed: {shown}"
