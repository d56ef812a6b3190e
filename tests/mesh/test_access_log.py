"""The access log: its lines, its bounds, and that nothing waits for it."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.access.format import AccessRecord, LineFormat, UnknownField
from mesh.access.log import AccessLog

if TYPE_CHECKING:
    from pathlib import Path

RECORD = AccessRecord(
    end_us=1_769_904_000_123_456,
    elapsed_us=2_345,
    client="192.0.2.1",
    method=b"GET",
    target=b"/a?b=c",
    minor=1,
    host=b"web",
    status=200,
    request_bytes=0,
    response_bytes=5,
    service="/svc/web",
    client_id="/#/io.l5d.fs/web",
    upstream="127.0.0.1:80",
    trace_id=bytes(15) + b"\x01",
    rule="dogfood",
    block=b'\r\nHost: web\r\nUser-Agent: curl "8"\r\nReferer: http://x/',
)


def test_json_has_every_field() -> None:
    assert json.loads(LineFormat("json").line(RECORD)) == {
        "time": "2026-02-01T00:00:00.123Z",
        "client": "192.0.2.1",
        "method": "GET",
        "target": "/a?b=c",
        "host": "web",
        "status": 200,
        "bytes": 5,
        "request_bytes": 0,
        "duration_ms": 2.345,
        "trace_id": "0" * 31 + "1",
        "service": "/svc/web",
        "client_id": "/#/io.l5d.fs/web",
        "upstream": "127.0.0.1:80",
        "rule": "dogfood",
    }


IN_COMMON = (
    '192.0.2.1 - - [01/Feb/2026:00:00:00 +0000] "GET /a?b=c HTTP/1.1" 200 5 '
    '"http://x/" "curl \\x228\\x22"'
)


@pytest.mark.parametrize(
    ("form", "line"),
    [
        ("combined", IN_COMMON),
        ("linkerd", "web " + IN_COMMON),
        ("{status} {duration_ms} {rule}!", "200 2.345 dogfood!"),
        ("no field", "no field"),
    ],
)
def test_a_line_is_as_its_form_says(form: str, line: str) -> None:
    assert LineFormat(form).line(RECORD) == line


def test_a_template_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(UnknownField, match=r"\{nothing\} is no field; there are time"):
        LineFormat("{status} {nothing}")


@given(st.binary(max_size=40), st.text(max_size=20), st.sampled_from(["json", "combined"]))
def test_whatever_was_sent_a_line_is_one_line_of_plain_text(
    sent: bytes, name: str, form: str
) -> None:
    record = RECORD._replace(
        target=sent, host=sent, method=sent, service=name, rule=name, block=b"\r\nReferer: " + sent
    )
    line = LineFormat(form).line(record)
    assert line.isascii()
    assert line.isprintable()


def test_only_formats_that_read_headers_keep_them() -> None:
    assert LineFormat("combined").wants_headers
    assert LineFormat("{referer}").wants_headers
    assert not LineFormat("json").wants_headers


async def test_everything_is_written_in_order_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    log = AccessLog(str(file), LineFormat("{status}"))
    for status in range(5_000):
        log.append(RECORD._replace(status=status))
    await log.aclose()
    assert file.read_text().splitlines() == [str(status) for status in range(5_000)]
    assert (log.written, log.dropped) == (5_000, 0)


async def test_a_log_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    log = AccessLog(str(file), LineFormat("{status}"))
    file.rename(tmp_path / "access.log.1")
    log.reopen()
    log.append(RECORD)
    await log.aclose()
    assert file.read_text() == "200\n"
    assert (tmp_path / "access.log.1").read_text() == ""


async def test_a_reader_that_sleeps_stops_nobody_and_drops_are_counted(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    log = AccessLog(str(pipe), LineFormat("json"), records_max=1_000, flush_s=0.0)
    offered = 0
    async with asyncio.timeout(20):
        while not log.dropped:  # the pipe holds 64 KiB, then the queue fills
            for _ in range(100):
                log.append(RECORD)
            offered += 100
            await asyncio.sleep(0)
    held = offered - log.dropped
    lines = 0
    closing = asyncio.ensure_future(log.aclose())
    left = b""
    async with asyncio.timeout(20):
        while lines < held:
            try:
                left += os.read(reading, 65_536)
            except BlockingIOError:
                await asyncio.sleep(0.001)  # another thread's progress
            *whole, left = left.split(b"\n")
            lines += len([json.loads(line) for line in whole])
    await closing
    os.close(reading)
    assert log.written == held
