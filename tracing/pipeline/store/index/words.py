"""Which words a block holds, so that a search opens few blocks in vain. Pure.

A word is a tag, a text, a name of a span or of a remote service; of each the first three bytes of
a checksum are kept, one behind the other in any order. 150 words, as an ordinary block has, are 1 %
of it, and hold what nobody asked for once in 40,000 times.
"""

import zlib
from collections.abc import Iterable
from typing import Final

from tracing.pipeline.model import V2Span

Word = tuple[str, ...]
Pair = tuple[str | None, str | None]

_BYTES: Final = 3
_KNOWN_MAX: Final = 50_000
_KNOWN_CHARS_MAX: Final = 200  # longer ones seldom repeat


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


def digest(word: Word) -> bytes:
    """What is kept of a word."""
    checksum = zlib.crc32("\0".join(word).encode("utf-8", "surrogatepass"))
    return checksum.to_bytes(4, "big")[:_BYTES]


class Words:
    """Makes the words of blocks; remembers digests, for most repeat from block to block."""

    def __init__(self) -> None:
        self._tags: dict[tuple[str, str], bytes] = {}
        self._texts: dict[str, bytes] = {}
        self._named: dict[tuple[str | None, str | None, bool], bytes] = {}

    def of_block(
        self, spans: Iterable[V2Span], names: Iterable[Pair], remotes: Iterable[Pair]
    ) -> bytes:
        """All digests of a block, whose (service, name) pairs are as sent, in any case."""
        pairs: set[tuple[str, str]] = set()
        texts: set[str] = set()
        for span in spans:
            if span.tags:
                pairs.update(span.tags.items())
            if span.annotations:
                texts.update([note.value for note in span.annotations])
        texts.update([key for key, _ in pairs])
        tags, known, named = self._tags, self._texts, self._named
        for memory in (tags, known, named):
            if len(memory) > _KNOWN_MAX:
                memory.clear()
        out = [tags.get(pair) or self._tag(pair) for pair in pairs]
        out += [known.get(one) or self._text(one) for one in texts]
        out += [named.get((*pair, False)) or self._name(*pair, called=False) for pair in names]
        out += [named.get((*pair, True)) or self._name(*pair, called=True) for pair in remotes]
        return b"".join(out)

    def _tag(self, pair: tuple[str, str]) -> bytes:
        made = digest(tag(*pair))
        if len(pair[0]) + len(pair[1]) <= _KNOWN_CHARS_MAX:
            self._tags[pair] = made
        return made

    def _text(self, value: str) -> bytes:
        made = digest(text(value))
        if len(value) <= _KNOWN_CHARS_MAX:
            self._texts[value] = made
        return made

    def _name(self, service: str | None, name: str | None, *, called: bool) -> bytes:
        made = b""
        if name:
            make = remote if called else span_name
            made = digest(make(None, name.lower()))
            if service:
                made += digest(make(service.lower(), name.lower()))
        if len(service or "") + len(name or "") <= _KNOWN_CHARS_MAX:
            self._named[service, name, called] = made
        return made


def together(blocks: Iterable[bytes]) -> bytes:
    """The words of several blocks as those of one."""
    found = {words[at : at + _BYTES] for words in blocks for at in range(0, len(words), _BYTES)}
    return b"".join(found)


def may_hold(words: bytes | None, word: Word) -> bool:
    """False when no span of the block is one of this word; without its words nobody knows."""
    return words is None or digest(word) in words


def condition(word: Word) -> tuple[str, bytes]:
    """may_hold as a condition of SQL on the column `words`, with its value.

    A search asks it of every block in its window: in the database's own loop other threads run
    meanwhile.
    """
    return "(words IS NULL OR instr(words, ?))", digest(word)
