"""The recorder against a real collector, and against none."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from tests.kits.running import free_port, soon
from tests.tracing.test_encode import record
from tests.vectors.zipkin import running
from tracing.encode.exchange_json import encode_records
from tracing.exchange import Record
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.recorder import ExportError, ExportRefusedError, Recorder, ZipkinHttpExporter


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running({}) as started:
        yield started


class Script:
    """An exporter that answers as told, then takes everything."""

    def __init__(self, *answers: Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.sent = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def encode(self, records: Sequence[Record]) -> bytes:
        return encode_records(records)

    def size(self, piece: bytes) -> int:
        return len(piece)

    async def send(self, pieces: Sequence[bytes]) -> None:
        self.sent.set()
        await self.gate.wait()
        if self.answers:
            raise self.answers.pop(0)
        self.bodies.append(b"|".join(pieces))

    async def aclose(self) -> None:
        self.gate.set()


def balanced(recorder: Recorder) -> bool:
    dropped = sum(recorder.dropped().values())
    return recorder.recorded == recorder.exported + dropped + recorder.queued


async def test_recorded_spans_arrive_at_a_real_collector(collector: Collector) -> None:
    recorder = Recorder(ZipkinHttpExporter(collector.url), batch_bytes=32 << 10)
    await recorder.start()
    for number in range(1, 501):
        recorder.record(record(span_id=number.to_bytes(8, "big")))
    await recorder.aclose()
    assert (recorder.exported, recorder.batches) == (500, 4)
    assert collector.ingest.counts["http"].stored == 500
    assert balanced(recorder)


async def test_a_part_of_a_batch_goes_when_its_time_is_over() -> None:
    script = Script()
    recorder = Recorder(script, flush_interval_s=0.01)
    await recorder.start()
    recorder.record(record())
    async with asyncio.timeout(30):
        await script.sent.wait()
    await recorder.aclose()
    assert recorder.exported == 1


async def test_past_the_bound_spans_are_dropped_and_counted() -> None:
    script = Script()
    recorder = Recorder(script, queue_max=10)
    for _ in range(25):
        recorder.record(record())
    assert (recorder.queued, recorder.dropped_queue_full) == (10, 15)
    assert balanced(recorder)
    await recorder.start()
    await recorder.aclose()
    assert recorder.exported == 10
    assert balanced(recorder)


async def test_a_batch_is_sent_again_until_it_arrives() -> None:
    script = Script(ExportError("down"), ExportError("down"))
    recorder = Recorder(script, flush_interval_s=0.01)
    await recorder.start()
    recorder.record(record())
    await recorder.aclose()
    assert (recorder.retries, recorder.exported, len(script.bodies)) == (2, 1, 1)


async def test_pauses_double_up_to_five_seconds_and_a_collector_may_ask_for_longer() -> None:
    pauses: list[float] = []

    async def wait(_closing: asyncio.Event, within_s: float) -> None:
        pauses.append(within_s)

    asked = [None, None, 12.0, None, None, None, None, 3600.0]
    script = Script(*(ExportError("down", one) for one in asked))
    recorder = Recorder(script, attempts_max=9, flush_interval_s=0.01, wait=wait)
    await recorder.start()
    recorder.record(record())
    await soon(lambda: not recorder.queued)
    await recorder.aclose()
    assert recorder.exported == 1
    assert pauses.pop(2) == 12.0
    assert pauses.pop() == 30.0  # nobody may hold spans for an hour
    for most, seconds in zip((0.1, 0.2, 0.8, 1.6, 3.2, 5.0), pauses, strict=True):
        assert most / 2 <= seconds <= most


async def test_a_collector_that_comes_back_gets_what_waited() -> None:
    port = free_port()
    recorder = Recorder(
        ZipkinHttpExporter(f"http://127.0.0.1:{port}"), attempts_max=100, flush_interval_s=0.01
    )
    await recorder.start()
    for number in range(1, 101):
        recorder.record(record(span_id=number.to_bytes(8, "big")))
    await soon(lambda: recorder.retries >= 2)
    assert recorder.queued == 100
    collector = Collector(MemoryStore(), Settings(), bind("127.0.0.1", port))
    await collector.start()
    try:
        await soon(lambda: recorder.exported == 100)
        assert collector.ingest.counts["http"].stored == 100
    finally:
        await recorder.aclose()
        await collector.aclose()


async def test_a_refused_batch_is_not_sent_again() -> None:
    script = Script(ExportRefusedError("bad"))
    recorder = Recorder(script)
    await recorder.start()
    recorder.record(record())
    await recorder.aclose()
    assert (recorder.retries, recorder.dropped_refused, script.bodies) == (0, 1, [])
    assert balanced(recorder)


async def test_a_collector_that_never_answers_holds_nobody_up() -> None:
    script = Script()
    script.gate.clear()
    recorder = Recorder(script, flush_interval_s=0.01, queue_max=50, close_timeout_s=0.05)
    await recorder.start()
    recorder.record(record())
    await script.sent.wait()
    for _ in range(100):
        recorder.record(record())
    assert (recorder.queued, recorder.dropped_queue_full) == (50, 51)
    assert balanced(recorder)
    await recorder.aclose()
    assert recorder.dropped_closed == 50
    assert balanced(recorder)


async def test_nobody_listening_is_a_counted_loss() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        exporter = ZipkinHttpExporter(f"http://127.0.0.1:{unused.getsockname()[1]}")
        recorder = Recorder(exporter, attempts_max=2)
        await recorder.start()
        recorder.record(record())
        await recorder.aclose()
    assert recorder.dropped_export_failed == 1
    assert balanced(recorder)


async def test_a_real_refusal_is_told_from_a_real_failure(collector: Collector) -> None:
    exporter = ZipkinHttpExporter(collector.url)
    with pytest.raises(ExportRefusedError, match="400"):
        await exporter.send([b"nonsense"])
    await exporter.aclose()
