"""The rate limits of the gateway, and the answer beyond them. Pure: the clock is an argument."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge.rules.rates import KEYS_MAX, Meter, Rate, client_key
from edge.verdict.context import Answer

if TYPE_CHECKING:
    from edge.verdict.context import EdgeContext

TOO_MANY_REQUESTS = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Rates by what they count; None: no limit."""

    client: Rate | None = None
    host: Rate | None = None
    grant: Rate | None = None
    clients_max: int = KEYS_MAX


class Limiter:
    """Counts each request against its client, its host and its grant."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._client = _meter(limits.client, limits.clients_max)
        self._host = _meter(limits.host, KEYS_MAX)
        self._grant = _meter(limits.grant, KEYS_MAX)
        self.active = any((limits.client, limits.host, limits.grant))

    @property
    def refused(self) -> dict[str, int]:
        """How many requests were refused, by limit."""
        meters = {"client": self._client, "host": self._host, "grant": self._grant}
        return {name: meter.refused for name, meter in meters.items() if meter is not None}

    def check(self, context: EdgeContext, now: float) -> Answer | None:
        """The refusal, if a limit is reached. now: a monotonic clock, seconds."""
        if self._client is not None:
            wait_s = self._client.take(client_key(context.client), now)
            if wait_s > 0.0:
                return _refusal(wait_s, self._client.rate)
        if self._grant is not None and context.grant is not None:
            wait_s = self._grant.take(context.grant.id, now)
            if wait_s > 0.0:
                return _refusal(wait_s, self._grant.rate)
        if self._host is not None and context.place is not None:
            # The rule, not the name: whoever makes up names below `*.suffix` gains nothing.
            wait_s = self._host.take(context.place.pattern, now)
            if wait_s > 0.0:
                return _refusal(wait_s, self._host.rate)
        return None


def _meter(rate: Rate | None, keys_max: int) -> Meter | None:
    return None if rate is None else Meter(rate, keys_max)


def _refusal(wait_s: float, rate: Rate) -> Answer:
    """429 with when to come back.

    Source: RFC 9110, 10.2.3 (Retry-After, whole seconds); the RateLimit fields as the HTTPAPI
    working group's draft 7 writes them.
    """
    after = max(1, math.ceil(wait_s))
    window = max(1, math.ceil(rate.burst / rate.per_s))
    block = (
        b"\r\nRetry-After: %d\r\nRateLimit: limit=%d, remaining=0, reset=%d"
        b"\r\nRateLimit-Policy: %d;w=%d" % (after, rate.burst, after, rate.burst, window)
    )
    return Answer(TOO_MANY_REQUESTS, "rate", "", block)
