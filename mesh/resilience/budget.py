"""Retry budgets: requests earn tokens, retries spend them.

So retries can never be more than a share of the traffic.

Source: Finagle's token bucket as Linkerd 1.7.5 configures it (minRetriesPerSec 10, percentCanRetry
0.2, ttlSecs 10).
"""

from __future__ import annotations

from collections import deque
from typing import Final

_DEPOSIT: Final = 1_000
_SLICES: Final = 10  # the window moves in tenths of the ttl


class RetryBudget:
    """Tokens of one service. Times are seconds of any one clock."""

    __slots__ = ("_cost", "_earned", "_reserve", "_slice_s", "_slices", "_sum", "fresh")

    def __init__(
        self, min_retries_per_s: int = 10, percent_can_retry: float = 0.2, ttl_s: float = 10.0
    ) -> None:
        # Without a share nothing is earned, and the reserve is spent at the full price of a
        # request.
        self._earned = _DEPOSIT if percent_can_retry > 0 else 0
        self._cost = int(_DEPOSIT / percent_can_retry) if percent_can_retry > 0 else _DEPOSIT
        self._reserve = int(min_retries_per_s * ttl_s) * self._cost
        self._slice_s = ttl_s / _SLICES
        self._slices: deque[list[int]] = deque()  # [slice number, tokens], oldest first
        self._sum = 0
        # Requests since the last settling: whoever sends one adds it, for a call costs 0.1 µs. Its
        # tokens count from the next settling on, half a second later.
        self.fresh = 0

    def _expire(self, now: float) -> int:
        number = int(now / self._slice_s)
        while self._slices and self._slices[0][0] <= number - _SLICES:
            self._sum -= self._slices.popleft()[1]
        return number

    def _add(self, now: float, tokens: int) -> None:
        number = self._expire(now)
        if self._slices and self._slices[-1][0] == number:
            self._slices[-1][1] += tokens
        else:
            self._slices.append([number, tokens])
        self._sum += tokens

    def settle(self, now: float) -> None:
        """Turn requests since the last settling into tokens."""
        fresh, self.fresh = self.fresh, 0
        if fresh and self._earned:
            self._add(now, fresh * self._earned)

    def balance(self, now: float) -> int:
        """How many retries could be made now."""
        self.settle(now)
        self._expire(now)
        return max(0, self._sum + self._reserve) // self._cost

    def withdraw(self, now: float) -> bool:
        """Spend one retry; False when there is none left."""
        if self.balance(now) < 1:
            return False
        self._add(now, -self._cost)  # it expires as deposits do, so the reserve refills
        return True
