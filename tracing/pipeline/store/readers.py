"""The threads that read beside the writer, each with a connection and a cache of its own."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final, TypeVar

from tracing.pipeline.store.port import StoreError
from tracing.pipeline.store.reader import TOO_LONG, BlockReader
from tracing.pipeline.store.schema import open_reader

_T = TypeVar("_T")

_THREADS: Final = 2
# How far SQLite goes before it asks whether the query's time is over: some milliseconds.
_STEPS_UNLOOKED: Final = 100_000
_INTERRUPTED: Final = "interrupted"


class Readers:
    """Two threads on a file; a database in memory is only seen by the connection that made it, so
    there the writer's own thread reads.

    Shape: spoilt has the numbers of blocks that cannot be read. Units: seconds bounds a question.
    """

    def __init__(
        self,
        path: str,
        seconds: float,
        memory: tuple[sqlite3.Connection, Executor] | None,
        *,
        strict: bool,
    ) -> None:
        self._path = path
        self._seconds = seconds
        self._strict = strict
        self._memory = memory
        self._own = None if memory else ThreadPoolExecutor(_THREADS, "store-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self.spoilt: set[int] = set()

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

        executor = self._memory[1] if self._memory else self._own
        return await asyncio.get_running_loop().run_in_executor(executor, run)

    def reader(self) -> BlockReader:
        """The reader of the calling thread."""
        reader: BlockReader | None = getattr(self._local, "reader", None)
        if reader is None:
            connection = self._memory[0] if self._memory else self._open()
            reader = self._local.reader = BlockReader(connection, self.spoilt, strict=self._strict)
            if not self._memory:  # there the writer would be stopped, too
                connection.set_progress_handler(reader.is_late, _STEPS_UNLOOKED)
        return reader

    def _open(self) -> sqlite3.Connection:
        connection = open_reader(self._path)
        self._opened.append(connection)
        return connection

    async def aclose(self) -> None:
        """Let the questions under way end, and close."""
        if self._own is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._own.shutdown)
        for connection in self._opened:
            connection.close()
