"""The queue between the request's path and the collector."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from tracing.exchange import Record
from tracing.recorder.exporter import Exporter, ExportError, ExportRefusedError

_log: Final = logging.getLogger(__name__)

# Encoding shares the request's event loop (a thread would make it wait for the interpreter lock,
# up to 5 ms). A piece holds it for about 0.1 ms, and is encoded as soon as it is full: records
# that wait for a batch of thousands have left the CPU's caches by then, and cost twice as much.
_PIECE_RECORDS: Final = 64
_BACKOFF_FIRST_S: Final = 0.1
_BACKOFF_MAX_S: Final = 5.0
_RETRY_AFTER_MAX_S: Final = 30.0


# Waits until something happens, but only so many seconds.
Wait = Callable[[asyncio.Event, float], Awaitable[None]]


async def _until(event: asyncio.Event, within_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await event.wait()


class Recorder:
    """Takes spans from the request's path at once and exports them in batches behind it.

    `record` belongs to the event loop's thread. A collector that is down or slow
    costs the path nothing: a batch is tried `attempts_max` times while the queue fills up to
    `queue_max`, then new spans are dropped and counted.

    Ledger: recorded == exported + dropped() + queued, at every moment.
    Units: queue_max counts spans, those encoded and being sent included (at most 1 KB each);
    a batch goes at batch_bytes or after flush_interval_s, whichever is first. `wait` is asked to
    pause before a batch is tried again.
    """

    def __init__(
        self,
        exporter: Exporter[Any],  # its pieces are its own affair
        *,
        queue_max: int = 50_000,
        batch_bytes: int = 512 << 10,
        flush_interval_s: float = 0.5,
        attempts_max: int = 6,
        close_timeout_s: float = 3.0,
        wait: Wait = _until,
    ) -> None:
        self._exporter = exporter
        self._queue: deque[Record] = deque()
        self._pieces: list[Any] = []
        self._piece_spans = 0
        self._piece_bytes = 0
        self._queue_max = queue_max
        self._batch_bytes = batch_bytes
        self._flush_interval_s = flush_interval_s
        self._attempts_max = attempts_max
        self._close_timeout_s = close_timeout_s
        self._wait = wait
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self.queued = 0
        """Spans taken and not yet decided about, those being sent included."""
        self.recorded = 0
        self.exported = 0
        self.batches = 0
        self.retries = 0
        self.dropped_queue_full = 0
        self.dropped_not_encoded = 0
        self.dropped_refused = 0
        self.dropped_export_failed = 0
        self.dropped_closed = 0

    def dropped(self) -> dict[str, int]:
        """Lost spans by reason."""
        return {
            "queue_full": self.dropped_queue_full,
            "not_encoded": self.dropped_not_encoded,
            "refused": self.dropped_refused,
            "export_failed": self.dropped_export_failed,
            "closed": self.dropped_closed,
        }

    # ---- on the request's path

    def record(self, record: Record) -> None:
        """Take a span, or both of an exchange. Never waits, never raises; drops past the bound."""
        spans = record.spans
        self.recorded += spans
        if self.queued >= self._queue_max:
            self.dropped_queue_full += spans
            return
        self.queued += spans
        queue = self._queue
        queue.append(record)
        if len(queue) == _PIECE_RECORDS and self._loop is not None:
            self._loop.call_soon(self._encode_waiting)

    # ---- behind it

    async def start(self) -> None:
        """Begin to export. The recorder owns the task until aclose."""
        self._loop = asyncio.get_running_loop()
        self._task = self._loop.create_task(self._run(), name="span-recorder")

    async def aclose(self) -> None:
        """Export what is queued, within close_timeout_s, and stop; the rest counts as dropped."""
        self._closing.set()
        self._wake.set()
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=self._close_timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._loop = None
        self.dropped_closed += self.queued
        self.queued = 0
        self._queue.clear()
        self._pieces.clear()
        await self._exporter.aclose()

    def _encode_waiting(self) -> None:
        """Encode a piece while it is warm, unless a whole batch waits for the one being sent."""
        if self._piece_bytes < self._batch_bytes:
            self._encode_piece()
            if self._piece_bytes >= self._batch_bytes:
                self._wake.set()

    def _encode_piece(self) -> None:
        queue = self._queue
        if len(queue) <= _PIECE_RECORDS:
            records = list(queue)
            queue.clear()
        else:
            records = [queue.popleft() for _ in range(_PIECE_RECORDS)]
        try:
            self._keep(self._exporter.encode(records), records)
        except Exception:  # noqa: BLE001 - one bad record must not end the recorder
            for record in records:
                self._encode_alone(record)

    def _encode_alone(self, record: Record) -> None:
        try:
            self._keep(self._exporter.encode([record]), [record])
        except Exception:  # noqa: BLE001 - this is the bad one
            spans = record.spans
            self.dropped_not_encoded += spans
            self.queued -= spans
            _log.exception("%d spans could not be encoded", spans)

    def _keep(self, piece: Any, records: Sequence[Record]) -> None:
        self._pieces.append(piece)
        self._piece_bytes += self._exporter.size(piece)
        self._piece_spans += sum([one.spans for one in records])

    async def _run(self) -> None:
        while not self._closing.is_set():
            await _until(self._wake, self._flush_interval_s)
            self._wake.clear()
            await self._export_batch()
            # A batch that filled up while another was sent goes at once; a part of one waits for
            # its time, unless it is the last.
            while await self._filled():
                await self._export_batch()
        while self._queue or self._pieces:
            await self._export_batch()

    async def _filled(self) -> bool:
        """Whether a whole batch is there, once what waits is encoded."""
        while len(self._queue) >= _PIECE_RECORDS and self._piece_bytes < self._batch_bytes:
            self._encode_piece()
            await asyncio.sleep(0)
        return self._piece_bytes >= self._batch_bytes

    async def _export_batch(self) -> None:
        while self._queue and self._piece_bytes < self._batch_bytes:
            self._encode_piece()
            await asyncio.sleep(0)
        if not self._pieces:
            return
        pieces, spans = self._pieces, self._piece_spans
        self._pieces, self._piece_spans, self._piece_bytes = [], 0, 0
        self.batches += 1
        await self._deliver(pieces, spans)

    async def _deliver(self, pieces: list[Any], spans: int) -> None:
        backoff_s = _BACKOFF_FIRST_S
        for attempt in range(1, self._attempts_max + 1):
            try:
                await self._exporter.send(pieces)
            except ExportRefusedError as error:
                self.dropped_refused += spans
                self._say(f"{spans} spans refused: {error}")
                break
            except ExportError as error:
                self._say(f"cannot export spans: {error}")
                if attempt == self._attempts_max:
                    self.dropped_export_failed += spans
                    break
                self.retries += 1
                asked_s = min(error.retry_after_s or 0.0, _RETRY_AFTER_MAX_S)
                await self._pause(max(backoff_s * random.uniform(0.5, 1.0), asked_s))
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
            else:
                self.exported += spans
                self._failing = False
                break
        self.queued -= spans

    def _say(self, text: str) -> None:
        """One line when export begins to fail, not one an attempt."""
        if not self._failing:
            self._failing = True
            _log.warning("%s", text)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but only shortly once we are closing: then every attempt counts."""
        if self._closing.is_set():
            await asyncio.sleep(min(seconds, _BACKOFF_FIRST_S))
        else:
            await self._wait(self._closing, seconds)
