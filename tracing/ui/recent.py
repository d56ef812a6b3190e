"""Traces as rows, for the pages that show them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tracing.pipeline import normalise
from tracing.pipeline.http.query_args import ArgumentError
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.port import SpanStore
from tracing.ui.view import Waterfall, waterfall

_LARGE_ROWS: Final = 5_000  # from here on it takes more than 50 ms to read and join a trace
_KEPT_MAX: Final = 2
_KEPT_S: Final = 20.0


class NoTraceError(Exception):
    """The store has no span of it; the text is its id."""


class _Held:
    """A trace that is being read, or was; `users` look at it, and it may be kept for others."""

    def __init__(self, reading: asyncio.Task[Waterfall]) -> None:
        self.reading = reading
        self.users = 0
        self.kept = False


class Recent:
    """Traces as they are or were a moment ago.

    The large ones are kept for a while, because one is read page by page; who asks for a trace that
    is just being read waits for that.
    """

    def __init__(
        self, store: SpanStore, *, large_rows: int = _LARGE_ROWS, kept_s: float = _KEPT_S
    ) -> None:
        self._store = store
        self._large_rows = large_rows
        self._kept_s = kept_s
        self._held: dict[str, _Held] = {}

    @asynccontextmanager
    async def open(self, text: str) -> AsyncIterator[Waterfall]:
        """A trace by its id; what is here of it may be gone afterwards.

        Raises: NoTraceError, ArgumentError, StoreError.
        """
        try:
            trace_id = normalise.trace_id(text.strip().lower())
        except SpanError as error:
            told = f"{text} is no trace's id: that is 1 to 32 hex digits, not all of them 0"
            raise ArgumentError(told) from error
        held = self._held.get(trace_id)
        if held is None:
            reading = asyncio.get_running_loop().create_task(self._read(trace_id), name="trace")
            held = self._held[trace_id] = _Held(reading)
        held.users += 1
        try:
            # Shielded: the reader who began it may leave, the others still want it.
            trace = await asyncio.shield(held.reading)
            self._keep(trace_id, held, len(trace.rows))
            yield trace
        finally:
            held.users -= 1
            self._let_go(trace_id, held)

    async def _read(self, trace_id: str) -> Waterfall:
        spans = await self._store.trace(trace_id)
        if not spans:
            raise NoTraceError(trace_id)
        return await asyncio.to_thread(waterfall, spans)

    def _keep(self, trace_id: str, held: _Held, rows: int) -> None:
        if held.kept or rows < self._large_rows:
            return
        kept = [(key, one) for key, one in self._held.items() if one.kept]
        for key, one in kept[: max(len(kept) + 1 - _KEPT_MAX, 0)]:
            self._forget(key, one)
        held.kept = True
        # Not when somebody comes again: 100,000 rows are 100 MB that nobody may want any more.
        asyncio.get_running_loop().call_later(self._kept_s, self._forget, trace_id, held)

    def _forget(self, trace_id: str, held: _Held) -> None:
        held.kept = False
        self._let_go(trace_id, held)

    def _let_go(self, trace_id: str, held: _Held) -> None:
        if held.users or held.kept or self._held.get(trace_id) is not held:
            return
        del self._held[trace_id]
        held.reading.add_done_callback(self._free)  # at once, where it was read

    def _free(self, reading: asyncio.Task[Waterfall]) -> None:
        if reading.cancelled() or reading.exception() is not None:
            return
        trace = reading.result()
        if len(trace.rows) >= self._large_rows:
            asyncio.get_running_loop().run_in_executor(None, trace.free)
