"""The log of messages: whole records, torn ends, segments."""

from pathlib import Path

import pytest

from tests.kits.limits import no_longer_files
from tracing.pipeline.store.log.segments import (
    LogReader,
    Place,
    Record,
    SpanLog,
    remove_before,
    segments,
)
from tracing.pipeline.store.port import StoreError


def opened(folder: Path, after: tuple[int, int] = (0, 0)) -> tuple[SpanLog, list[Record]]:
    log = SpanLog(folder, 200)
    return log, [record for _, record in log.recover(*after)]


def bodies(records: list[Record]) -> list[bytes]:
    return [record.body for record in records]


def test_what_was_written_is_read_back_where_it_lies(tmp_path: Path) -> None:
    log, _ = opened(tmp_path / "log")
    first, second = log.append(b"[1]", 1, 7), log.append(b"[2,2]", 2, 8, arrival=3)
    assert (first.segment, first.end) == (second.segment, second.offset)
    reader = LogReader(log.folder)
    both = Place(first.segment, first.offset, first.size + second.size)
    assert reader.read(both) == ([Record(b"[1]", 1, 7, 0), Record(b"[2,2]", 2, 8, 3)], True)
    assert reader.read(second) == ([Record(b"[2,2]", 2, 8, 3)], True)
    reader.close()
    log.close()


def test_a_process_that_dies_finds_what_is_behind_the_index(tmp_path: Path) -> None:
    log, _ = opened(tmp_path / "log")
    known = log.append(b"[known]", 1, 0)
    wanted = [b"[%d]" % number * 9 for number in range(30)]
    for body in wanted:
        log.append(body, 1, 0)
    assert len(segments(log.folder)) > 5
    again, found = opened(log.folder, (known.segment, known.end))
    assert bodies(found) == wanted
    place = again.append(b"[more]", 1, 0)
    reader = LogReader(log.folder)
    assert reader.read(place) == ([Record(b"[more]", 1, 0, 0)], True)
    reader.close()
    again.close()
    log.close()


@pytest.mark.parametrize("cut", [1, 20, 34])
def test_a_record_that_is_not_whole_goes_and_the_next_takes_its_place(
    tmp_path: Path, cut: int
) -> None:
    log, _ = opened(tmp_path / "log")
    log.append(b"[1]", 1, 0)
    torn = log.append(b"[2]", 1, 0)
    [file] = log.folder.iterdir()
    file.write_bytes(file.read_bytes()[:-cut])
    again, found = opened(log.folder)
    assert bodies(found) == [b"[1]"]
    assert again.append(b"[3]", 1, 0) == torn
    assert bodies(opened(log.folder)[1]) == [b"[1]", b"[3]"]


def test_a_spoilt_record_harms_no_other(tmp_path: Path) -> None:
    log, _ = opened(tmp_path / "log")
    places = [log.append(b"[%d]" % number, 1, 0) for number in (1, 2, 3)]
    [file] = log.folder.iterdir()
    raw = bytearray(file.read_bytes())
    raw[places[1].end - 2] ^= 1
    file.write_bytes(raw)
    assert bodies(opened(log.folder)[1]) == [b"[1]", b"[3]"]
    reader = LogReader(log.folder)
    assert reader.read(places[1]) == ([], False)
    everything = Place(places[0].segment, 0, places[2].end)
    records, whole = reader.read(everything)
    assert (bodies(records), whole) == ([b"[1]", b"[3]"], False)
    reader.close()


def test_text_like_a_head_within_a_message_is_no_record(tmp_path: Path) -> None:
    log, _ = opened(tmp_path / "log")
    log.append(b"wsp1" * 12, 1, 0)
    assert bodies(opened(log.folder)[1]) == [b"wsp1" * 12]


def test_what_a_power_loss_took_is_not_written_over(tmp_path: Path) -> None:
    log, _ = opened(tmp_path / "log")
    place = log.append(b"[1]", 1, 0)
    lost = log.append(b"[2]", 1, 0)
    [file] = log.folder.iterdir()
    file.write_bytes(file.read_bytes()[: place.end])
    again, found = opened(log.folder, (lost.segment, lost.end))
    assert found == []
    assert again.append(b"[3]", 1, 0).segment > lost.segment


def test_a_full_disk_refuses_a_record_as_a_whole(tmp_path: Path) -> None:
    log = SpanLog(tmp_path / "log")
    assert list(log.recover(0, 0)) == []
    log.append(b"[1]", 1, 0)
    for size in (100, 39):  # in the middle of the record, and at its beginning
        with no_longer_files(size), pytest.raises(StoreError, match="cannot write to"):
            log.append(bytes(range(256)), 1, 0)
    log.append(b"[2]", 1, 0)
    assert bodies(opened(log.folder)[1]) == [b"[1]", b"[2]"]


def test_segments_are_removed_whole_and_what_lay_there_is_forgotten(tmp_path: Path) -> None:
    log, _ = opened(tmp_path / "log")
    places = [log.append(b"[%d]" % number * 30, 1, 0) for number in range(6)]
    reader = LogReader(log.folder)
    (tmp_path / "log" / "notes.txt").write_text("not ours")
    remove_before(log.folder, places[3].segment)
    assert segments(log.folder)[0] == places[3].segment
    assert (tmp_path / "log" / "notes.txt").exists()
    assert reader.read(places[0]) == ([], True)
    assert bodies(reader.read(places[3])[0]) == [b"[3]" * 30]
    reader.close()
