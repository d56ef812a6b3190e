"""The room for what is being read: shared by all who send, bounded, and given back."""

import asyncio
import contextlib
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.kits.collecting import full
from tests.kits.receivers import LATER, RECEIVERS, REFUSED, TAKEN
from tests.kits.running import soon
from tests.tracing.test_bad_input import GOOD, good_of, started, unharmed
from tracing.pipeline.collector_config import CollectorConfig, LimitsConfig
from tracing.pipeline.http.answers import read_body
from tracing.pipeline.intake import FullError, Intake


async def half_a_message(port: int, size: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A POST whose body stops before its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: {size + 1}\r\n\r\n"
    writer.write(head.encode() + b" " * size)
    return reader, writer


async def test_bodies_that_are_read_at_once_share_one_bound() -> None:
    bound = 200_000
    limits = LimitsConfig(reading_bytes_max=bound)
    async with started(CollectorConfig(limits=limits)) as collector:
        port = int(collector.url.rpartition(":")[2])
        _, writer = await half_a_message(port, 150_000)
        await soon(lambda: collector.ingest.intake.held >= 150_000)
        for receiver in RECEIVERS:
            # HTTP/2 ends a call before its body was sent, for which the client has no words.
            size = 120_000 if "gRPC" in receiver.name else 900_000
            large = [GOOD | {"tags": {"long": "x" * size}}]
            counts = collector.ingest.counts[receiver.transport]
            before = counts.messages_dropped
            outcome = await receiver.send(collector, receiver.message(large), "")
            # Scribe has no word for it before a call is whole: the connection ends.
            assert outcome == (REFUSED if receiver.name == "scribe" else LATER), receiver.name
            assert counts.messages_dropped == before + 1
            assert collector.ingest.intake.held <= bound
        writer.close()
        await writer.wait_closed()
        await soon(lambda: not collector.ingest.intake.held)
        await unharmed(collector)


async def test_a_body_in_tiny_pieces_takes_no_more_than_its_size() -> None:
    size = 100_000
    sent = iter(range(2, size + 2, 2))

    async def receive() -> dict[str, Any]:
        number = next(sent)
        piece = number.to_bytes(4)[2:]
        return {"type": "http.request", "body": piece, "more_body": number < size}

    tracemalloc.start()
    try:
        body = await read_body(receive, size, Intake(size, 60))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == size
    assert most < 4 * size


async def test_a_body_that_stops_in_the_middle_gives_its_room_back() -> None:
    limits = LimitsConfig(message_within_s=0.2)
    async with started(CollectorConfig(limits=limits)) as collector:
        reader, writer = await half_a_message(int(collector.url.rpartition(":")[2]), 100_000)
        assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        writer.close()
        await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", collector.scribe_port)
        writer.write(struct.pack(">i", 100_000) + b"half")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()
        assert collector.ingest.intake.held == 0
        await unharmed(collector)


async def test_a_full_queue_asks_every_sender_to_come_again(tmp_path: Path) -> None:
    async with full(tmp_path) as (collector, let_go):
        for receiver in RECEIVERS:
            counts = collector.ingest.counts[receiver.transport]
            before = (counts.dropped["busy"], counts.stored)
            assert await receiver.send(collector, receiver.message([GOOD]), "") == LATER
            assert (counts.dropped["busy"], counts.stored) == (before[0] + 1, before[1])
        await let_go()
        await unharmed(collector)


def test_the_room_is_what_all_take_together() -> None:
    intake = Intake(10, 1.0)
    intake.change(6)
    with pytest.raises(FullError):
        intake.change(5)
    intake.change(4)
    intake.change(-10)
    assert intake.held == 0


async def test_others_are_served_while_large_messages_are_read() -> None:
    small = RECEIVERS[0]
    async with started(CollectorConfig()) as collector:

        async def send_small(served: list[bool]) -> None:
            while True:
                assert await small.send(collector, small.message([GOOD]), "") == TAKEN
                served.append(collector.ingest.large.waiting > 0)

        for slow in RECEIVERS:
            if slow.name in ("OTLP protobuf", "proto3", "thrift"):
                message = slow.message([good_of(n % 200) for n in range(40_000)])
                served: list[bool] = []
                others = asyncio.ensure_future(send_small(served))
                assert await slow.send(collector, message, "") == TAKEN
                others.cancel()
                with pytest.raises(asyncio.CancelledError):  # and nothing that went wrong
                    await others
                assert served.count(True) > 1
        assert collector.ingest.large.waiting == 0
        await unharmed(collector)
