"""Which words a block may hold: a Bloom filter, so that a search opens few blocks in vain. Pure.

Up to 4,096 bits with two for each word: 0.5 % false answers for the 150 different tags of an
ordinary block of 100 spans, a tenth at 800. A filter is 1 % of its block.
"""

import zlib
from collections.abc import Iterable
from typing import Final

from tracing.pipeline.model import V2Span

Word = tuple[str, ...]

_BYTES_MIN: Final = 64  # sizes are powers of two, so that a mask cuts a checksum to a place
_BYTES_MAX: Final = 512
_WORD_BITS: Final = 16  # of the filter for each word, while the largest size allows
_SECOND: Final = 16  # the second bit comes from the upper half of the checksum
_KNOWN_MAX: Final = 50_000


def tag(key: str, value: str) -> Word:
    """A tag with this value."""
    return ("=", key, value)


def text(value: str) -> Word:
    """A tag with this key, or an annotation with this text."""
    return ("?", value)


def span_name(service: str | None, name: str) -> Word:
    """A span of this name; of this local service, where one is given."""
    return ("name", name) if service is None else ("name", service, name)


def remote(service: str | None, name: str) -> Word:
    """A span with this remote service; of this local service, where one is given."""
    return ("remote", name) if service is None else ("remote", service, name)


class WordBits:
    """Makes filters; remembers the checksums of tags, most of which repeat from block to block."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}

    def of_block(
        self,
        spans: Iterable[V2Span],
        names: Iterable[tuple[str | None, str | None]],
        remotes: Iterable[tuple[str | None, str | None]],
    ) -> bytes:
        """The filter of a block, whose (service, name) pairs are as sent, in any case."""
        pairs: set[tuple[str, str]] = set()
        words: set[Word] = set()
        for span in spans:
            if span.tags:
                pairs.update(span.tags.items())
            if span.annotations:
                words.update([text(note.value) for note in span.annotations])
        words.update([text(key) for key in {key for key, _ in pairs}])
        for make, seen in ((span_name, names), (remote, remotes)):
            for service, name in seen:
                if name:
                    words.add(make(None, name.lower()))
                    if service:
                        words.add(make(service.lower(), name.lower()))
        digests = self._digests(pairs)
        digests += map(_digest, words)
        size = _BYTES_MIN
        while size < _BYTES_MAX and size * 8 < len(digests) * _WORD_BITS:
            size *= 2
        bits, mask = bytearray(size), size - 1
        for digest in digests:
            bits[digest >> 3 & mask] |= 1 << (digest & 7)
            bits[digest >> 19 & mask] |= 1 << (digest >> _SECOND & 7)
        return bytes(bits)

    def _digests(self, pairs: Iterable[tuple[str, str]]) -> list[int]:
        known = self._known
        out = []
        for pair in pairs:
            digest = known.get(pair)
            if digest is None:
                if len(known) >= _KNOWN_MAX:
                    known.clear()
                digest = known[pair] = _digest(tag(*pair))
            out.append(digest)
        return out


def _digest(word: Word) -> int:
    return zlib.crc32("\0".join(word).encode("utf-8", "surrogatepass"))


def may_hold(bits: bytes | None, word: Word) -> bool:
    """False when no span of the block is one of this word; without a filter nobody knows."""
    if bits is None:
        return True
    digest, mask = _digest(word), len(bits) - 1
    first = bits[digest >> 3 & mask] >> (digest & 7) & 1
    digest >>= _SECOND
    return bool(first and bits[digest >> 3 & mask] >> (digest & 7) & 1)


def condition(word: Word) -> tuple[str, list[object]]:
    """may_hold as a condition of SQL on the column `bits`, with its values.

    A search asks it of every block in its window: in the database's own loop that costs a quarter,
    and other threads run meanwhile.
    """
    digest = _digest(word)
    second = digest >> _SECOND
    # SQLite has no operators on the bits of a blob; it finds a byte among those with the bit set.
    sets = [bytes(b for b in range(256) if b >> (d & 7) & 1) for d in (digest, second)]
    cases: list[str] = []
    values: list[object] = []
    size = _BYTES_MIN
    while size <= _BYTES_MAX:
        places = [(d >> 3 & size - 1) + 1 for d in (digest, second)]
        cases.append(
            f"WHEN {size} THEN instr(?, substr(bits, ?, 1)) AND instr(?, substr(bits, ?, 1))"
        )
        values += [sets[0], places[0], sets[1], places[1]]
        size *= 2
    return f"(bits IS NULL OR CASE length(bits) {' '.join(cases)} END)", values
