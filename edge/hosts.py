"""Which hosts are ours: one normal form, exact names and `*.suffix`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def normal_host(host: bytes) -> bytes:
    """Lower case, no port, no final dot: the one form that rules, routes and upstreams see.

    Shape: a host that the wire accepted; an IP literal keeps its brackets.
    """
    name = host.lower()
    if name.startswith(b"["):
        return name[: name.find(b"]") + 1]
    return name.partition(b":")[0].rstrip(b".")


class Hosts:
    """The set of hosts that the edge routes; all others get the default answer."""

    def __init__(self, names: Sequence[str]) -> None:
        self._exact = frozenset(
            name.lower().encode() for name in names if not name.startswith("*.")
        )
        self._suffixes = tuple(name[1:].lower().encode() for name in names if name.startswith("*."))

    def __contains__(self, host: bytes) -> bool:
        return host in self._exact or (bool(self._suffixes) and host.endswith(self._suffixes))
