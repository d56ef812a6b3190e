"""The spans that wait for a verdict, as durable as those that are stored.

A message is in the room's log before it is acknowledged. What is kept of a row is handed on after
the note that settles it, under the row's number: whenever the process dies, the next one sees by
the last of these numbers what is still to be handed on. What was left waiting is judged when its
time is over, as if nothing had been.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.log.segments import SEGMENT_BYTES
from tracing.pipeline.store.port import StoreError, TailCounts
from tracing.pipeline.store.waiting.rows import Note, RowLog
from tracing.pipeline.tail.policy import KEPT_TAG, Match, Policies, Verdict
from tracing.pipeline.tail.window import Row, Settled, TailWindow, Traces, by_trace

_SPANS_AT_ONCE: Final = 256  # some 2 ms for which senders wait
_ROWS_AT_ONCE: Final = 256
_SPOILT: Final = "spoilt"
_NO_TAIL: Final = "no_tail"  # the policy of spans that nobody judges any more

# Takes what was kept of the row with this number. Raises: StoreError.
Keep = Callable[[Batch, int], None]


class _Judged(NamedTuple):
    """A row that waits no longer, and what becomes of its spans."""

    row: Row
    settled: Settled
    kept: list[V2Span]
    dropped: Counter[str]


class WaitingRoom:
    """Holds messages for the window's time, then hands on what is kept of them.

    Belongs to one thread. Shape: `arrived` is the number of the row of which something was handed
    on last. Raises, as all that writes: StoreError.
    """

    def __init__(
        self,
        folder: Path,
        window: TailWindow,
        keep: Keep,
        arrived: int,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._rows = RowLog(folder, segment_bytes)
        self.log: Final = self._rows.log
        self._window = window
        self._keep = keep
        self._arriving: deque[tuple[int, Batch]] = deque()
        self._arriving_spans = 0
        self._accepted = 0
        self._kept = 0
        self._dropped: dict[str, int] = {}
        self._dropped_now: dict[str, int] = {}
        self._read_back(arrived)
        self._read = window.spans + self._arriving_spans

    def _read_back(self, arrived: int) -> None:
        """Take over what another process left."""
        history = self._rows.recover(arrived)
        settled_to = arrived  # of what a spoilt note settled, only what was kept is known
        for note in history.notes:
            self._window.recall(note.given)
            settled_to = max(settled_to, note.to)
            self._kept, self._dropped = note.kept, note.dropped
        for row in history.rows:
            if row.number > settled_to:
                spans, late = self._rows.read(row)
                self._window.recall(late)
                self._window.hold(row, by_trace(spans))
        for row, note in history.settled():
            if row.number > arrived:
                self._arrive(row, _kept(self._parts(row), note.given))
        self._accepted = history.accepted
        spoilt = self._accepted - self._kept - sum(self._dropped.values()) - self._window.spans
        if spoilt:
            self._dropped[_SPOILT] = self._dropped.get(_SPOILT, 0) + spoilt

    def hold(self, batch: Batch, now_ms: int) -> None:
        """Let a message wait; returns once it is in the log."""
        if not batch.spans:
            return
        parts = by_trace(batch.spans)
        accepted = self._accepted + len(batch.spans)
        # A late part of a trace needs its verdict until it is settled, by whatever process.
        row = self._rows.add(batch, self._window.judged(parts), now_ms, accepted)
        self._accepted = accepted
        self._window.hold(row, parts)

    def settle(self, now_ms: int) -> bool:
        """Judge and hand on some of the oldest rows that are due; whether there may be more."""
        self._hand_on()
        judged = list(self._judge_some(now_ms))
        if not judged:
            return False
        dropped_now = Counter[str]()
        for one in judged:
            dropped_now.update(one.dropped)
        kept = self._kept + sum(len(one.kept) for one in judged)
        dropped = dict(dropped_now + Counter(self._dropped))
        note = Note(judged[-1].row.number, kept, dropped, _to_remember(judged))
        try:
            self._rows.settle(note, now_ms, self._accepted)
        except StoreError:
            for one in reversed(judged):
                self._window.restore(one.row, one.settled)
            raise
        self._kept, self._dropped = kept, dropped
        self._dropped_now = dict(dropped_now + Counter(self._dropped_now))
        for one in judged:
            self._arrive(one.row, one.kept)
        self._hand_on()
        return True

    def _arrive(self, row: Row, kept: list[V2Span]) -> None:
        if kept:
            self._arriving.append((row.number, batch_of(kept)))
            self._arriving_spans += len(kept)

    def _hand_on(self) -> None:
        while self._arriving:
            number, batch = self._arriving[0]
            self._keep(batch, number)
            self._arriving.popleft()
            self._arriving_spans -= len(batch.spans)

    def _judge_some(self, now_ms: int) -> Iterator[_Judged]:
        rows = spans = 0
        while rows < _ROWS_AT_ONCE and spans < _SPANS_AT_ONCE:
            row = self._window.next_due(now_ms)
            if row is None:
                return
            rows += 1
            spans += row.spans
            yield self._judge(row)

    def _judge(self, row: Row) -> _Judged:
        read = cache(lambda: self._parts(row))  # once, and only where something needs it
        settled = self._window.settle(row, read)
        dropped: Counter[str] = Counter()
        for low, verdict in settled.verdicts.items():
            if not verdict.kept:
                dropped[verdict.policy] += settled.spans[low]
        kept: list[V2Span] = []
        if any(verdict.kept for verdict in settled.verdicts.values()):
            kept = _kept(read(), settled.verdicts)
        spoilt = row.spans - len(kept) - sum(dropped.values())
        if spoilt:
            dropped[_SPOILT] += spoilt
        return _Judged(row, settled, kept, dropped)

    def _parts(self, row: Row) -> Traces:
        return by_trace(self._rows.read(row)[0])

    def is_outlived(self) -> bool:
        """Whether there are files of which nothing is needed any more."""
        return not self._arriving and self._rows.is_outlived(self._window.oldest)

    def remove_outlived(self) -> None:
        """Remove them. What was handed on must be on the disk, or a power loss takes both."""
        self._rows.remove_outlived(self._window.oldest)

    def counts(self) -> TailCounts:
        """The ledger of this moment."""
        return TailCounts(
            accepted=self._accepted,
            kept=self._kept - self._arriving_spans,
            waiting=self._window.spans + self._arriving_spans,
            dropped=dict(self._dropped),
            read_back=self._read,
            dropped_now=dict(self._dropped_now),
        )

    def close(self) -> None:
        """Put everything on the disk and let go."""
        self._rows.close()


def keep_all(folder: Path, keep: Keep, arrived: int) -> None:
    """Without a tail, keep what another process left waiting."""
    room = WaitingRoom(folder, TailWindow(Policies([Match(name=_NO_TAIL)]), 0), keep, arrived)
    while room.settle(time.time_ns() // 1_000_000):
        pass
    room.close()


def _to_remember(judged: list[_Judged]) -> dict[int, Verdict]:
    """What the next process must know of the traces of these rows."""
    last = judged[-1].row.number
    return {
        low: verdict
        for one in judged
        for low, verdict in one.settled.verdicts.items()
        if verdict.kept or one.settled.awaited.get(low, 0) > last
    }


def _kept(parts: Traces, verdicts: Mapping[int, Verdict]) -> list[V2Span]:
    """The spans of kept traces, with the policy that kept each."""
    kept: list[V2Span] = []
    for low, verdict in verdicts.items():
        if verdict.kept:
            for span in parts.get(low, ()):
                span.tags = {**(span.tags or {}), KEPT_TAG: verdict.policy}
                kept.append(span)
    return kept
