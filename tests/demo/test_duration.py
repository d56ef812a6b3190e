from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.duration import DurationError, Nanos, parse_duration, seconds, show_duration


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("-0", 0),
        ("5s", 5_000_000_000),
        ("500ms", 500_000_000),
        ("10us", 10_000),
        ("10µs", 10_000),
        ("10μs", 10_000),
        ("1h2m3.5s", 3_723_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("+5s", 5_000_000_000),
        ("3s1h", 3_603_000_000_000),
        ("1.9ns", 1),
        ("2562047h47m16.854775807s", 2**63 - 1),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, nanos: int) -> None:
    assert parse_duration(text) == nanos


@pytest.mark.parametrize(
    "text",
    ["", "3", "-", "s", ".", ".s", "1x", "1h2", "1 s", "--1s", "1e3s", "\u0661s", "9" * 99 + "s"],
)
def test_other_text_is_no_duration(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration(text)


def test_a_duration_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DurationError, match="longer than 292 years"):
        parse_duration("2562047h47m16.854775808s")


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_100, "1.1µs"),
        (2_200_000, "2.2ms"),
        (3_300_000_000, "3.3s"),
        (245_000_000_000, "4m5s"),
        (245_001_000_000, "4m5.001s"),
        (18_367_001_000_000, "5h6m7.001s"),
        (480_000_000_001, "8m0.000000001s"),
        (-1_500_000_000, "-1.5s"),
    ],
)
def test_a_duration_is_shown_as_go_prints_it(nanos: int, text: str) -> None:
    assert show_duration(Nanos(nanos)) == text


@given(st.integers(-(2**63) + 1, 2**63 - 1).map(Nanos))
def test_what_is_shown_is_read_back(nanos: Nanos) -> None:
    assert parse_duration(show_duration(nanos)) == nanos


def test_a_timer_does_not_wait_for_a_negative_duration() -> None:
    assert seconds(parse_duration("-1s")) == 0
    assert seconds(parse_duration("1.5s")) == 1.5
