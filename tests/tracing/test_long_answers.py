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
from tracing.ui.view import Waterfall


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


class SlowStore(MemoryStore):
    """It answers once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.answer = asyncio.Event()

    async def trace(self, trace_id: str) -> Trace:
        self.asked.append(trace_id)
        await self.answer.wait()
        return await super().trace(trace_id)


async def test_who_asks_for_a_trace_that_is_being_read_waits_for_that() -> None:
    store = SlowStore()
    await store.append(batch_of([span(1)]))
    recent = Recent(store)

    async def begin() -> None:
        async with recent.open("1"):
            raise AssertionError("nothing was read yet")

    async def read(text: str) -> Waterfall:
        async with recent.open(text) as trace:
            await asyncio.sleep(0)
            return trace

    async def answer() -> None:
        with pytest.raises(TimeoutError):  # who began it may leave
            async with asyncio.timeout(0):
                await begin()
        store.answer.set()

    first, second, _ = await asyncio.gather(read("1"), read(" 01 "), answer())
    assert first is second
    assert store.asked == [f"{1:016x}"]
    with pytest.raises(NoTraceError, match="0002"):
        await read("2")
    assert await read("1") is not first  # a small one is read anew


async def all_threads_ended() -> None:
    for _ in range(5):  # what was to be called soon has been
        await asyncio.sleep(0)
    await asyncio.get_running_loop().shutdown_default_executor()


async def test_a_large_trace_is_kept_a_while_and_freed_when_nobody_looks_at_it() -> None:
    store = SlowStore()
    store.answer.set()
    await store.append(batch_of([one for number in (1, 2, 3, 4) for one in trace(number, 3)]))
    recent = Recent(store, large_rows=3, kept_s=60)
    async with recent.open("1") as looked_at:
        for text in ("2", "3", "4"):  # two are kept, so the first goes
            async with recent.open(text):
                pass
        assert len(looked_at.rows) == 3
    for text in ("4", "3"):
        async with recent.open(text) as again:
            assert len(again.rows) == 3
    assert len(store.asked) == 4
    await all_threads_ended()
    assert looked_at.rows == []


async def test_a_large_trace_is_freed_when_its_while_is_over() -> None:
    store = SlowStore()
    store.answer.set()
    await store.append(batch_of(trace(1, 3)))
    async with Recent(store, large_rows=3, kept_s=0).open("1") as brief:
        assert len(brief.rows) == 3
    await all_threads_ended()
    assert brief.rows == []
