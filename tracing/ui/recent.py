"""Traces as rows, for the pages that show them."""

import asyncio
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


class Recent:
    """Traces as they are or were a moment ago.

    The large ones are kept for a while, because one is read page by page; who asks for a trace that
    is just being read waits for that.
    """

    def __init__(self, store: SpanStore) -> None:
        self._store = store
        self._kept: dict[str, Waterfall] = {}
        self._reading: dict[str, asyncio.Task[Waterfall]] = {}

    async def get(self, text: str) -> Waterfall:
        """A trace by its id. Raises: NoTraceError, ArgumentError, StoreError."""
        try:
            trace_id = normalise.trace_id(text.strip().lower())
        except SpanError as error:
            told = f"{text} is no trace's id: that is 1 to 32 hex digits, not all of them 0"
            raise ArgumentError(told) from error
        if trace_id in self._kept:
            return self._kept[trace_id]
        reading = self._reading.get(trace_id)
        if reading is None:
            reading = asyncio.get_running_loop().create_task(self._read(trace_id), name="trace")
            self._reading[trace_id] = reading
            reading.add_done_callback(lambda done: self._is_read(trace_id, done))
        # Shielded: the reader who began it may leave, the others still want it.
        return await asyncio.shield(reading)

    async def _read(self, trace_id: str) -> Waterfall:
        spans = await self._store.trace(trace_id)
        if not spans:
            raise NoTraceError(trace_id)
        trace = await asyncio.to_thread(waterfall, spans)
        if len(trace.rows) >= _LARGE_ROWS:
            while len(self._kept) >= _KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._kept[trace_id] = trace
            # Not when somebody comes again: 100,000 rows are 100 MB that nobody may want any more.
            asyncio.get_running_loop().call_later(_KEPT_S, self._forget, trace_id, trace)
        return trace

    def _is_read(self, trace_id: str, reading: asyncio.Task[Waterfall]) -> None:
        del self._reading[trace_id]
        if not reading.cancelled():
            reading.exception()  # told to whoever waits; all may have left

    def _forget(self, trace_id: str, trace: Waterfall) -> None:
        if self._kept.get(trace_id) is trace:
            del self._kept[trace_id]
