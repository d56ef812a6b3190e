"""Large messages, decoded in a thread: a few megabytes take seconds, and others send meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tracing.pipeline.batch import Batch
from tracing.pipeline.store.port import StoreBusyError

LARGE_BYTES: Final = 256 << 10
# Of messages that wait for their turn, besides the one that has it.
_WAITING_BYTES_MAX: Final = 64 << 20


class LargeMessages:
    """One at a time, in the order they came. Units: waiting is bytes, of all that are here."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, "large-messages")
        self._turn = asyncio.Lock()
        self.waiting = 0

    async def decode(self, message: bytes, decode: Callable[[bytes], Batch]) -> Batch:
        """As `decode`. Raises: also StoreBusyError, where too many wait."""
        size = len(message)
        if self.waiting and self.waiting + size > _WAITING_BYTES_MAX:
            raise StoreBusyError
        self.waiting += size
        try:
            async with self._turn:
                loop = asyncio.get_running_loop()
                decoding = loop.run_in_executor(self._executor, decode, message)
                try:
                    return await asyncio.shield(decoding)
                except asyncio.CancelledError:
                    await asyncio.wait([decoding])  # it holds the message, whoever has gone away
                    raise
        finally:
            self.waiting -= size

    def close(self) -> None:
        """Begin no other."""
        self._executor.shutdown(wait=False, cancel_futures=True)
