"""The collector's own sampler: keep or pass over whole traces by their id."""

import struct
from typing import Final

from tracing.pipeline.model import V2Span, low_half

_LONG_MAX: Final = (1 << 63) - 1


class BoundarySampler:
    """Keeps a trace when the size of its id's low half is at most rate x 2^63.

    The product is one of 32-bit floats, as in Zipkin, so both servers keep the same traces.
    Debug spans are always kept.
    """

    def __init__(self, rate: float) -> None:
        single: float = struct.unpack("f", struct.pack("f", rate))[0]
        self._boundary = min(int(single * 2.0**63), _LONG_MAX)
        self.keeps_all = rate >= 1.0

    def keeps(self, span: V2Span) -> bool:
        """The decision for one span, the same for all of its trace but debug ones."""
        return bool(span.debug) or self.keeps_low(low_half(span.trace_id))

    def keeps_low(self, low: int) -> bool:
        """The decision by the low half of a trace's id, signed."""
        return min(abs(low), _LONG_MAX) <= self._boundary
