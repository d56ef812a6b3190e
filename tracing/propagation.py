"""The headers that a trace comes in by and goes on by. Pure.

Formats are read in a stated order: the first that names a span counts, and what cannot be read is
as good as absent. A decision without ids counts where no format names a span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from tracing import b3
from tracing.b3 import Extracted
from tracing.context import SAMPLED, SAMPLING_KNOWN, TraceContext
from tracing.l5d import child_lines, read_context
from tracing.w3c import clean_tracestate, read_traceparent, write_traceparent
from wire.head import header_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Format = Literal["l5d", "b3", "b3-multi", "w3c"]
# The gateway's order for whom it trusts: our own form, then Zipkin's, then what everyone sends.
FORMATS: Final[tuple[Format, ...]] = ("l5d", "b3", "b3-multi", "w3c")


class Inbound(NamedTuple):
    """What a caller sent of a trace.

    Shape: `trace` is the caller's span; `sample` is 0.0 or 1.0 where a decision came without one;
    `state` is the tracestate that goes on with a trace of traceparent's.
    """

    trace: TraceContext | None = None
    sample: float | None = None
    state: bytes = b""


NOTHING: Final = Inbound()


class Propagation:
    """One hop's formats. `names` are patterns of the header names that it writes itself.

    `inject(trace, child_id)` gives the lines that tell the next hop of a child of the span, each
    led by CRLF.
    """

    __slots__ = ("_marks", "_write", "inject", "names", "read", "write")

    def __init__(self, read: Sequence[Format], write: Sequence[Format]) -> None:
        self.read = tuple(read)
        self.write = tuple(write)
        self.names = tuple(name for one in write for name in _NAMES[one])
        self._marks = tuple(mark for one in read for mark in _MARKS[one])
        self._write = tuple(_WRITERS[one] for one in write)
        self.inject: Callable[[TraceContext, bytes], bytes] = (
            self._write[0] if len(self._write) == 1 else self._inject_all
        )

    def extract(self, block: bytes) -> Inbound:
        """What a block of header lines says; of a repeated header the first counts."""
        lowered = block.lower()
        if not any(mark in lowered for mark in self._marks):
            return NOTHING
        said: dict[bytes, bytes] = {}
        states: list[bytes] = []
        for name, value in header_lines(block):
            key = name.lower()
            said.setdefault(key, value)
            if key == b"tracestate":
                states.append(value)
        flags = 0
        for one in self.read:
            found = _READERS[one](said)
            if found.context is not None:
                state = clean_tracestate(states) if one == "w3c" else None
                return Inbound(found.context, state=state or b"")
            flags = flags or found.flags
        if not flags & SAMPLING_KNOWN:
            return NOTHING
        return Inbound(sample=1.0 if flags & SAMPLED else 0.0)

    def _inject_all(self, trace: TraceContext, child_id: bytes) -> bytes:
        return b"".join([write(trace, child_id) for write in self._write])


def _read_l5d(said: Mapping[bytes, bytes]) -> Extracted:
    value = said.get(b"l5d-ctx-trace")
    return b3.NOTHING if value is None else Extracted(read_context(value))


def _read_b3(said: Mapping[bytes, bytes]) -> Extracted:
    value = said.get(b"b3")
    return b3.NOTHING if value is None else b3.read_single(value)


def _read_w3c(said: Mapping[bytes, bytes]) -> Extracted:
    value = said.get(b"traceparent")
    return b3.NOTHING if value is None else Extracted(read_traceparent(value))


def _b3_lines(trace: TraceContext, child_id: bytes) -> bytes:
    return b"\r\nb3: " + b3.write_single(trace.child(child_id))


def _b3_multi_lines(trace: TraceContext, child_id: bytes) -> bytes:
    return b"".join(b"\r\n%b: %b" % line for line in b3.write_multi(trace.child(child_id)))


def _w3c_lines(trace: TraceContext, child_id: bytes) -> bytes:
    return b"\r\ntraceparent: " + write_traceparent(trace.child(child_id))


_READERS: Final[Mapping[Format, Callable[[Mapping[bytes, bytes]], Extracted]]] = {
    "l5d": _read_l5d,
    "b3": _read_b3,
    "b3-multi": b3.read_multi,
    "w3c": _read_w3c,
}
_WRITERS: Final[Mapping[Format, Callable[[TraceContext, bytes], bytes]]] = {
    "l5d": child_lines,
    "b3": _b3_lines,
    "b3-multi": _b3_multi_lines,
    "w3c": _w3c_lines,
}
_MARKS: Final[Mapping[Format, tuple[bytes, ...]]] = {
    "l5d": (b"\r\nl5d-ctx-trace",),
    "b3": (b"\r\nb3",),
    "b3-multi": (b"\r\nx-b3",),
    "w3c": (b"\r\ntraceparent",),
}
_NAMES: Final[Mapping[Format, tuple[bytes, ...]]] = {
    "l5d": (b"l5d-ctx-trace", b"l5d-reqid"),
    "b3": (b"b3",),
    "b3-multi": (rb"x-b3-(?:traceid|spanid|parentspanid|sampled|flags)",),
    "w3c": (b"traceparent", b"tracestate"),
}

LINKERD: Final = Propagation(("l5d",), ("l5d",))  # io.l5d.default
ZIPKIN: Final = Propagation(("b3-multi",), ("b3-multi",))  # io.l5d.zipkin
GATEWAY: Final = Propagation(FORMATS, ("l5d",))
