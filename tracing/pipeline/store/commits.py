"""Batches that wait for their commit, in a bounded queue."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from tracing.pipeline.batch import Batch
from tracing.pipeline.store.port import StoreBusyError, StoreError

_COMMIT_BYTES_MAX: Final = 8 << 20  # of one transaction; the rest waits for the next

# Commits the batches, all or none. Units: the wall clock in milliseconds.
Commit = Callable[[Sequence[Batch], int], Awaitable[None]]


class Commits:
    """All batches that wait while a commit runs share the next one.

    Units: bytes_max bounds the bodies that wait; `spans` are those that wait, `failed` those whose
    commit failed.
    """

    def __init__(self, commit: Commit, bytes_max: int) -> None:
        self._commit = commit
        self._bytes_max = bytes_max
        self._queue: deque[tuple[Batch, asyncio.Future[None]]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closed = False
        self.spans = 0
        self.failed = 0

    async def append(self, batch: Batch) -> None:
        """Returns once the batch is committed. Raises: StoreBusyError, StoreError."""
        if self._closed:
            raise StoreError("the store is closed")
        size = len(batch.body)
        if self._bytes + size > self._bytes_max and self._queue:
            raise StoreBusyError
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((batch, done))
        self._bytes += size
        self.spans += len(batch.spans)
        self._wake.set()
        await done

    async def run(self) -> None:
        """Commit what comes, until it is closed and nothing waits any more."""
        while True:
            while self._queue:
                await self._commit_next()
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()

    async def _commit_next(self) -> None:
        """Commit what waits, at most a transaction's fill."""
        taken = self._take()
        problem: StoreError | None = None
        try:
            await self._commit([batch for batch, _ in taken], time.time_ns() // 1_000_000)
        except Exception as error:  # noqa: BLE001 - every waiting sender needs its answer
            problem = StoreError(f"{type(error).__name__}: {error}")
        for batch, done in taken:
            self._bytes -= len(batch.body)
            self.spans -= len(batch.spans)
            if problem is not None:
                self.failed += len(batch.spans)
            if done.done():
                continue  # the sender went away; its spans are kept all the same
            if problem is None:
                done.set_result(None)
            else:
                done.set_exception(problem)

    def close(self) -> None:
        """Take nothing more; what waits is still to be committed."""
        self._closed = True
        self._wake.set()

    def _take(self) -> list[tuple[Batch, asyncio.Future[None]]]:
        taken = [self._queue.popleft()]
        size = len(taken[0][0].body)
        while self._queue and size < _COMMIT_BYTES_MAX:
            taken.append(self._queue.popleft())
            size += len(taken[-1][0].body)
        return taken
