"""What the connections of one port may cost: how many, how slow, how long idle."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

# Who wants an answer reads so many bytes of it a second, also over a bad line.
RATE_MIN: Final = 16_384
# How long the rest of a request may take to come once the collector ends.
ENDING_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Units: seconds from a head's first byte, since the last request, since a peer last read."""

    connections_max: int = 1_000
    head_within_s: float = 10.0
    idle_within_s: float = 75.0
    unread_within_s: float = 30.0


class Member(Protocol):
    """A connection."""

    def turn_away(self) -> None:
        """End at once: another needs the place."""


class Crowd:
    """The connections of one port, a bounded number.

    Who comes when all places are taken gets that of the connection that idles longest; only where
    none idles is it sent away itself. So those who connect and say nothing shut out nobody.

    Shape: `ended` counts by reason connections that were not let go on.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.ended = dict.fromkeys(("crowded", "malformed", "too_large", "slow", "unread"), 0)
        self._idle: dict[Member, None] = {}  # the one that idles longest comes first
        self._busy: set[Member] = set()

    def __len__(self) -> int:
        return len(self._idle) + len(self._busy)

    def enter(self, one: Member) -> None:
        """It has come, and idles; or is turned away."""
        if len(self) >= self.bounds.connections_max:
            longest = next(iter(self._idle), one)
            self.ended["crowded"] += 1
            self.leave(longest)
            longest.turn_away()
            if longest is one:
                return
        self._idle[one] = None

    def busy(self, one: Member) -> None:
        """It has sent something that is worked on."""
        if one in self._idle:
            del self._idle[one]
            self._busy.add(one)

    def idle(self, one: Member) -> None:
        """It has got its answer."""
        if one in self._busy:
            self._busy.discard(one)
            self._idle[one] = None

    def leave(self, one: Member) -> None:
        """It is gone."""
        self._idle.pop(one, None)
        self._busy.discard(one)


class Alarm:
    """One deadline at a time. Setting it anew while it is set changes nothing."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float) -> None:
        """Ring after so long, unless it is set already."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._over)

    def off(self) -> None:
        """Not any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _over(self) -> None:
        self._timer = None
        self._ring()


class Unread:
    """Ends a connection whose peer asks, but does not read what it asked for.

    Any byte that waits counts: a connection that was closed stays as long as one does.
    """

    def __init__(self, transport: asyncio.Transport, crowd: Crowd) -> None:
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._crowd = crowd
        self._left = 0
        self._alarm = Alarm(self._look)

    def begin(self) -> None:
        """Something waits for the peer, and nothing more should be written."""
        self._left = self._transport.get_write_buffer_size()
        self._alarm.within(self._crowd.bounds.unread_within_s)

    def off(self) -> None:
        """It has read, or is gone."""
        self._alarm.off()

    def _look(self) -> None:
        read = self._left - self._transport.get_write_buffer_size()
        if read < RATE_MIN * self._crowd.bounds.unread_within_s:
            self._crowd.ended["unread"] += 1
            self._transport.abort()
        else:
            self.begin()
