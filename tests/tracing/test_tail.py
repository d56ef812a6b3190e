"""Tail sampling: the policies, the window, and what a killed process leaves behind."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.kits.span_store import HOUR_MS, span
from tests.kits.tail import FILE, config, window
from tests.tracing.test_collector_process import Process
from tracing.pipeline.batch import batch_of
from tracing.pipeline.collector import CollectorError, open_store
from tracing.pipeline.model import V2Span
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.pipeline.tail.policy import (
    KEPT_TAG,
    UNMATCHED,
    Errors,
    Match,
    Policies,
    Rate,
    Slow,
    Verdict,
)
from tracing.pipeline.tail.window import Row, Traces, by_trace

# ── policies ─────────────────────────────────────────────────────────────────────────────────

ALL = Policies([
    Match(service="kube-*", keep=False, name="probes"),
    Errors(),
    Slow(500_000),
    Match(tags={"service": "/svc/checkout*"}, name="checkout"),
])  # fmt: skip


def judge(*spans: V2Span) -> Verdict:
    return ALL.judge(1, ALL.facts(spans))


def test_the_first_policy_with_something_to_say_decides() -> None:
    failed = span(1, tags={"error": ""})
    assert judge(span(1), failed) == Verdict(kept=True, policy="errors")
    assert judge(failed, span(1, service="kube-probe")) == Verdict(kept=False, policy="probes")
    assert judge(span(1, tags={"service": "/svc/checkout-2"})).policy == "checkout"
    assert judge(span(1)) == Verdict(kept=False, policy=UNMATCHED)


def test_a_trace_is_slow_from_its_first_start_to_its_last_end() -> None:
    first = span(1, duration=1_000)
    assert judge(first, span(1, 2, at_ms=HOUR_MS + 499, duration=1_000)).policy == "slow"
    assert judge(first, span(1, 2, at_ms=HOUR_MS + 499, duration=999)).policy == UNMATCHED
    timeless = span(1, duration=600_000)
    timeless.timestamp = None
    assert judge(timeless).policy == "slow"


def test_what_was_asked_for_by_debug_is_kept() -> None:
    asked = span(1, service="kube-probe")
    asked.debug = True
    assert judge(asked) == Verdict(kept=True, policy="debug")


def test_a_rate_keeps_about_its_share_and_always_the_same() -> None:
    rate = Policies([Rate(0.25)])
    lows = range(-(1 << 63), 1 << 63, 1 << 54)
    kept = [low for low in lows if rate.judge(low, rate.facts([])).kept]
    assert len(kept) / len(lows) == pytest.approx(0.25, abs=0.01)


# ── the window ───────────────────────────────────────────────────────────────────────────────


def never() -> Traces:
    raise AssertionError("what is known of a trace is enough")


def test_a_row_is_due_when_its_time_is_over_or_the_room_is_full() -> None:
    one = window(traces_max=3, bytes_max=100)
    row = Row(1, 1_000, 60, 1)
    one.hold(row, by_trace([span(1)]))
    assert one.next_due(10_999) is None
    assert one.next_due(11_000) == row
    one.hold(Row(2, 1_500, 60, 1), by_trace([span(2)]))
    assert one.next_due(2_000) == row
    one.settle(row, never)
    assert one.next_due(2_000) is None
    one.hold(Row(3, 2_000, 10, 3), by_trace([span(3), span(4), span(5)]))
    assert one.next_due(2_000) == Row(2, 1_500, 60, 1)


def test_spans_that_come_later_follow_the_verdict() -> None:
    one = window()
    late = by_trace([span(1, 2, tags={"error": "x"})])
    first, second = Row(1, 0, 1, 1), Row(2, 20_000, 1, 1)
    one.hold(first, by_trace([span(1)]))
    verdicts, spans, awaited = one.settle(first, never)
    assert verdicts == {1: Verdict(kept=False, policy="rate")}
    assert (spans, awaited) == ({1: 1}, {})
    assert one.judged(late) == verdicts
    one.hold(second, late)
    assert one.settle(second, never).verdicts == verdicts


def test_a_verdict_that_was_forgotten_is_given_again_from_the_spans() -> None:
    one = window(verdicts_max=0)
    first, second = Row(1, 0, 1, 1), Row(2, 20_000, 1, 1)
    failed = by_trace([span(1, tags={"error": "x"})])
    one.hold(first, failed)
    one.hold(second, failed)
    kept = {1: Verdict(kept=True, policy="errors")}
    assert one.settle(first, never).verdicts == kept
    assert one.settle(second, lambda: failed).verdicts == kept


def test_too_many_rows_make_the_oldest_due() -> None:
    one = window(rows_max=1)
    one.hold(Row(1, 1_000, 1, 1), by_trace([span(1)]))
    assert one.next_due(1_000) is None
    one.hold(Row(2, 1_000, 1, 1), by_trace([span(1)]))
    assert one.next_due(1_000) == Row(1, 1_000, 1, 1)


def test_spans_of_two_rows_are_judged_together() -> None:
    one = window()
    rows = [Row(1, 0, 1, 1), Row(2, 5_000, 1, 1)]
    parts = [[span(1)], [span(1, 2, tags={"error": "x"})]]
    for row, part in zip(rows, parts, strict=True):
        one.hold(row, by_trace(part))
    kept = Verdict(kept=True, policy="errors")
    assert one.settle(rows[0], never) == ({1: kept}, {1: 1}, {1: 2})
    assert one.settle(rows[1], never) == ({1: kept}, {1: 1}, {})


# ── in the store ─────────────────────────────────────────────────────────────────────────────


async def test_without_a_tail_what_was_waiting_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "spans"
    store = SqliteStore(path, tail=window())
    await store.append(batch_of([span(1)]))
    assert await store.trace(f"{1:016x}") == []
    await store.aclose()
    store = SqliteStore(path)
    [read] = await store.trace(f"{1:016x}")
    assert read.tags == {KEPT_TAG: "no_tail"}
    await store.aclose()


def test_a_tail_without_a_disk_is_refused() -> None:
    with pytest.raises(CollectorError, match="on disk"):
        open_store(None, Settings(config=config()))


# ── the real process ─────────────────────────────────────────────────────────────────────────


class Tailing(Process):
    """A collector with a tail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._file = folder / "collector.yml"

    def configure(self, window_s: float) -> None:
        self._file.write_text(FILE.format(window_s=window_s))

    def command(self, *more: str) -> list[str]:
        return super().command(*more, "--config", str(self._file))


@pytest.fixture
def tailing(tmp_path: Path) -> Iterator[Tailing]:
    started = Tailing(tmp_path)
    yield started
    if started.process is not None and started.process.poll() is None:
        started.end(signal.SIGKILL)


def post(collector: Process, *spans: V2Span) -> None:
    body = batch_of(list(spans)).body
    answer = httpx.post(collector.url + "/api/v2/spans", content=body, trust_env=False)
    assert answer.status_code == 202


def ledger(collector: Process) -> dict[str, dict[str, Any]]:
    told: dict[str, dict[str, Any]] = collector.get("/ledger").json()
    now = told["since_start"]
    dropped = sum(now["dropped"].values())
    assert now["received"] == now["stored"] + now["exported"] + now["queued"] + dropped
    return told


def test_a_collector_killed_within_the_window_judges_when_it_is_back(tailing: Tailing) -> None:
    tailing.configure(3600)
    tailing.start()
    post(tailing, span(1), span(2))
    post(tailing, span(1, 2, tags={"error": "x"}), span(3, service="kube-probe"))
    told = ledger(tailing)
    assert (told["since_start"]["queued"], told["tail"]["waiting"]) == (4, 4)
    assert tailing.get(f"/api/v2/trace/{1:016x}").status_code == 404
    tailing.end(signal.SIGKILL)

    tailing.configure(0.001)
    tailing.start()
    deadline = time.monotonic() + 10
    while (told := ledger(tailing))["since_start"]["queued"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kept = tailing.get(f"/api/v2/trace/{1:016x}").json()
    assert [one["tags"][KEPT_TAG] for one in kept] == ["errors", "errors"]
    assert tailing.get(f"/api/v2/trace/{2:016x}").status_code == 404
    now = told["since_start"]
    assert (now["received"], now["stored"]) == (4, 2)
    assert told["tail"]["dropped"] == {"rate": 1, "probes": 1}
    assert told["tail"]["kept"] == told["store"]["stored"] == 2
    text = tailing.get("/prometheus").text
    assert 'weir_tail_dropped_spans_total{policy="probes"} 1' in text
