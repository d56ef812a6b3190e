"""Power of two choices: the better standing wins, then the fewer pending requests.

Source: Linkerd's default balancer, p2c with maxEffort 5: it picks anew while the winner is not
available.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EFFORT_MAX: Final = 5


class Candidate(Protocol):
    """What balancing needs to know of an endpoint."""

    pending: int
    weight: float

    def available(self, now: float) -> bool:
        """Whether its standing allows a request."""


C = TypeVar("C", bound=Candidate)


def pick(
    candidates: Sequence[C], now: float, dice: Callable[[], float], avoid: Sequence[C] = ()
) -> C:
    """The endpoint for the next request.

    Shape: candidates is not empty; `avoid` holds those that this request has failed on, taken only
    when nothing else is there. If none is available one is picked all the same: a request that
    might work beats one that cannot.
    Units: now in seconds, dice uniform in [0, 1).
    """
    if avoid:
        candidates = [one for one in candidates if one not in avoid] or candidates
    size = len(candidates)
    if size == 1:
        return candidates[0]
    winner = candidates[0]
    for _ in range(EFFORT_MAX):
        first = int(dice() * size)
        second = int(dice() * (size - 1))
        if second >= first:
            second += 1
        winner = _better(candidates[first], candidates[second], now)
        if winner.available(now):
            return winner
    for one in candidates:
        if one.available(now):
            return one
    return winner


def _better(one: C, other: C, now: float) -> C:
    if one.available(now) is not other.available(now):
        return one if one.available(now) else other
    return one if one.pending <= other.pending else other


def weighted_classes(candidates: Sequence[C]) -> list[tuple[float, list[C]]]:
    """Endpoints by weight with each class's share, weight x members; the heaviest first."""
    classes: dict[float, list[C]] = {}
    for one in candidates:
        classes.setdefault(one.weight, []).append(one)
    return [
        (weight * len(members), members)
        for weight, members in sorted(classes.items(), key=lambda item: -item[0])
    ]


def draw(shares: Sequence[float], dice: Callable[[], float]) -> int:
    """An index, with probability share / sum of shares; all shares zero: equal parts."""
    total = sum(shares)
    if total <= 0.0:
        return int(dice() * len(shares))
    point = dice() * total
    for index, share in enumerate(shares):
        point -= share
        if point < 0.0:
            return index
    return len(shares) - 1
