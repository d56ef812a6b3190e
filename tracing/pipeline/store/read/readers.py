"""The threads that read beside the writer, each with a connection and a cache of its own."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from tracing.pipeline.store.index.schema import open_reader
from tracing.pipeline.store.index.traces import News, TraceReader
from tracing.pipeline.store.log.segments import LogReader, Place
from tracing.pipeline.store.port import StoreError
from tracing.pipeline.store.read.reader import TOO_LONG, BlockReader

_T = TypeVar("_T")

_THREADS: Final = 2
# How far SQLite goes before it asks whether the query's time is over: some milliseconds.
_STEPS_UNLOOKED: Final = 100_000
_INTERRUPTED: Final = "interrupted"


class Readers:
    """Two threads on the files.

    Shape: recent is what the index has of traces in memory; spoilt has the places of blocks that
    cannot be read. Units: seconds bounds a question.
    """

    def __init__(
        self,
        path: Path,
        folder: Path,
        recent: Mapping[int, News],
        seconds: float,
        *,
        strict: bool,
    ) -> None:
        self._path = path
        self._folder = folder
        self._recent = recent
        self._seconds = seconds
        self._strict = strict
        self._executor = ThreadPoolExecutor(_THREADS, "store-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection | LogReader] = []
        self.spoilt: set[Place] = set()

    async def ask(self, question: Callable[[BlockReader], _T]) -> _T:
        """The answer, from one state of the store. Raises: StoreError."""

        def run() -> _T:
            try:
                reader = self.reader()
                reader.allow(self._seconds)
                with reader.snapshot():
                    return question(reader)
            except sqlite3.Error as error:
                late = str(error) == _INTERRUPTED
                text = TOO_LONG if late else f"{type(error).__name__}: {error}"
                raise StoreError(text) from error

        return await asyncio.get_running_loop().run_in_executor(self._executor, run)

    def reader(self) -> BlockReader:
        """The reader of the calling thread."""
        reader: BlockReader | None = getattr(self._local, "reader", None)
        if reader is None:
            connection, log = open_reader(self._path), LogReader(self._folder)
            self._opened += connection, log
            traces = TraceReader(connection, self._recent)
            reader = BlockReader(connection, log, traces, self.spoilt, strict=self._strict)
            self._local.reader = reader
            connection.set_progress_handler(reader.is_late, _STEPS_UNLOOKED)
        return reader

    async def aclose(self) -> None:
        """Let the questions under way end, and close."""
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        for one in self._opened:
            one.close()
