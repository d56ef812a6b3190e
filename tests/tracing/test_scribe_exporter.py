"""Our records over scribe: to our own receiver, and to servers that misbehave."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kits.collecting import full
from tests.kits.running import soon
from tests.tracing.test_encode import EDGE, HELLO, record
from tests.vectors.zipkin import running
from tracing.encode.thrift import encode_span
from tracing.encode.zipkin_json import encode_spans
from tracing.pipeline.collector import Collector
from tracing.pipeline.decode.thrift import decode_one
from tracing.pipeline.decode.v2_json import decode_lenient
from tracing.pipeline.model import V2Span
from tracing.recorder import ExportError, ExportRefusedError, Recorder
from tracing.recorder.scribe import ScribeExporter
from tracing.span import SpanRecord

PARENT = bytes.fromhex("00f067aa0ba902b6")

records = st.builds(
    record,
    trace_id=st.binary(min_size=8, max_size=8).filter(any)
    | st.binary(min_size=16, max_size=16).filter(lambda raw: any(raw[8:])),
    span_id=st.binary(min_size=8, max_size=8).filter(any),
    parent_id=st.none() | st.just(PARENT),
    kind=st.sampled_from(["CLIENT", "SERVER", "PRODUCER", "CONSUMER", ""]),
    name=st.sampled_from(["get", "POST /ä", ""]),
    elapsed_us=st.sampled_from([0, 1, 1_500]),
    local=st.just(EDGE),
    remote=st.none() | st.just(HELLO),
    # v1 has the keys ca, sa, ma and lc for itself.
    tags=st.dictionaries(
        st.text("bxyz.", min_size=1, max_size=5),
        st.text("xyzä<", min_size=1, max_size=8),
        max_size=3,
    ),
    annotations=st.just(()) | st.just(((1_763_000_000_000_100, "wire"),)),
    debug=st.booleans(),
)


def as_json(span: SpanRecord) -> V2Span:
    [read] = decode_lenient(encode_spans([span]))
    return read


@given(records)
def test_thrift_and_json_tell_the_same_span(span: SpanRecord) -> None:
    assert decode_one(encode_span(span)) == [as_json(span)]


@given(records.filter(lambda one: one.kind == "SERVER"))
def test_a_shared_span_stays_one(span: SpanRecord) -> None:
    span.shared = True
    assert decode_one(encode_span(span)) == [as_json(span)]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with running({}) as started:
        yield started


async def test_recorded_spans_arrive_at_our_own_receiver(collector: Collector) -> None:
    recorder = Recorder(
        ScribeExporter("127.0.0.1", collector.scribe_port or 0), batch_bytes=40 << 10
    )
    await recorder.start()
    for number in range(1, 501):
        recorder.record(record(span_id=number.to_bytes(8), trace_id=bytes(8) + b"\1" * 8))
    await recorder.aclose()
    assert (recorder.exported, recorder.batches) == (500, 4)
    counts = collector.ingest.counts["scribe"]
    assert (counts.messages, counts.stored) == (4, 500)


async def test_a_full_collector_is_asked_again_later(tmp_path: Path) -> None:
    async with full(tmp_path) as (collector, let_go):

        async def wait(_closing: asyncio.Event, _within_s: float) -> None:
            await let_go()

        exporter = ScribeExporter("127.0.0.1", collector.scribe_port or 0)
        recorder = Recorder(exporter, flush_interval_s=0.01, wait=wait)
        await recorder.start()
        recorder.record(record())
        await soon(lambda: not recorder.queued)
        await recorder.aclose()
        assert (recorder.retries, recorder.exported, recorder.dropped_refused) == (1, 1, 0)


async def test_bad_spans_are_refused_once_and_the_connection_goes_on(
    collector: Collector,
) -> None:
    exporter = ScribeExporter("127.0.0.1", collector.scribe_port or 0)
    bad = [exporter.encode([record(span_id=bytes(8))])]
    with pytest.raises(ExportRefusedError, match="refused"):
        await exporter.send(bad)
    await exporter.send([exporter.encode([record()])] * 2)
    await exporter.aclose()
    assert collector.ingest.counts["scribe"].stored == 2


@asynccontextmanager
async def answering(*replies: bytes) -> AsyncIterator[int]:
    """A server that answers each call of its connections with the next of the replies."""
    left = list(replies)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while left:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                await reader.readexactly(size)
                writer.write(left.pop(0))
                await writer.drain()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def framed(payload: bytes) -> bytes:
    return struct.pack(">i", len(payload)) + payload


def reply(kind: int, sequence: int, rest: bytes) -> bytes:
    head = struct.pack(">Ii", 0x8001_0000 | kind, 3) + b"Log" + struct.pack(">i", sequence)
    return framed(head + rest)


GOOD = b"\x08\0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        framed(b""),
        framed(b"\x80\x01"),
        reply(2, 7, GOOD),
        reply(2, 1, b"\0"),
        reply(2, 1, b"\x08\0\0\0\0\0\x09\0"),
        reply(1, 1, GOOD),
    ],
    ids=["http", "nothing", "cut", "another call's", "no result", "result 9", "a call"],
)
async def test_an_answer_that_is_none_is_a_failure_and_the_next_call_is_fresh(
    answer: bytes,
) -> None:
    async with answering(answer, reply(2, 2, GOOD)) as port:
        exporter = ScribeExporter("127.0.0.1", port)
        body = [exporter.encode([record()])]
        with pytest.raises(ExportError) as raised:
            await exporter.send(body)
        assert not isinstance(raised.value, ExportRefusedError)
        await exporter.send(body)
        await exporter.aclose()


async def test_a_server_that_never_answers_is_left_in_time() -> None:
    async with answering(b"") as port:
        exporter = ScribeExporter("127.0.0.1", port, timeout_s=0.05)
        with pytest.raises(ExportError):
            await exporter.send([exporter.encode([record()])])
        await exporter.aclose()
