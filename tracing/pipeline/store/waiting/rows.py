"""The log of the waiting room: messages in rows, and notes that settle them.

Rows leave in the order they came, so one note, written behind them, settles all up to a place: it
says which of their traces are kept, and the ledger so far. A file goes once all its rows and notes
are outlived.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from tracing.pipeline.batch import Batch
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.log.bodies import spans_of
from tracing.pipeline.store.log.segments import LogReader, Place, SpanLog, remove_before, segments
from tracing.pipeline.tail.policy import Verdict
from tracing.pipeline.tail.window import Row

_OFFSET_BITS: Final = 32

# Verdicts on traces, by the low half of their ids.
Verdicts = Mapping[int, Verdict]


class Note(msgspec.Struct):
    """What is true behind the settled rows.

    Shape: rows up to `to` wait no longer; kept and dropped (by policy) count all spans so far;
    given are the verdicts by which spans of these rows are kept, and those that later rows await.
    """

    to: int
    kept: int
    dropped: dict[str, int]
    given: dict[int, Verdict]


class _LateRow(msgspec.Struct):
    """A message with spans of traces that were judged before it came."""

    given: dict[int, Verdict]
    spans: msgspec.Raw


class History(NamedTuple):
    """All that a log still has. Units: accepted counts the spans of every row there ever was."""

    rows: list[Row]
    notes: list[Note]
    accepted: int

    def settled(self) -> Iterator[tuple[Row, Note]]:
        """Each settled row with its note."""
        at = 0
        for note in self.notes:
            while at < len(self.rows) and self.rows[at].number <= note.to:
                yield self.rows[at], note
                at += 1


_note_of: Final = msgspec.json.Decoder(Note).decode
_late_row_of: Final = msgspec.json.Decoder(_LateRow).decode
_encode: Final = msgspec.json.Encoder().encode


class RowLog:
    """Writes rows and notes, and reads rows again; belongs to one thread.

    Shape: a row's number is its place; a record without spans is a note; each record carries how
    many spans were accepted so far, so that a spoilt one is missed.
    """

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.log: Final = SpanLog(folder, segment_bytes)
        self._reader = LogReader(folder)
        self._first_segment = self._note_segment = 0

    def recover(self, arrived: int) -> History:
        """What another process left; then rows and notes may be added.

        Numbers go on behind `arrived`, also where a power loss took the rows before it.
        """
        rows: list[Row] = []
        notes: list[Note] = []
        accepted = 0
        for place, record in self.log.recover(0, 0):
            accepted = record.arrival
            if record.spans:
                rows.append(Row(_number(place), record.stored_ms, place.size, record.spans))
            elif (note := _read_note(record.body)) is not None:
                notes.append(note)
                self._note_segment = place.segment
        self.log.go_behind(*_segment_and_offset(arrived))
        self._first_segment = segments(self.log.folder)[0]
        return History(rows, notes, accepted)

    def add(self, batch: Batch, late: Verdicts, now_ms: int, accepted: int) -> Row:
        """Write a row, with the verdicts that it comes too late for. Raises: StoreError."""
        body = batch.body
        if late:
            body = _encode(_LateRow(dict(late), msgspec.Raw(body)))
        place = self.log.append(body, len(batch.spans), now_ms, accepted)
        return Row(_number(place), now_ms, place.size, len(batch.spans))

    def settle(self, note: Note, now_ms: int, accepted: int) -> None:
        """Write a note. Raises: StoreError."""
        self._note_segment = self.log.append(_encode(note), 0, now_ms, accepted).segment

    def read(self, row: Row) -> tuple[list[V2Span], Verdicts]:
        """What was added, as far as it can be read."""
        records, _ = self._reader.read(Place(*_segment_and_offset(row.number), row.size))
        if not records:
            return [], {}
        body = records[0].body
        if not body.startswith(b"{"):
            return spans_of(body) or [], {}
        try:
            late = _late_row_of(body)
        except msgspec.DecodeError:
            return [], {}
        return spans_of(bytes(late.spans)) or [], late.given

    def is_outlived(self, oldest: Row | None) -> bool:
        """Whether there are files before the oldest row that waits, and the last note."""
        return self._first_segment < self._needed_from(oldest)

    def remove_outlived(self, oldest: Row | None) -> None:
        """Remove them."""
        self._first_segment = self._needed_from(oldest)
        remove_before(self.log.folder, self._first_segment)

    def _needed_from(self, oldest: Row | None) -> int:
        # A note stands behind the rows that await its verdicts, so it is not gone before them.
        if oldest is None:
            return self._note_segment
        return min(_segment_and_offset(oldest.number)[0], self._note_segment)

    def close(self) -> None:
        """Put everything on the disk and let go."""
        self.log.close()
        self._reader.close()


def _number(place: Place) -> int:
    return place.segment << _OFFSET_BITS | place.offset


def _segment_and_offset(number: int) -> tuple[int, int]:
    return number >> _OFFSET_BITS, number & (1 << _OFFSET_BITS) - 1


def _read_note(body: bytes) -> Note | None:
    try:
        return _note_of(body)
    except msgspec.DecodeError:
        return None
