"""Accrual, balance, budget, classifiers, counters: values in, values out."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtab import read_dtab, read_path
from mesh.context import merged_deadlines, read_linkerd_context
from mesh.faces.answers import total_timeout, unable_to_route
from mesh.resilience.accrual import NEXT, Accrual, Signal, Standing, backoff_s
from mesh.resilience.balance import draw, pick, weighted_classes
from mesh.resilience.budget import RetryBudget
from mesh.resilience.classify import CLASSIFIERS, Classifier
from mesh.stats import Histogram, upper_edge_us


def no_jitter() -> float:
    return 0.0


def standing(accrual: Accrual) -> str:
    return accrual.standing.value


def test_five_failures_in_a_row_take_an_endpoint_out_until_a_probe_succeeds() -> None:
    accrual = Accrual(5, no_jitter)
    for _ in range(4):
        accrual.on_failure(0.0)
    accrual.on_success()
    for _ in range(5):
        assert accrual.available(0.0)
        accrual.on_failure(0.0)
    assert standing(accrual) == "dead"
    assert not accrual.available(4.9)
    assert accrual.available(5.0)
    accrual.on_pick(5.0)
    assert standing(accrual) == "probing"
    assert not accrual.available(100.0), "one probe at a time"
    accrual.on_failure(6.0)
    assert standing(accrual) == "dead"
    assert accrual.dead_until == 11.0
    accrual.on_pick(11.0)
    accrual.on_success()
    assert standing(accrual) == "alive"
    assert accrual.removals == 0


def test_a_late_answer_of_a_dead_endpoint_changes_nothing() -> None:
    accrual = Accrual(1, no_jitter)
    accrual.on_failure(0.0)
    accrual.on_success()
    accrual.on_failure(1.0)
    assert accrual.standing is Standing.DEAD
    assert accrual.dead_until == 5.0


def test_accrual_that_is_off_never_takes_out() -> None:
    accrual = Accrual(0, no_jitter)
    for _ in range(100):
        accrual.on_failure(0.0)
    assert accrual.standing is Standing.ALIVE


def test_every_standing_can_be_left() -> None:
    assert {standing for standing, _ in NEXT} == set(Standing)
    assert {signal for _, signal in NEXT} == set(Signal)


@given(st.integers(1, 60), st.floats(0, 1, exclude_max=True))
def test_backoff_is_finagles(removals: int, jitter: float) -> None:
    seconds = backoff_s(removals, lambda: jitter)
    assert 5.0 <= seconds <= 300.0
    if removals == 2:
        assert 5.0 <= seconds <= 10.0


@dataclass
class One:
    name: str
    pending: int = 0
    weight: float = 1.0
    alive: bool = True

    def available(self, now: float) -> bool:
        del now
        return self.alive


def test_of_two_the_less_busy_is_picked() -> None:
    busy, free = One("busy", 5), One("free")
    assert all(pick([busy, free], 0.0, random.random) is free for _ in range(50))


def test_a_dead_endpoint_is_picked_only_when_all_are_dead() -> None:
    dead, busy = One("dead", alive=False), One("busy", 99)
    assert all(pick([dead, busy], 0.0, random.random) is busy for _ in range(50))
    assert pick([dead], 0.0, random.random) is dead


def test_what_failed_is_avoided_while_there_is_another() -> None:
    one, two = One("one"), One("two", 9)
    assert all(pick([one, two], 0.0, random.random, [one]) is two for _ in range(50))
    assert pick([one], 0.0, random.random, [one]) is one


def test_many_dead_endpoints_do_not_hide_the_living_one() -> None:
    crowd = [One(str(n), alive=False) for n in range(100)]
    living = One("living")
    assert all(pick([*crowd, living], 0.0, random.random) is living for _ in range(50))


def test_weights_are_shares_of_classes() -> None:
    classes = weighted_classes([One("a", weight=3.0), One("b"), One("c")])
    assert [(share, [one.name for one in members]) for share, members in classes] == [
        (3.0, ["a"]),
        (2.0, ["b", "c"]),
    ]


def test_draws_follow_the_shares() -> None:
    dice = random.Random(7).random
    counts = [0, 0, 0]
    for _ in range(10_000):
        counts[draw([0.9, 0.1, 0.0], dice)] += 1
    assert counts[2] == 0
    assert 800 < counts[1] < 1_200
    assert {draw([0.0, 0.0], dice) for _ in range(50)} == {0, 1}


def test_an_idle_budget_holds_a_hundred_retries() -> None:
    budget = RetryBudget()
    assert budget.balance(0.0) == 100
    assert sum(budget.withdraw(0.0) for _ in range(200)) == 100
    assert budget.balance(20.0) == 100, "the reserve refills"


def test_five_requests_earn_one_retry_for_ten_seconds() -> None:
    budget = RetryBudget(min_retries_per_s=0)
    for _ in range(5):
        budget.fresh += 1
    budget.settle(0.0)
    assert budget.balance(5.0) == 1
    assert budget.balance(11.0) == 0
    assert not budget.withdraw(11.0)


def test_a_budget_of_nothing_allows_nothing() -> None:
    budget = RetryBudget(min_retries_per_s=0, percent_can_retry=0.0)
    for _ in range(1_000):
        budget.fresh += 1
    assert not budget.withdraw(0.0)


@given(st.lists(st.floats(0, 5), max_size=200))
def test_a_budget_is_never_overdrawn(gaps: list[float]) -> None:
    budget = RetryBudget(min_retries_per_s=1, ttl_s=2.0)
    for now in itertools.accumulate(gaps):
        budget.fresh += 1
        budget.withdraw(now)
        assert budget.balance(now) >= 0


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_agree_on_success(kind: str) -> None:
    classifier = Classifier(kind)
    assert classifier.success(200)
    assert classifier.success(404)
    assert classifier.success(500) is (kind == "io.l5d.http.allSuccessful")
    assert not classifier.retryable(b"CONNECT")


def test_reads_are_retried_and_posts_are_not() -> None:
    reads = Classifier("io.l5d.http.retryableRead5XX")
    assert reads.retryable(b"GET")
    assert not reads.retryable(b"POST")
    assert Classifier("io.l5d.http.retryableAll5XX").retryable(b"POST")
    assert not Classifier().retryable(b"GET")


def test_context_is_read_in_linkerds_order() -> None:
    context = read_linkerd_context(
        b"\r\nL5D-Dtab: /b=>/c\r\nl5d-ctx-dtab: /a=>/b\r\nl5d-sample: 0.5\r\nl5d-sample: 1"
        b"\r\nl5d-dtab: /c=>/d\r\nVia: 1.1 first\r\nvia: 1.1 second"
    )
    assert context.local == b"/a=>/b\n/b=>/c\n/c=>/d"
    assert context.sample == 0.5
    assert context.via == b"1.1 first"
    assert context.trace is None


@given(st.lists(st.integers(0, 2**38), min_size=1))
def test_a_quantile_is_near_its_value(values_us: list[int]) -> None:
    histogram = Histogram()
    for value in values_us:
        histogram.add(value)
    for q in (0.0, 0.5, 0.99, 1.0):
        exact = sorted(values_us)[max(1, round(q * len(values_us))) - 1]
        assert exact <= histogram.quantile(q) <= exact * 1.125 + 1
    assert sum(histogram.counts) == len(values_us)


def test_bucket_edges_rise() -> None:
    edges = [upper_edge_us(index) for index in range(300)]
    assert edges == sorted(set(edges))


def test_durations_are_written_as_finagle_does() -> None:
    assert total_timeout(0.5).startswith("exceeded 500.milliseconds to unspecified")
    assert total_timeout(1.5).startswith("exceeded 1.seconds+500.milliseconds to")
    assert total_timeout(10.0).startswith("exceeded 10.seconds to")


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ((b"5 9", b"7 8"), b"7 8"),
        ((b"nonsense", b"1 2"), b"1 2"),
        ((b"1 2 77",), b"1 2"),
    ],
)
def test_deadlines_are_merged(values: tuple[bytes, ...], line: bytes) -> None:
    assert merged_deadlines(values) == b"\r\nl5d-ctx-deadline: " + line


def test_a_deadline_that_cannot_be_read_is_left_as_it_is() -> None:
    assert merged_deadlines((b"x", b"y z")) == b"\r\nl5d-ctx-deadline: x\r\nl5d-ctx-deadline: y z"


def test_an_override_is_listed_under_its_own_heading() -> None:
    base, local = read_dtab("/svc=>/#/io.l5d.fs"), read_dtab("/a=>/b;/c=>! | $")
    assert unable_to_route(read_path("/svc/web"), base, local) == (
        "Unable to route request!\n\nservice name: /svc/web\ndtab:\n\n"
        "base dtab:\n  /svc => /#/io.l5d.fs\n"
        "override dtab:\n  /a => /b\n  /c => ! | $\n"
    )
