"""Whether a trace is recorded: Linkerd's arithmetic and Linkerd's table of flags."""

from typing import Final

from tracing.context import DEBUG, SAMPLED, SAMPLING_KNOWN, TraceContext

# Finagle compares in steps of 1/10000, so that is the finest rate there is.
_STEPS: Final = 10_000
_SIGN: Final = 1 << 63
_WRAP: Final = 1 << 64


def sampled(trace_id: bytes, rate: float, salt: int) -> bool:
    """The decision for a whole trace, the same for every span of it under one salt.

    Units: rate is 0.0 to 1.0, both exact; salt is any 64-bit number, picked once a process.
    Source: finagle-zipkin-core Sampler: abs(low 64 bits XOR salt) mod 10000 < rate x 10000.
    """
    if rate <= 0.0:
        return False
    if rate >= 1.0:
        return True
    mixed = int.from_bytes(trace_id[-8:], "big") ^ (salt % _WRAP)
    if mixed >= _SIGN:
        mixed = _WRAP - mixed
    return mixed % _STEPS < rate * _STEPS


def decide(
    ctx: TraceContext, sample_header: float | None, rate: float | None, salt: int
) -> tuple[TraceContext, bool]:
    """The context to pass on, and whether this process records its spans.

    sample_header is l5d-sample as read_sample gives it; rate is the tracer's, None without one.
    The order: debug always accepts; l5d-sample beats the decision that came along; that beats the
    rate. The verdict is OR-ed into the flags, so "sampled" is never taken back on the wire.
    Source: the flag table of Linkerd 1.7.5, every row of it a test.
    """
    flags = ctx.flags
    if flags & DEBUG:
        accept = True
    elif sample_header is not None:
        accept = sampled(ctx.trace_id, sample_header, salt)
    elif flags & SAMPLING_KNOWN:
        # Nothing to write: the hot path for every hop but the first.
        return ctx, bool(flags & SAMPLED) and rate is not None
    elif rate is None:
        return ctx, False
    else:
        accept = sampled(ctx.trace_id, rate, salt)
    return ctx.with_sampled(accept), accept and rate is not None
