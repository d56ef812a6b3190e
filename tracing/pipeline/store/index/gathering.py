"""Messages gathered to blocks: what the index will know of the newest part of the log.

A block is a run of whole records that lie one behind the other; searches open whole blocks, so
small messages share one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.batch import BlockIndex, index_of
from tracing.pipeline.model import V2Span
from tracing.pipeline.store.index.words import Words
from tracing.pipeline.store.log.segments import Place

_SPANS_MAX: Final = 256
BLOCK_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Block:
    """A block that the index does not know yet. Shape: arrival is the last of its records'."""

    number: int
    place: Place
    spans: int
    stored_ms: int
    arrival: int
    index: BlockIndex
    words: bytes


class Gathering:
    """Blocks until they are indexed; belongs to one thread.

    Units: spans and size (bytes) are those of all blocks that are not indexed yet.
    """

    def __init__(self, keys: Sequence[str], first: int, bytes_max: int = BLOCK_BYTES) -> None:
        self._keys = keys
        self._bytes_max = bytes_max
        self._next = first
        self._words = Words()
        self._closed: list[Block] = []
        self._place: Place | None = None
        self._spans: list[V2Span] = []
        self._stored_ms = 0
        self._arrival = 0
        self.spans = 0
        self.size = 0

    @property
    def blocks(self) -> int:
        """How many they are, the one that still grows included."""
        return len(self._closed) + (self._place is not None)

    def add(self, place: Place, spans: list[V2Span], stored_ms: int, arrival: int = 0) -> None:
        """Take a record that was just written."""
        grown = self._place
        if grown is not None and (
            (place.segment, place.offset) != (grown.segment, grown.end)
            or grown.size + place.size > self._bytes_max
            or len(self._spans) + len(spans) > _SPANS_MAX
        ):
            self._close()
            grown = None
        if grown is None:
            self._place, self._spans = place, spans
        else:
            self._place = Place(grown.segment, grown.offset, grown.size + place.size)
            self._spans = self._spans + spans
        self._stored_ms = stored_ms
        self._arrival = arrival or self._arrival
        self.spans += len(spans)
        self.size += place.size

    def close(self) -> list[Block]:
        """All blocks there are; what comes from now on is in others."""
        self._close()
        return list(self._closed)

    def forget(self, blocks: Sequence[Block]) -> None:
        """These, the oldest, are indexed now."""
        del self._closed[: len(blocks)]
        self.spans -= sum(block.spans for block in blocks)
        self.size -= sum(block.place.size for block in blocks)

    def oldest_segment(self) -> int | None:
        """The segment of the first of them."""
        if self._closed:
            return self._closed[0].place.segment
        return None if self._place is None else self._place.segment

    def _close(self) -> None:
        place, spans = self._place, self._spans
        if place is None:
            return
        index = index_of(spans, self._keys)
        words = self._words.of_block(spans, index.names, index.remotes)
        self._closed.append(
            Block(self._next, place, len(spans), self._stored_ms, self._arrival, index, words)
        )
        self._next += 1
        self._place, self._spans, self._arrival = None, [], 0
