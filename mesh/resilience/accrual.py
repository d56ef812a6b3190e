"""Failure accrual: when an endpoint stops getting requests, and how it comes back.

ALIVE --limit reached--> DEAD --back-off over--> PROBING --probe ok--> ALIVE
                          ^-------------probe failed---------'
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.resilience.backoff import Backoff


class Standing(Enum):
    """An endpoint's standing with us."""

    ALIVE = "alive"
    DEAD = "dead"
    PROBING = "probing"


class Signal(Enum):
    """What may change a standing."""

    LIMIT_REACHED = "limit reached"
    BACKOFF_OVER = "back-off over"
    PROBE_OK = "probe ok"
    PROBE_FAILED = "probe failed"


NEXT: Final = {
    (Standing.ALIVE, Signal.LIMIT_REACHED): Standing.DEAD,
    (Standing.DEAD, Signal.BACKOFF_OVER): Standing.PROBING,
    (Standing.PROBING, Signal.PROBE_OK): Standing.ALIVE,
    (Standing.PROBING, Signal.PROBE_FAILED): Standing.DEAD,
}  # a pair that is not listed is a bug and raises

# Finagle's equal-jittered back-off: first 5 s exactly, then uniform in 5-10, 10-20 … up to 300.
BACKOFF_MIN_S: Final = 5.0
BACKOFF_MAX_S: Final = 300.0


def backoff_s(removals: int, dice: Callable[[], float]) -> float:
    """How long an endpoint stays dead after its n-th removal in a row (from 1).

    dice: uniform in [0, 1).
    """
    if removals <= 1:
        return BACKOFF_MIN_S
    low = min(BACKOFF_MIN_S * 2.0 ** min(removals - 2, 30), BACKOFF_MAX_S)
    high = min(low * 2.0, BACKOFF_MAX_S)
    return low + (high - low) * dice()


class Accrual:
    """Consecutive failures of one endpoint (`io.l5d.consecutiveFailures`).

    `failures_max` 0 switches it off; without `backoff` it is Linkerd's own, of 5 to 300 s.
    """

    __slots__ = (
        "_backoff",
        "_dice",
        "_failures_max",
        "_waited_s",
        "dead_until",
        "failures",
        "removals",
        "standing",
    )

    def __init__(
        self, failures_max: int, dice: Callable[[], float], backoff: Backoff | None = None
    ) -> None:
        self._backoff = backoff
        self._waited_s = 0.0
        self._failures_max = failures_max
        self._dice = dice
        self.standing = Standing.ALIVE
        self.failures = 0
        self.removals = 0
        self.dead_until = 0.0

    def available(self, now: float) -> bool:
        """Whether a request may go there: alive, or dead long enough to be probed.

        now: seconds, any clock.
        """
        if self.standing is Standing.ALIVE:
            return True
        return self.standing is Standing.DEAD and now >= self.dead_until

    def on_pick(self, now: float) -> None:
        """A request goes there; to a dead endpoint whose back-off is over it is the probe."""
        if self.standing is Standing.DEAD and now >= self.dead_until:
            self._step(Signal.BACKOFF_OVER)

    def on_success(self) -> None:
        """The classifier said success."""
        self.failures = 0
        if self.standing is Standing.PROBING:
            self._step(Signal.PROBE_OK)
            self.removals = 0

    def on_failure(self, now: float) -> None:
        """The classifier, or the connection, said failure."""
        self.failures += 1
        if self.standing is Standing.PROBING:
            self._step(Signal.PROBE_FAILED)
            self._remove(now)
        elif (
            self.standing is Standing.ALIVE
            and self._failures_max
            and self.failures >= self._failures_max
        ):
            self._step(Signal.LIMIT_REACHED)
            self._remove(now)

    def _remove(self, now: float) -> None:
        self.removals += 1
        if self._backoff is None:
            wait_s = backoff_s(self.removals, self._dice)
        else:
            last_s = self._waited_s if self.removals > 1 else 0.0
            wait_s = self._waited_s = self._backoff.next_s(last_s, self._dice)
        self.dead_until = now + wait_s

    def _step(self, signal: Signal) -> None:
        self.standing = NEXT[self.standing, signal]
