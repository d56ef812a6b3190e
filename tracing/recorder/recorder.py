"""The queue between the request's path and the collector."""

import asyncio
import logging
import random
from collections import deque
from typing import Final

from tracing.recorder.exporter import Exporter, ExportError, ExportRefusedError
from tracing.span import SpanRecord

_log: Final = logging.getLogger(__name__)

# Encoding shares the request's event loop (a thread would make it wait for the interpreter lock,
# up to 5 ms). A piece of this many spans holds it for about 0.2 ms.
_PIECE_SPANS: Final = 100
# A batch of large spans ends here, well below the 10 MiB that collectors take at once.
_BATCH_BYTES: Final = 4 << 20
_BACKOFF_FIRST_S: Final = 0.1
_BACKOFF_MAX_S: Final = 5.0


class Recorder:
    """Takes spans from the request's path at once and exports them in batches behind it.

    `record` belongs to the event loop's thread. A collector that is down or slow costs the path
    nothing: a batch is tried `attempts_max` times while the queue fills up to `queue_max`, then
    new spans are dropped and counted.

    Ledger: recorded == exported + dropped() + queued, at every moment.
    Units: queue_max and batch_max count spans (a record is about 1 KB), *_s are seconds. Sending
    costs 0.9 ms of CPU whatever the size, so batches are large.
    """

    def __init__(
        self,
        exporter: Exporter,
        *,
        queue_max: int = 50_000,
        batch_max: int = 4_000,
        flush_interval_s: float = 0.5,
        attempts_max: int = 6,
        close_timeout_s: float = 3.0,
    ) -> None:
        self._exporter = exporter
        self._queue: deque[SpanRecord] = deque()
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._flush_interval_s = flush_interval_s
        self._attempts_max = attempts_max
        self._close_timeout_s = close_timeout_s
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._in_flight = 0
        self._failing = False
        self.recorded = 0
        self.exported = 0
        self.batches = 0
        self.retries = 0
        self.dropped_queue_full = 0
        self.dropped_refused = 0
        self.dropped_export_failed = 0
        self.dropped_closed = 0

    @property
    def queued(self) -> int:
        """Spans taken and not yet decided about, those being sent included."""
        return len(self._queue) + self._in_flight

    def dropped(self) -> dict[str, int]:
        """Lost spans by reason."""
        return {
            "queue_full": self.dropped_queue_full,
            "refused": self.dropped_refused,
            "export_failed": self.dropped_export_failed,
            "closed": self.dropped_closed,
        }

    def record(self, span: SpanRecord) -> None:
        """Take one span. Never waits, never raises; past the bound the span is dropped."""
        self.recorded += 1
        queue = self._queue
        size = len(queue)
        if size >= self._queue_max:
            self.dropped_queue_full += 1
            return
        queue.append(span)
        if size == self._batch_max:
            self._wake.set()

    async def start(self) -> None:
        """Begin to export. The recorder owns the task until aclose."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="span-recorder")

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
        self.dropped_closed += self.queued
        self._in_flight = 0
        self._queue.clear()
        await self._exporter.aclose()

    async def _run(self) -> None:
        while not self._closing.is_set():
            try:
                async with asyncio.timeout(self._flush_interval_s):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            # A batch that filled up while another was sent goes at once; a part of one waits for
            # its time, unless it is the last.
            full = self._batch_max
            while self._queue:
                await self._export_batch()
                if len(self._queue) < full and not self._closing.is_set():
                    break
        while self._queue:
            await self._export_batch()

    async def _export_batch(self) -> None:
        queue = self._queue
        pieces: list[bytes] = []
        left = min(len(queue), self._batch_max)
        self.batches += 1
        spans = size_bytes = 0
        while left > 0 and size_bytes < _BATCH_BYTES:
            size = min(left, _PIECE_SPANS)
            records = [queue.popleft() for _ in range(size)]
            self._in_flight += size
            left -= size
            try:
                piece = self._exporter.encode(records)
            except Exception:  # noqa: BLE001 - one bad record must not end the recorder
                _log.exception("a piece of %d spans could not be encoded", size)
                self.dropped_refused += size
                self._in_flight -= size
            else:
                pieces.append(piece)
                spans += size
                size_bytes += len(piece)
            await asyncio.sleep(0)
        if pieces:
            await self._deliver(self._exporter.join(pieces), spans)

    async def _deliver(self, body: bytes, spans: int) -> None:
        backoff_s = _BACKOFF_FIRST_S
        for attempt in range(1, self._attempts_max + 1):
            try:
                await self._exporter.send(body)
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
                await self._pause(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(backoff_s * 2, _BACKOFF_MAX_S)
            else:
                self.exported += spans
                self._failing = False
                break
        self._in_flight -= spans

    def _say(self, text: str) -> None:
        """One line when export begins to fail, not one an attempt."""
        if not self._failing:
            self._failing = True
            _log.warning("%s", text)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but only shortly once we are closing: then every attempt counts."""
        if self._closing.is_set():
            await asyncio.sleep(min(seconds, _BACKOFF_FIRST_S))
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            pass
