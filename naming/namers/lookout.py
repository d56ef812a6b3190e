"""Noticing changes of files: at once where the kernel tells, by a sweep where it does not."""

import asyncio
from collections.abc import Callable
from typing import Final

from naming.namers.directories import Directories, Labels

# File events do not cross network file systems and symbolic links; then this is the cadence.
SWEEP_S: Final = 1.0
# How soon to look again at a file that is being written; its closing is an event as well.
AGAIN_S: Final = 0.01


class Lookout:
    """Calls `on_change` with the labels below which something changed, from `start` to `aclose`.

    Shape: without labels, which is anywhere, every `sweep_s`, or every `alone_s` where the system
    has no file events. At other times nothing is noticed and nothing looked at again.
    """

    def __init__(
        self, on_change: Callable[[Labels], None], *, sweep_s: float, alone_s: float
    ) -> None:
        self._on_change: Final = on_change
        self._sweep_s: Final = sweep_s
        self._alone_s: Final = alone_s
        self._directories: Directories | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._again: set[Labels] = set()  # no more than files being written

    def start(self) -> None:
        """Begin; what is there already is for the caller to look at."""
        try:
            self._directories = Directories(self._on_change)
        except OSError:
            self._directories = None
        every_s = self._alone_s if self._directories is None else self._sweep_s
        loop = asyncio.get_running_loop()
        self._sweeper = loop.create_task(self._sweep(every_s), name="file sweep")

    async def aclose(self) -> None:
        """End."""
        if self._directories is not None:
            self._directories.close()
            self._directories = None
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
            self._sweeper = None

    def add(self, labels: Labels, path: bytes, inode: int) -> None:
        """Have the kernel tell of a directory, known by these labels."""
        if self._directories is not None:
            self._directories.add(labels, path, inode)

    def again(self, labels: Labels) -> None:
        """Look once more, soon: a writer must be waited for."""
        if self._sweeper is None:
            return
        if not self._again:
            asyncio.get_running_loop().call_later(AGAIN_S, self._look_again)
        self._again.add(labels)

    def _look_again(self) -> None:
        waiting, self._again = self._again, set()
        if self._sweeper is not None:
            for labels in waiting:
                self._on_change(labels)

    async def _sweep(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._on_change(())
