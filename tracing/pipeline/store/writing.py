"""The one thread that writes, and what it looked like after each of its jobs."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, ParamSpec, TypeVar

from tracing.pipeline.store.outbox import Standing
from tracing.pipeline.store.port import Flow, TailCounts
from tracing.pipeline.store.waiting import WaitingRoom
from tracing.pipeline.store.writer import IndexWriter

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Seen(NamedTuple):
    """The writer's counts between two of its jobs."""

    stored: int
    evicted: int
    blocks: int
    size_bytes: int
    standing: Standing
    tail: TailCounts | None


class WriterThread:
    """Runs jobs one after the other.

    `seen` changes in the loop's own turn, together with whatever the caller of `run` does before
    it waits again: so the counts and the queue before them never contradict each other.
    """

    def __init__(self, writer: IndexWriter, room: WaitingRoom | None) -> None:
        self._writer = writer
        self._room = room
        self.executor = ThreadPoolExecutor(1, "store-writer")
        self.begun = self.seen = self._look()

    async def run(self, job: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """One job's result."""

        def both() -> tuple[_T, Seen]:
            return job(*args, **kwargs), self._look()

        loop = asyncio.get_running_loop()
        result, self.seen = await loop.run_in_executor(self.executor, both)
        return result

    def _look(self) -> Seen:
        writer = self._writer
        return Seen(
            writer.stored,
            writer.evicted,
            writer.blocks,
            writer.size_bytes,
            writer.outbox.standing(),
            None if self._room is None else self._room.counts(),
        )


def flow_of(begun: Seen, seen: Seen, waiting: int, failed: int) -> Flow:
    """Where the spans are; waiting for their commit, or failed in it, are counted elsewhere."""
    queued = waiting + seen.standing.owed
    read_back = begun.standing.owed
    dropped = {
        "store_failed": failed,
        "evicted_unexported": seen.standing.lost - begun.standing.lost,
    }
    if seen.tail is not None:
        queued += seen.tail.waiting
        read_back += seen.tail.read_back
        dropped |= {f"tail.{policy}": spans for policy, spans in seen.tail.dropped_now.items()}
    return Flow(
        read_back=read_back,
        stored=seen.standing.kept - begun.standing.kept,
        exported=seen.standing.exported - begun.standing.exported,
        queued=queued,
        dropped=dropped,
    )
