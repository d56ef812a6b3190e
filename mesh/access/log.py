"""The access log, off the request's path.

A request appends one flat record and is done. Records become lines on the loop, a small batch a
turn, for a thread that formats would hold the interpreter up to five milliseconds at a time; the
lines are written by a thread, for a disk or a pipe may block. When that thread falls behind, the
queue fills and what does not fit is counted.
"""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from mesh.access.format import AccessRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from mesh.access.format import LineFormat
    from proxy.call import Peer
    from wire.request import RequestHead

RECORDS_MAX: Final = 65_536  # a second of more requests than one worker can answer
BYTES_MAX: Final = 16_777_216  # of targets and header lines that records hold
FLUSH_S: Final = 0.25  # a line waits so long for company
_BATCH: Final = 100  # about half a millisecond of the loop
_WRITE_BYTES: Final = 262_144
# pipe(7): so many bytes are written as one; beyond, lines of two workers could mix.
_PIPE_BYTES: Final = 4_096
_STANDARD_OUTPUT: Final = "-"


class AccessLog:
    """Takes records, writes lines. path: a file to append to, or `-` for standard output."""

    def __init__(
        self,
        path: str,
        line_format: LineFormat,
        wall_ns: Callable[[], int] = time.time_ns,
        *,
        records_max: int = RECORDS_MAX,
        flush_s: float = FLUSH_S,
    ) -> None:
        self._wall_ns = wall_ns
        self._records_max = records_max
        self._flush_s = flush_s
        self.wants_headers = line_format.wants_headers
        self.written = 0
        self.dropped = 0  # beyond the queue's bounds, or not taken by the file
        self._path = path
        self._line = line_format.line
        self._queue: deque[AccessRecord] = deque()
        self._bytes = 0
        self._loop = asyncio.get_running_loop()
        self._lines: list[str] = []  # made, not yet written
        self._lines_bytes = 0
        self._turn: asyncio.Handle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._executor = ThreadPoolExecutor(1, "access-log")
        self._file = self._open()

    def _open(self) -> int:
        """Raises: OSError."""
        if self._path == _STANDARD_OUTPUT:
            return os.dup(1)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def note(
        self,
        request: RequestHead,
        peer: Peer,
        trace_id: bytes,
        rule: str,
        ended: tuple[int, int, int, int],  # status, elapsed_us, bytes of both bodies
        went: tuple[str, str, str] = ("", "", ""),  # service, client and upstream
    ) -> None:
        """A request is over."""
        status, elapsed_us, request_bytes, response_bytes = ended
        self.append(
            AccessRecord(
                self._wall_ns() // 1_000,
                elapsed_us,
                peer.ip,
                request.method,
                request.target,
                request.minor,
                request.host or b"",
                status,
                request_bytes,
                response_bytes,
                *went,
                trace_id,
                rule,
                request.block if self.wants_headers else b"",
            )
        )

    def append(self, record: AccessRecord) -> None:
        """Take one record; called on the loop."""
        size = len(record.target) + len(record.block)
        if len(self._queue) >= self._records_max or self._bytes + size > BYTES_MAX:
            self.dropped += 1
            return
        self._bytes += size
        self._queue.append(record)
        if self._turn is None and self._writing is None:
            self._turn = self._loop.call_later(self._flush_s, self._flush)

    def _flush(self) -> None:
        """Format one batch; the next one comes after whoever else waits for the loop."""
        self._turn = None
        queue = self._queue
        for _ in range(min(_BATCH, len(queue))):
            record = queue.popleft()
            self._bytes -= len(record.target) + len(record.block)
            line = self._line(record)
            self._lines.append(line)
            self._lines_bytes += len(line) + 1
        if queue and self._lines_bytes < _WRITE_BYTES:
            self._turn = self._loop.call_soon(self._flush)
        elif self._lines:
            lines, self._lines, self._lines_bytes = self._lines, [], 0
            self._writing = self._loop.run_in_executor(self._executor, self._write, lines)
            self._writing.add_done_callback(self._on_written)

    def _on_written(self, writing: asyncio.Future[None]) -> None:
        writing.result()
        self._writing = None
        if self._queue and self._turn is None:
            self._turn = self._loop.call_soon(self._flush)

    def _write(self, lines: list[str]) -> None:
        """In the thread: whole lines, each write small enough not to mix with another worker's."""
        regular = stat.S_ISREG(os.fstat(self._file).st_mode)
        bound = _WRITE_BYTES if regular else _PIPE_BYTES
        begin = size = 0
        for index, line in enumerate(lines):
            if size and size + len(line) + 1 > bound:
                self._write_all(lines[begin:index])
                begin, size = index, 0
            size += len(line) + 1
        self._write_all(lines[begin:])

    def _write_all(self, lines: list[str]) -> None:
        data = memoryview("".join(f"{line}\n" for line in lines).encode())
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError:  # a full disk, a reader that is gone
            self.dropped += len(lines)
        else:
            self.written += len(lines)

    def reopen(self) -> None:
        """Write to the path's file of now: the old one may have been moved away.

        Raises: OSError, and the old one stays.
        """
        fresh = self._open()
        # Behind what is being written: the thread takes one thing at a time.
        self._executor.submit(self._swap, fresh)

    def _swap(self, fresh: int) -> None:
        old, self._file = self._file, fresh
        os.close(old)

    async def aclose(self) -> None:
        """Write what is there, then close."""
        while self._queue or self._lines or self._writing is not None:
            if self._writing is not None:
                await asyncio.wait([self._writing])
            if self._turn is not None:
                self._turn.cancel()
            if self._writing is None:
                self._flush()
        self._executor.shutdown()
        os.close(self._file)
