"""How many requests one client, host or grant may make. Pure: the clock is an argument.

The generic cell rate algorithm keeps one number a key, the time at which its next request would
be on schedule; a key may be ahead of the schedule by a burst.
Source: ITU-T I.371, annex A.1 (virtual scheduling).
"""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final, NamedTuple

KEYS_MAX: Final = 100_000  # about 10 MB
# Sums of floats: a request that is on schedule to the nanosecond is on schedule.
_SLACK_S: Final = 1e-9
_SITE_BITS: Final = 64


class Rate(NamedTuple):
    """So many in a second, and so many at once."""

    per_s: float
    burst: int


class Meter:
    """One rate for many keys, in bounded memory.

    Two generations of keys: the older one is dropped when the younger is full. A key that is in
    use moves to the younger, so a flood of new keys forgets those who are quiet.
    """

    __slots__ = ("_ahead_s", "_every_s", "_half", "_new", "_old", "rate", "refused")

    def __init__(self, rate: Rate, keys_max: int = KEYS_MAX) -> None:
        self.rate = rate
        self.refused = 0
        self._every_s = 1.0 / rate.per_s
        self._ahead_s = (rate.burst - 1) * self._every_s + _SLACK_S
        self._half = max(1, keys_max // 2)
        self._new: dict[bytes | str, float] = {}
        self._old: dict[bytes | str, float] = {}

    def take(self, key: bytes | str, now: float) -> float:
        """0.0 if the request may pass, else after how many seconds it may.

        now: any monotonic clock, seconds.
        """
        due = self._new.get(key)
        if due is None:
            due = self._old.get(key, 0.0)
            if len(self._new) >= self._half:
                self._old, self._new = self._new, {}
        due = max(due, now)
        wait_s = due - now - self._ahead_s
        if wait_s > 0.0:
            self._new[key] = due
            self.refused += 1
            return wait_s
        self._new[key] = due + self._every_s
        return 0.0

    def give_back(self, key: bytes | str) -> None:
        """The last request of this key does not count."""
        due = self._new.get(key)
        if due is not None:
            self._new[key] = due - self._every_s

    def __len__(self) -> int:
        return len(self._new) + len(self._old)


def client_key(ip: str) -> str:
    """What one client may be taken for: the IPv4 address, or the /64 of the IPv6 address.

    A site owns a /64, so counting single IPv6 addresses would count nothing.
    """
    if ":" not in ip:
        return ip
    try:
        address = IPv6Address(ip.partition("%")[0])
    except ValueError:
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{int(address) >> (128 - _SITE_BITS):x}/{_SITE_BITS}"
