"""The waiting room: what a process that is killed at any moment leaves to the next one."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kits.limits import no_longer_files
from tests.kits.span_store import span
from tests.kits.tail import window
from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.log.segments import segments
from tracing.pipeline.store.port import StoreError
from tracing.pipeline.store.waiting.room import WaitingRoom
from tracing.pipeline.tail.policy import KEPT_TAG


class Room:
    """A waiting room on disk, and what it handed on; `again` is the next process after kill -9."""

    def __init__(self, folder: Path, segment_bytes: int = 2_000) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self.handed_on: list[tuple[int, list[V2Span]]] = []
        self.refuses = False
        self.again()

    def again(self) -> None:
        arrived = self.handed_on[-1][0] if self.handed_on else 0
        self.room = WaitingRoom(self._folder, window(), self._keep, arrived, self._segment_bytes)

    def _keep(self, batch: Batch, number: int) -> None:
        if self.refuses:
            raise StoreError("full")
        self.handed_on.append((number, batch.spans))

    def hold(self, now_ms: int, *spans: V2Span) -> None:
        self.room.hold(batch_of(list(spans)), now_ms)

    def kept(self) -> list[tuple[str, str]]:
        return [
            (one.trace_id[-1], (one.tags or {})[KEPT_TAG])
            for _, spans in self.handed_on
            for one in spans
        ]

    def balanced(self) -> bool:
        tail = self.room.counts()
        assert tail.kept == len(self.kept())
        return tail.accepted == tail.kept + tail.waiting + sum(tail.dropped.values())


def failed(number: int, span_number: int = 1) -> V2Span:
    return span(number, span_number, tags={"error": "x"})


def test_a_verdict_outlives_the_process_that_gave_it(tmp_path: Path) -> None:
    one = Room(tmp_path / "waiting")
    one.hold(0, failed(1), span(2))
    one.hold(5_000, span(1, 2), failed(2, 2))
    assert one.room.settle(10_000)
    one.again()
    assert one.room.counts().waiting == 2
    assert not one.room.settle(14_000)
    assert one.room.settle(15_000)
    # Trace 2 failed in time, in the second message: it was judged by both.
    assert one.kept() == [("1", "errors"), ("2", "errors"), ("1", "errors"), ("2", "errors")]
    assert one.balanced()


def test_a_part_that_waits_follows_a_verdict_that_dropped_its_trace(tmp_path: Path) -> None:
    one = Room(tmp_path / "waiting")
    one.hold(0, span(1, service="kube-probe"))
    one.hold(5_000, span(1, 2))
    assert one.room.settle(10_000)
    one.again()
    assert one.room.settle(15_000)
    assert one.room.counts().dropped == {"probes": 2}


def test_a_late_part_follows_its_verdict_in_the_next_process(tmp_path: Path) -> None:
    one = Room(tmp_path / "waiting")
    one.hold(0, failed(1), span(2))
    assert one.room.settle(10_000)
    one.hold(11_000, span(1, 2), failed(2, 2))
    one.again()
    assert one.room.settle(21_000)
    assert one.kept() == [("1", "errors"), ("1", "errors")]
    assert one.room.counts().dropped == {"rate": 2}
    assert one.balanced()


def test_a_note_that_cannot_be_written_leaves_everything_waiting(tmp_path: Path) -> None:
    one = Room(tmp_path / "waiting")
    one.hold(0, failed(1))
    with no_longer_files(50), pytest.raises(StoreError, match="cannot write"):
        one.room.settle(10_000)
    assert one.room.counts().waiting == 1
    assert one.kept() == []
    assert one.room.settle(10_000)
    assert one.kept() == [("1", "errors")]
    assert one.balanced()


@pytest.mark.parametrize("dies", [False, True])
def test_what_is_settled_and_not_handed_on_waits_for_its_turn(tmp_path: Path, dies: bool) -> None:
    one = Room(tmp_path / "waiting")
    one.hold(0, failed(1), span(2))
    one.hold(1, failed(3))
    one.refuses = True
    with pytest.raises(StoreError, match="full"):
        one.room.settle(20_000)
    assert one.room.counts().waiting == 2
    assert one.balanced()
    if dies:
        one.again()
        assert one.room.counts().read_back == 2
    assert one.balanced()
    one.refuses = False
    assert not one.room.settle(20_000)
    assert one.kept() == [("1", "errors"), ("3", "errors")]
    assert one.balanced()


def test_files_are_removed_once_nothing_in_them_is_needed(tmp_path: Path) -> None:
    folder = tmp_path / "waiting"
    one = Room(folder)
    for number in range(1, 200):
        one.hold(number * 100, failed(number), span(number + 1, 2))
        while one.room.settle(number * 100):
            assert one.balanced()
        if one.room.is_outlived():
            one.room.remove_outlived()
            assert not one.room.is_outlived()
            before = one.room.counts()
            one.again()
            after = one.room.counts()
            assert (after.accepted, after.waiting) == (before.accepted, before.waiting)
    assert segments(folder)[0] > 5
    assert sum(one.stat().st_size for one in folder.iterdir()) < 40_000
    while one.room.settle(1_000_000):
        pass
    assert one.balanced()
    assert len(one.kept()) > 199  # and the other part of most of them


def test_rows_that_a_power_loss_took_give_no_number_away(tmp_path: Path) -> None:
    one = Room(tmp_path / "waiting")
    one.hold(0, failed(1))
    one.hold(1, failed(2))
    assert one.room.settle(20_000)
    (file,) = (tmp_path / "waiting").iterdir()
    file.write_bytes(b"")
    one.again()
    one.hold(0, failed(3))
    one.again()
    assert one.room.settle(20_000)
    assert one.kept()[-1] == ("3", "errors")


def test_a_spoilt_row_is_counted_and_harms_no_other(tmp_path: Path) -> None:
    one = Room(tmp_path / "waiting", segment_bytes=1 << 20)
    for number in range(1, 4):
        one.hold(0, failed(number), span(9, number))
    (file,) = (tmp_path / "waiting").iterdir()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    one.again()
    assert one.room.counts().dropped == {"spoilt": 2}
    assert one.room.settle(20_000)
    assert one.kept() == [("1", "errors"), ("3", "errors")]
    assert one.room.counts().dropped == {"spoilt": 2, "rate": 2}
    assert one.balanced()


steps = st.lists(
    st.tuples(
        st.sampled_from(["hold", "settle", "settle, and the disk is full", "kill"]),
        st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=4),
    ),
    max_size=12,
)


@settings(max_examples=60)
@given(steps)
def test_whenever_it_dies_each_span_is_in_one_place(
    tmp_path_factory: pytest.TempPathFactory,
    plan: list[tuple[str, list[tuple[int, bool]]]],
) -> None:
    one = Room(tmp_path_factory.mktemp("tail") / "waiting", segment_bytes=300)
    now_ms = 0
    for step, parts in plan:
        now_ms += 4_000
        one.refuses = step == "settle, and the disk is full"
        if step == "hold":
            one.hold(now_ms, *(failed(n) if bad else span(n) for n, bad in parts))
        elif step == "kill":
            one.again()
        else:
            with suppress(StoreError):
                one.room.settle(now_ms)
        if one.room.is_outlived():
            one.room.remove_outlived()
        assert one.balanced()
    one.refuses = False
    while one.room.settle(now_ms + 10_000):
        assert one.balanced()
    assert one.room.counts().waiting == 0
    assert "spoilt" not in one.room.counts().dropped
