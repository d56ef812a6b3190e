"""B3 and W3C headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracing import b3, w3c
from tracing.b3 import Extracted
from tracing.context import TraceContext

TRACE, SPAN, PARENT = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312", "0020000000000001"

ids = st.binary(min_size=8, max_size=8).filter(any)
contexts = st.builds(
    TraceContext,
    trace_id=ids | st.binary(min_size=16, max_size=16).filter(lambda raw: any(raw[:8])),
    span_id=ids,
    parent_id=st.none() | ids,
    flags=st.sampled_from([0, 2, 6, 7]),
).filter(lambda ctx: ctx.parent_id != ctx.span_id)


def test_a_whole_single_header_gives_everything() -> None:
    context, flags = b3.read_single(f"{TRACE}-{SPAN}-1-{PARENT}".encode())
    assert context is not None
    assert (context.trace_id.hex(), context.span_id.hex()) == (TRACE, SPAN)
    assert context.parent_id == bytes.fromhex(PARENT)
    assert flags == 6


@pytest.mark.parametrize(("value", "flags"), [(b"0", 2), (b"1", 6), (b"d", 7)])
def test_a_decision_may_come_alone(value: bytes, flags: int) -> None:
    assert b3.read_single(value) == Extracted(None, flags)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-",
        b"2",
        f"{TRACE}-{SPAN}-2".encode(),
        f"{TRACE.upper()}-{SPAN}".encode(),
        f"{TRACE[1:]}-{SPAN}".encode(),
        f"{TRACE}-{SPAN}-1-{PARENT}-".encode(),
        f"{TRACE}-{SPAN}\n".encode(),
        f"{'0' * 16}-{SPAN}".encode(),
        f"{TRACE}-{'0' * 16}".encode(),
    ],
)
def test_a_malformed_single_header_is_absent(value: bytes) -> None:
    assert b3.read_single(value).context is None


@pytest.mark.parametrize(
    ("sampled", "flags_header", "flags"),
    [(b"1", b"", 6), (b"0", b"", 2), (b"true", b"", 6), (b"False", b"", 2), (b"0", b"1", 7)],
)
def test_old_and_new_decisions_are_read(sampled: bytes, flags_header: bytes, flags: int) -> None:
    headers = {b"x-b3-sampled": sampled, b"x-b3-flags": flags_header}
    assert b3.read_multi(headers) == Extracted(None, flags)


def test_ids_count_only_together() -> None:
    assert b3.read_multi({b"x-b3-traceid": TRACE.encode(), b"x-b3-sampled": b"1"}) == Extracted(
        None, 6
    )


@given(contexts)
def test_multi_headers_come_back(ctx: TraceContext) -> None:
    headers = {name.lower(): value for name, value in b3.write_multi(ctx)}
    assert b3.read_multi(headers).context == ctx


@given(contexts)
def test_a_single_header_comes_back_but_for_an_undecided_parent(ctx: TraceContext) -> None:
    want = ctx if ctx.sampled is not None else TraceContext(ctx.trace_id, ctx.span_id)
    assert b3.read_single(b3.write_single(ctx)).context == want


@given(contexts)
def test_traceparent_comes_back_with_a_decision(ctx: TraceContext) -> None:
    read = w3c.read_traceparent(w3c.write_traceparent(ctx))
    assert read is not None
    assert (read.trace_id, read.span_id) == (ctx.trace_id, ctx.span_id)
    assert read.sampled == bool(ctx.sampled)


@pytest.mark.parametrize(
    ("value", "good"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f" 00-{TRACE}-{SPAN}-00\t", True),
        (f"cc-{TRACE}-{SPAN}-01-what-comes", True),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-{SPAN}-1", False),
        (f"cc-{TRACE}-{SPAN}-01x", False),
        ("", False),
    ],
)
def test_traceparent_is_read_as_the_recommendation_says(value: str, *, good: bool) -> None:
    assert (w3c.read_traceparent(value.encode()) is not None) == good


@pytest.mark.parametrize(
    ("values", "passed_on"),
    [
        ([b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        ([b"a=1 ", b", b=2"], b"a=1,b=2"),
        ([b"tenant@system=1"], b"tenant@system=1"),
        ([b"a=1,a=2"], None),
        ([b"A=1"], None),
        ([b"a"], None),
        ([b""], None),
        ([], None),
        ([b",".join(b"k%d=1" % number for number in range(33))], None),
        ([b"a=" + b"x" * 256 + b",b=" + b"x" * 256], b"a=" + b"x" * 256),
    ],
)
def test_tracestate_is_passed_on_whole_or_not_at_all(
    values: list[bytes], passed_on: bytes | None
) -> None:
    assert w3c.clean_tracestate(values) == passed_on


@given(st.binary(max_size=120))
def test_any_bytes_are_read_without_a_fuss(value: bytes) -> None:
    b3.read_single(value)
    b3.read_multi({b"x-b3-traceid": value, b"x-b3-spanid": value, b"x-b3-flags": value})
    w3c.read_traceparent(value)
    w3c.clean_tracestate([value])
