"""Which hosts are ours: one normal form, exact names, `*.suffix`, `*`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

# Spellings of our hosts, ports and capitals included. A full memo is emptied: an attacker who
# fills it costs everyone one slow look-up, and himself 4,096 requests.
MEMO_MAX: Final = 4_096


def normal_host(host: bytes) -> bytes:
    """Lower case, no port, no final dot: the one form that rules, routes and upstreams see.

    Shape: a host that the wire accepted; an IP literal keeps its brackets.
    """
    name = host.lower()
    if name.startswith(b"["):
        return name[: name.find(b"]") + 1]
    return name.partition(b":")[0].removesuffix(b".")


class HostTable(Generic[T]):
    """From a host as sent to its normal form and what is configured for it."""

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._exact: dict[bytes, T] = {}
        self._suffixes: dict[bytes, T] = {}
        self._default: T | None = None
        self._memo: dict[bytes, tuple[bytes, T]] = {}
        for name, value in entries.items():
            pattern = name.lower().encode()
            if pattern == b"*":
                self._default = value
            elif pattern.startswith(b"*."):
                self._suffixes[pattern[1:]] = value
            else:
                self._exact[pattern] = value

    def find(self, host: bytes) -> tuple[bytes, T | None]:
        """The normal form, and the entry: exact, else the longest suffix, else `*`, else None."""
        known = self._memo.get(host)
        if known is not None:
            return known
        name = normal_host(host)
        value = self._exact.get(name)
        if value is None:
            value = self._below(name)
        if value is None:
            return name, None
        if len(self._memo) >= MEMO_MAX:
            self._memo.clear()
        self._memo[host] = found = (name, value)
        return found

    def _below(self, name: bytes) -> T | None:
        if self._suffixes:
            dot = name.find(b".")
            while dot >= 0:
                value = self._suffixes.get(name[dot:])
                if value is not None and dot:
                    return value
                dot = name.find(b".", dot + 1)
        return self._default
