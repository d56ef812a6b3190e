"""What a router needs of the world: clock, dice, ids, the recorder. Tests hand in their own."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mesh.access.log import AccessLog
    from tracing.exchange import Record


def span_ids() -> Iterator[bytes]:
    """Eight random bytes each, never all zero; drawn many at once, for a request needs two."""
    while True:
        drawn = random.randbytes(_DRAWN_BYTES)
        for at in range(0, _DRAWN_BYTES, 8):
            one = drawn[at : at + 8]
            if one != _NO_ID:
                yield one


_DRAWN_BYTES: Final = 4_096
_NO_ID: Final = bytes(8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Clock, dice and sinks."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns
    dice: Callable[[], float] = random.random
    new_id: Callable[[], bytes] = field(default_factory=lambda: span_ids().__next__)
    salt: int = field(default_factory=lambda: random.getrandbits(64))
    # Takes a span, or both of an ordinary exchange; None: no tracer.
    record: Callable[[Record], None] | None = None
    sample_rate: float | None = None  # of the tracer; None: no tracer
    access: AccessLog | None = None  # None: no access log
