"""What the search page's form means."""

import pytest

from tracing.pipeline.http.query_args import ArgumentError
from tracing.pipeline.search import TraceQuery
from tracing.ui.search_page import read_query

NOW_MS = 1_800_000_000_000  # 2027-01-15 08:00 UTC


def asked(**args: str) -> TraceQuery:
    return read_query(args, NOW_MS)


def test_an_empty_form_asks_for_the_newest_twenty_of_the_last_hour() -> None:
    query = asked(serviceName="", since="", until=" ", minDuration="")
    assert query == TraceQuery(end_ms=NOW_MS, lookback_ms=3_600_000, limit=20)


@pytest.mark.parametrize(
    ("typed", "us"),
    [
        ("20ms", 20_000),
        ("1.5 s", 1_500_000),
        ("300", 300),
        ("7µs", 7),
        ("7us", 7),
        ("2 min", 120_000_000),
        ("2m", 120_000_000),
    ],
)
def test_durations_are_read_as_people_type_them(typed: str, us: int) -> None:
    assert asked(minDuration=typed).duration_min == us


def test_a_longest_duration_alone_is_enough() -> None:
    query = asked(maxDuration="2s")
    assert (query.duration_min, query.duration_max) == (1, 2_000_000)


def test_a_window_is_from_since_until_until_or_now() -> None:
    query = asked(since="2027-01-15T07:30", until="2027-01-15T07:45", lookback="300000")
    assert (query.start_ms, query.end_ms) == (NOW_MS - 1_800_000, NOW_MS - 900_000)
    query = asked(since="2027-01-15T07:30")
    assert (query.start_ms, query.end_ms) == (NOW_MS - 1_800_000, NOW_MS)
    query = asked(since="2027-01-15T07:30", endTs=str(NOW_MS - 1_000))
    assert (query.start_ms, query.end_ms) == (NOW_MS - 1_800_000, NOW_MS - 1_000)
    query = asked(until="2027-01-15T07:45", lookback="300000")
    assert (query.start_ms, query.end_ms) == (NOW_MS - 1_200_000, NOW_MS - 900_000)


def test_a_time_of_another_zone_is_that_time() -> None:
    assert asked(until="2027-01-15T09:45+02:00").end_ms == NOW_MS - 900_000
    assert asked(until="2027-01-15T07:45Z").end_ms == NOW_MS - 900_000


def test_a_page_has_an_end() -> None:
    assert asked(limit="2000000000").limit == 1_000


def test_fields_of_their_own_join_the_terms() -> None:
    query = asked(annotationQuery="a=b", route="/svc/x", client="/#/io.l5d.fs/x-v2", error="1")
    assert query.terms == (
        ("a", "b"),
        ("service", "/svc/x"),
        ("client", "/#/io.l5d.fs/x-v2"),
        ("error", None),
    )


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"minDuration": "soon"}, "soon is no duration; try 20ms or 1.5s"),
        ({"until": "noon"}, "noon is no time; try 2026-01-31T14:05"),
        ({"since": "2027-01-15T08:00"}, "2027-01-15T08:00 is not before the end of the window"),
        ({"since": "9999-12-31T23:59"}, "9999-12-31T23:59 is not before the end of the window"),
        ({"limit": "0"}, "limit <= 0"),
        ({"since": "2027-01-15T07:30", "endTs": "9" * 5_000}, 'For input string: "9+"'),
    ],
)
def test_what_cannot_be_meant_is_told(args: dict[str, str], told: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{told}$"):
        read_query(args, NOW_MS)
