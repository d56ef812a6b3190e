"""Linkerd's context headers and its table of flags, row by row as observed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracing.context import TraceContext, new_root
from tracing.l5d import read_context, read_sample, request_id, write_context
from tracing.sampler import decide, sampled

ids = st.binary(min_size=8, max_size=8)
contexts = st.builds(
    TraceContext,
    trace_id=ids | st.binary(min_size=16, max_size=16),
    span_id=ids,
    parent_id=st.none() | ids,
    flags=st.integers(0, 2**64 - 1),
).filter(lambda ctx: ctx.parent_id != ctx.span_id)

KNOWN = [
    (b"Jj7cm2V3Owil9H6fztMUouS7t8D2ov8HAAAAAAAAAAY=", "e4bbb7c0f6a2ff07", "a5f47e9fced314a2", 6),
    (b"NEKbBLa79Hg0QpsEtrv0eDRCmwS2u/R4AAAAAAAAAAA=", "34429b04b6bbf478", None, 0),
    (
        b"Jj7cm2V3Owil9H6fztMUouS7t8D2ov8HAAAAAAAAAAZf0KGyAAAAAQ==",
        "5fd0a1b200000001e4bbb7c0f6a2ff07",
        "a5f47e9fced314a2",
        6,
    ),
]


@pytest.mark.parametrize(("value", "trace_id", "parent_id", "flags"), KNOWN)
def test_a_recorded_header_is_read_and_written_back(
    value: bytes, trace_id: str, parent_id: str | None, flags: int
) -> None:
    ctx = read_context(value)
    assert ctx is not None
    assert (ctx.trace_id.hex(), ctx.parent_id and ctx.parent_id.hex()) == (trace_id, parent_id)
    assert ctx.flags == flags
    assert write_context(ctx) == value
    assert read_context(value.rstrip(b"=")) == ctx


@given(contexts)
def test_what_is_written_is_read_back(ctx: TraceContext) -> None:
    assert read_context(write_context(ctx)) == ctx


@given(st.binary(max_size=80))
def test_any_bytes_are_a_context_or_nothing(value: bytes) -> None:
    ctx = read_context(value)
    assert ctx is None or len(ctx.span_id) == 8


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"A" * 40,
        KNOWN[0][0] + b"=",
        b" " + KNOWN[0][0],
        KNOWN[0][0] + b"\n",
        KNOWN[0][0].replace(b"7", b"-"),
        KNOWN[1][0].replace(b"/", b"_"),
        b"A" * 57,
        b"A" * 100_000,
    ],
)
def test_a_foreign_byte_or_size_makes_it_malformed(value: bytes) -> None:
    assert read_context(value) is None


def test_a_child_keeps_trace_and_flags_and_names_its_parent() -> None:
    root = new_root(b"rootroot", 6)
    child = root.child(b"childchi")
    assert child == TraceContext(b"rootroot", b"childchi", b"rootroot", 6)
    assert root.parent_id is None
    assert request_id(child) == b"726f6f74726f6f74"


@pytest.mark.parametrize(
    ("value", "rate"),
    [
        (b"1", 1.0),
        (b" 1e-3 ", 0.001),
        (b"0.25f", 0.25),
        (b".5D", 0.5),
        (b"5.", 1.0),
        (b"-1", 0.0),
        (b"2", 1.0),
        (b"Infinity", 1.0),
        (b"-Infinity", 0.0),
        (b"NaN", None),
        (b"abc", None),
        (b"1_0", None),
        (b"inf", None),
        (b"0x1", None),
        (b"", None),
    ],
)
def test_a_sample_header_is_read_as_java_reads_a_float(value: bytes, rate: float | None) -> None:
    assert read_sample(value) == rate


# flags received, l5d-sample, then for no tracer, rate 0.0 and rate 1.0: flags passed on, recorded.
TABLE = [
    (0, None, (0, False), (2, False), (6, True)),
    (1, None, (7, False), (7, True), (7, True)),
    (2, None, (2, False), (2, False), (2, False)),
    (4, None, (4, False), (6, False), (6, True)),
    (6, None, (6, False), (6, True), (6, True)),
    (8, None, (8, False), (10, False), (14, True)),
    (0, 0.0, (2, False), (2, False), (2, False)),
    (0, 1.0, (6, False), (6, True), (6, True)),
    (2, 1.0, (6, False), (6, True), (6, True)),
    (6, 0.0, (6, False), (6, False), (6, False)),
    (1, 0.0, (7, False), (7, True), (7, True)),
]


@pytest.mark.parametrize(("flags", "header", "without", "never", "always"), TABLE)
def test_the_flags_go_on_as_linkerd_sends_them(
    flags: int,
    header: float | None,
    without: tuple[int, bool],
    never: tuple[int, bool],
    always: tuple[int, bool],
) -> None:
    ctx = TraceContext(b"tracetra", b"spanspan", None, flags)
    for rate, want in ((None, without), (0.0, never), (1.0, always)):
        passed, recorded = decide(ctx, header, rate, 42)
        assert (passed.flags, recorded) == want
        assert passed.span_id == ctx.span_id


@given(contexts, st.none() | st.floats(0, 1), st.none() | st.floats(0, 1), st.integers())
def test_deciding_never_clears_a_flag(
    ctx: TraceContext, header: float | None, rate: float | None, salt: int
) -> None:
    passed, _ = decide(ctx, header, rate, salt)
    assert passed.flags & ctx.flags == ctx.flags


@given(ids, st.floats(0, 1), st.integers(-(2**63), 2**64 - 1))
def test_all_spans_of_a_trace_get_one_decision(trace_id: bytes, rate: float, salt: int) -> None:
    assert sampled(trace_id, rate, salt) == sampled(b"highhigh" + trace_id, rate, salt)


def test_the_rate_is_met_within_its_steps() -> None:
    kept = sum(sampled(number.to_bytes(8, "big"), 0.25, 7) for number in range(20_000))
    assert 4_900 <= kept <= 5_100


@pytest.mark.parametrize(
    ("flags", "known"), [(0, None), (1, True), (2, False), (4, None), (6, True), (3, True)]
)
def test_debug_means_sampled_and_a_bit_without_the_other_means_nothing(
    flags: int,
    known: bool | None,
) -> None:
    ctx = TraceContext(b"tracetra", b"spanspan", None, flags)
    assert ctx.sampled is known
    assert ctx.debug == bool(flags & 1)
