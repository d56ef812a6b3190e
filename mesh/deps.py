"""What a router needs of the world: clock, dice, ids, the recorder. Tests hand in their own."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.access_log import AccessLog
    from tracing.exchange import ExchangeRecord
    from tracing.span import SpanRecord


def new_span_id() -> bytes:
    """Eight random bytes, never all zero."""
    return (random.getrandbits(64) or 1).to_bytes(8, "big")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Clock, dice and sinks."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_ns: Callable[[], int] = time.time_ns
    dice: Callable[[], float] = random.random
    new_id: Callable[[], bytes] = new_span_id
    salt: int = field(default_factory=lambda: random.getrandbits(64))
    record: Callable[[SpanRecord], None] | None = None  # None: no tracer
    exchange: Callable[[ExchangeRecord], None] | None = None  # both spans of an ordinary exchange
    sample_rate: float | None = None  # of the tracer; None: no tracer
    access: AccessLog | None = None  # None: no access log
