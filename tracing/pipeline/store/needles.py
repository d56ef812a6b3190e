"""What a search can look for in a block before, and while, it reads single spans. Pure."""

from dataclasses import dataclass

from tracing.pipeline.model import V2Span
from tracing.pipeline.search import TraceQuery, meets
from tracing.pipeline.store import words
from tracing.pipeline.store.words import Word


@dataclass(frozen=True, slots=True)
class Needles:
    """A query, read as conditions on one block and on one span.

    A trace's conditions may be met by different spans in different blocks, so only the most
    telling one is looked for: the first term, else the remote service, the span's name, the
    duration. Which service the span is of goes with each.
    """

    query: TraceQuery
    word: Word | None

    @property
    def selective(self) -> bool:
        """Whether spans are chosen by more than their time."""
        query = self.query
        return bool(self.word or query.service or query.duration_min)

    @property
    def duration_min(self) -> int | None:
        """The duration that some span of a block must have, where that is what is looked for."""
        return self.query.duration_min if self.word is None else None

    def may_be_in(self, bits: bytes | None) -> bool:
        """False when no span of a block with this filter can be one."""
        return self.word is None or words.may_hold(bits, self.word)

    def meets(self, span: V2Span) -> bool:
        """Whether a span, perhaps not normalised yet, is one."""
        query = self.query
        if query.service is not None and (span.service or "").lower() != query.service:
            return False
        if query.terms:
            return meets(span, *query.terms[0])
        if query.remote_service is not None:
            return (span.remote_service or "").lower() == query.remote_service
        if query.span_name is not None:
            return (span.name or "").lower() == query.span_name
        return query.duration_min is None or (span.duration or 0) >= query.duration_min


def needles_of(query: TraceQuery) -> Needles:
    """The most telling condition of a query."""
    if query.terms:
        key, value = query.terms[0]
        return Needles(query, words.text(key) if value is None else words.tag(key, value))
    if query.remote_service is not None:
        return Needles(query, words.remote(query.service, query.remote_service))
    if query.span_name is not None:
        return Needles(query, words.span_name(query.service, query.span_name))
    return Needles(query, None)
