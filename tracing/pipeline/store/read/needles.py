"""What a search can look for in a block before, and while, it reads single spans. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tracing.pipeline.model import V2Span
from tracing.pipeline.search import TraceQuery, meets
from tracing.pipeline.store.index import words
from tracing.pipeline.store.index.words import Word

Term = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needles:
    """One of a query's conditions, read as one on a block and on a span.

    A trace's conditions may be met by different spans in different blocks, so only one of them is
    looked for; which service the span is of goes with it. Shape: of term, remote, name and
    duration_min at most one is there.
    """

    service: str | None = None
    word: Word | None = None
    term: Term | None = None
    remote: str | None = None
    name: str | None = None
    duration_min: int | None = None

    @property
    def selective(self) -> bool:
        """Whether spans are chosen by more than their time."""
        return bool(self.word or self.service or self.duration_min)

    def may_be_in(self, its_words: bytes | None) -> bool:
        """False when no span of a block with these words can be one."""
        return self.word is None or words.may_hold(its_words, self.word)

    def meets(self, span: V2Span) -> bool:
        """Whether a span, perhaps not normalised yet, is one."""
        if self.service is not None and (span.service or "").lower() != self.service:
            return False
        if self.term is not None:
            return meets(span, *self.term)
        if self.remote is not None:
            return (span.remote_service or "").lower() == self.remote
        if self.name is not None:
            return (span.name or "").lower() == self.name
        return self.duration_min is None or (span.duration or 0) >= self.duration_min


def needles_of(query: TraceQuery) -> list[Needles]:
    """Each condition that a block's words can tell of; without any, the duration or the service."""
    service = query.service
    found = [
        Needles(
            service=service,
            word=words.text(key) if value is None else words.tag(key, value),
            term=(key, value),
        )
        for key, value in query.terms
    ]
    if query.remote_service is not None:
        word = words.remote(service, query.remote_service)
        found.append(Needles(service=service, word=word, remote=query.remote_service))
    if query.span_name is not None:
        word = words.span_name(service, query.span_name)
        found.append(Needles(service=service, word=word, name=query.span_name))
    return found or [Needles(service=service, duration_min=query.duration_min)]


def rarest(needles: Sequence[Needles], blocks: Sequence[bytes | None]) -> Needles:
    """The one that the fewest blocks with these words may hold."""
    return min(needles, key=lambda one: sum(map(one.may_be_in, blocks)))
