"""What is stored, sent on: block by block behind a durable cursor, again until it is taken.

The cursor moves once the other side has answered, so a collector that dies in between sends at
most some mebibytes a second time; readers of Zipkin's model drop equal spans.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from tracing.pipeline.model import V2Span, to_json
from tracing.pipeline.normalise import normalised
from tracing.pipeline.store.log.bodies import spans_of
from tracing.pipeline.store.port import StoreError
from tracing.pipeline.store.read.reader import LogBlock

# A real Zipkin server takes 10 MiB; a block that came packed may be larger.
_MESSAGE_BYTES: Final = 2 << 20
_MESSAGE_SPANS: Final = 4_000  # of usual spans, about as much
_POLL_S: Final = 0.5
_BACKOFF_S_MIN: Final = 0.5
_BACKOFF_S_MAX: Final = 60.0


class UnreachableError(Exception):
    """The other side cannot take spans now; the same ones are tried again."""


class RefusedError(Exception):
    """The other side will never take these spans."""


class Exporter(Protocol):
    """One destination."""

    async def send(self, body: bytes) -> None:
        """Hand over a v2 JSON list. Raises: UnreachableError, RefusedError."""

    async def aclose(self) -> None:
        """Let go."""


class Log(Protocol):
    """Stored blocks in their order, and how far each exporter has come."""

    async def log(self, exporter: str) -> list[LogBlock]:
        """The next blocks; empty when the exporter has all. Raises: StoreError."""

    async def exported(self, exporter: str, number: int, refused: Sequence[int] = ()) -> None:
        """The exporter is done with all up to this one."""


class Forwarder:
    """Sends the log to one exporter for as long as it runs.

    Shape: name is the cursor's; `refused` counts spans of blocks that the other side will not have
    as a whole, `sent` those it took; `problem` says why nothing is taken now, `refusal` what it
    said last of spans that it will never have.
    """

    def __init__(self, name: str, log: Log, exporter: Exporter, dice: random.Random) -> None:
        self.name = name
        self._log = log
        self._exporter = exporter
        self._dice = dice
        self._backoff_s = _BACKOFF_S_MIN
        self.sent = 0
        self.refused = 0
        self.problem: str | None = None
        self.refusal: str | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                worked = await self.step()
            except (UnreachableError, StoreError) as error:
                self.problem = str(error)
                # Half of it at random, so that many collectors do not come back at once.
                await asyncio.sleep(self._backoff_s * (0.5 + self._dice.random() / 2))
                self._backoff_s = min(self._backoff_s * 2, _BACKOFF_S_MAX)
                continue
            self.problem = None
            self._backoff_s = _BACKOFF_S_MIN
            if not worked:
                await asyncio.sleep(_POLL_S)

    async def step(self) -> bool:
        """Send the next blocks, if there are any. Raises: UnreachableError, StoreError."""
        blocks = await self._log.log(self.name)
        if not blocks:
            return False
        refused = await self._send(blocks)
        await self._log.exported(self.name, blocks[-1].number, refused)
        lost = sum(block.spans for block in blocks if block.number in refused)
        self.refused += lost
        self.sent += sum(block.spans for block in blocks) - lost
        return True

    async def _send(self, blocks: Sequence[LogBlock]) -> list[int]:
        """The numbers of the blocks of which something was refused. Raises: UnreachableError."""
        refused = False
        # In a thread: a block may be 64 MiB, and senders wait for this one.
        for message in await asyncio.to_thread(_messages, blocks):
            try:
                await self._exporter.send(message)
            except RefusedError as error:
                self.refusal = str(error)
                refused = True
        if not refused:
            return []
        if len(blocks) == 1:
            return [blocks[0].number]
        # One bad block must not take its neighbours along.
        return [number for block in blocks for number in await self._send([block])]

    async def aclose(self) -> None:
        """Let the destination go."""
        await self._exporter.aclose()


def _messages(blocks: Sequence[LogBlock]) -> list[bytes]:
    """The blocks' spans, as lists that a server takes.

    Normalised, because another server may read more strictly than ours did.
    """
    spans = [normalised(span) for block in blocks for span in spans_of(block.body) or ()]
    parts = (spans[at : at + _MESSAGE_SPANS] for at in range(0, len(spans), _MESSAGE_SPANS))
    return [message for part in parts for message in _bounded(part)]


def _bounded(spans: list[V2Span]) -> Iterator[bytes]:
    """Lists that are not too large, or of one span where that alone is."""
    message = to_json(spans)
    if len(message) <= _MESSAGE_BYTES or len(spans) == 1:
        yield message
        return
    half = len(spans) // 2
    yield from _bounded(spans[:half])
    yield from _bounded(spans[half:])
