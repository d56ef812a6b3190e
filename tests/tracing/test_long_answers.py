"""Answers that take a while, and what others get meanwhile."""

import asyncio
import json

import pytest
from starlette.responses import Response
from starlette.types import Message

from tests.kits.span_store import span
from tracing.pipeline.batch import batch_of
from tracing.pipeline.http.pieces import page_response, trace_response, traces_response
from tracing.pipeline.model import V2Span, to_json
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.port import Trace
from tracing.ui.recent import NoTraceError, Recent


def trace(number: int, spans: int) -> list[V2Span]:
    return [span(number, own) for own in range(1, spans + 1)]


async def pieces_of(response: Response) -> list[bytes]:
    """What is sent of an answer; whoever else wants to run has a turn between each two."""
    sent: list[bytes] = []
    turns = 0
    over = False

    async def send(message: Message) -> None:
        nonlocal turns
        if body := message.get("body"):
            assert turns or not sent
            turns = 0
            sent.append(body)

    async def receive() -> Message:
        await asyncio.Event().wait()  # whoever asked stays
        return {"type": "http.disconnect"}

    async def answer() -> None:
        nonlocal over
        await response({"type": "http", "method": "GET"}, receive, send)
        over = True

    async def others() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    await asyncio.gather(answer(), others())
    return sent


@pytest.mark.parametrize("spans", [0, 1, 500, 501, 4_500])
async def test_a_trace_comes_whole_in_pieces_between_which_others_have_their_turn(
    spans: int,
) -> None:
    asked = trace(1, spans)
    pieces = await pieces_of(trace_response(asked))
    assert b"".join(pieces) == to_json(asked)
    assert (len(pieces) > 1) == (spans > 500)


@pytest.mark.parametrize("sizes", [[], [3, 1], [300, 300], [1] * 1_500, [2, 2_500, 1], [2_500]])
async def test_many_traces_come_whole_in_pieces(sizes: list[int]) -> None:
    asked = [trace(number, spans) for number, spans in enumerate(sizes, 1)]
    pieces = await pieces_of(traces_response(asked))
    assert json.loads(b"".join(pieces)) == json.loads(to_json(asked))
    assert (len(pieces) > 1) == (sum(sizes) > 500)


@pytest.mark.parametrize("letters", [0, 1_000, 200_000])
async def test_a_page_comes_whole_in_pieces(letters: int) -> None:
    html = "ä" * letters
    response = page_response(html, 404, {"x-content-type-options": "nosniff"})
    pieces = await pieces_of(response)
    assert b"".join(pieces).decode() == html
    assert (len(pieces) > 1) == (letters > 100_000)
    assert response.status_code == 404
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_who_asks_for_a_trace_that_is_being_read_waits_for_that() -> None:
    asked: list[str] = []
    answer = asyncio.Event()

    class SlowStore(MemoryStore):
        async def trace(self, trace_id: str) -> Trace:
            asked.append(trace_id)
            await answer.wait()
            return await super().trace(trace_id)

    store = SlowStore(strict=True, keys=(), spans_max=10)
    await store.append(batch_of([span(1)]))
    recent = Recent(store)
    with pytest.raises(TimeoutError):  # who began it may leave
        async with asyncio.timeout(0):
            await recent.get("1")
    answer.set()
    second, third = await asyncio.gather(recent.get("1"), recent.get(" 01 "))
    assert second is third
    assert asked == [f"{1:016x}"]
    with pytest.raises(NoTraceError, match="0002"):
        await recent.get("2")
