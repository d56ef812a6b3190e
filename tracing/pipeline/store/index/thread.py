"""The one thread that writes and waits for the disk, and what it looked like after each job."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, ParamSpec, TypeVar

from tracing.pipeline.store.index.writer import IndexWriter
from tracing.pipeline.store.log.segments import SpanLog, sync
from tracing.pipeline.store.port import Flow, Standing, TailCounts

_P = ParamSpec("_P")
_T = TypeVar("_T")

# What a power loss may take of a log.
_SYNC_EVERY_S: Final = 5.0


class Seen(NamedTuple):
    """The writer's counts between two of its jobs."""

    stored: int
    evicted: int
    blocks: int
    size_bytes: int
    standing: Standing


class WriterThread:
    """Runs jobs one after the other.

    `seen` changes in the loop's own turn, together with whatever the caller of `run` does before
    it waits again: so the counts and the queue before them never contradict each other.
    """

    def __init__(self, writer: IndexWriter) -> None:
        self._writer = writer
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
        )


async def put_on_disk(log: SpanLog, thread: WriterThread) -> None:
    """Wait until what is in a log is on the disk."""
    await thread.run(sync, log.take_sealed())
    await thread.run(log.sync)


async def keep_on_disk(log: SpanLog, thread: WriterThread) -> None:
    """Do so every few seconds."""
    while True:
        await asyncio.sleep(_SYNC_EVERY_S)
        with contextlib.suppress(OSError):
            await put_on_disk(log, thread)


def flow_of(begun: Seen, seen: Seen, tail: TailCounts | None, failed: int) -> Flow:
    """Where the spans are; those that could not be written are counted elsewhere."""
    queued = seen.standing.owed
    read_back = begun.standing.owed
    dropped = {
        "store_failed": failed,
        "evicted_unexported": seen.standing.lost - begun.standing.lost,
    }
    if tail is not None:
        queued += tail.waiting
        read_back += tail.read_back
        dropped |= {f"tail.{policy}": spans for policy, spans in tail.dropped_now.items()}
    return Flow(
        read_back=read_back,
        stored=seen.standing.kept - begun.standing.kept,
        exported=seen.standing.exported - begun.standing.exported,
        queued=queued,
        dropped=dropped,
    )
