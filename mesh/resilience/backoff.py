"""How long to wait before the next try, one wait after the other. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Backoff(Protocol):
    """A row of waits in seconds. dice: uniform in [0, 1)."""

    def next_s(self, last_s: float, dice: Callable[[], float]) -> float:
        """The wait that follows `last_s`, which is 0 before the first one."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same wait."""

    wait_s: float = 0.0

    def next_s(self, last_s: float, dice: Callable[[], float]) -> float:
        """The wait."""
        del last_s, dice
        return self.wait_s


@dataclass(frozen=True, slots=True)
class Jittered:
    """`jittered`: from the least wait on, uniform between the last one and three times the last.

    Source: Linkerd 1.7.5, Finagle's decorrelated jitter.
    """

    min_s: float
    max_s: float

    def next_s(self, last_s: float, dice: Callable[[], float]) -> float:
        """The least one first."""
        if not last_s:
            return self.min_s
        return last_s + (max(min(3.0 * last_s, self.max_s), last_s) - last_s) * dice()
