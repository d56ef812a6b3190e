"""Which traces a search finds. Source: Zipkin 3.6.1, GET /api/v2/traces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tracing.pipeline.model import V2Span

# What Java's trim takes away, no more: other blanks belong to a value.
BLANKS: Final = "".join(map(chr, range(0x21)))

Terms = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """One search.

    Shape: `terms` are (key, value) for a tag with exactly that value, (text, None) for a tag with
    that key or an annotation with that text; names are lower-case.
    Units: end_ms and lookback_ms are milliseconds, durations microseconds; limit counts traces.
    """

    end_ms: int
    lookback_ms: int
    limit: int = 10
    service: str | None = None
    span_name: str | None = None
    remote_service: str | None = None
    duration_min: int | None = None
    duration_max: int | None = None
    terms: Terms = ()

    @property
    def start_ms(self) -> int:
        """The window's first millisecond; both of its ends belong to it."""
        return self.end_ms - self.lookback_ms


def read_terms(annotation_query: str) -> Terms:
    """The terms of annotationQuery, split at the text " and ".

    The same key twice: the last key=value wins, a bare key replaces nothing. Empty terms are left
    out, because Zipkin's own page sends them (the real server finds nothing then).
    """
    terms: dict[str, str | None] = {}
    for term in annotation_query.split(" and "):
        key, _, value = term.partition("=")
        key, value = key.strip(BLANKS), value.strip(BLANKS)
        if not key and not value:
            continue
        if value:
            terms[key] = value
        else:
            terms.setdefault(key, None)
    return tuple(terms.items())


def newest_ms(trace: Sequence[V2Span], query: TraceQuery) -> int | None:
    """The newest span inside the window, by which traces are ordered; None when none is inside."""
    inside = [
        ms
        for span in trace
        if span.timestamp and query.start_ms <= (ms := span.timestamp // 1000) <= query.end_ms
    ]
    return max(inside, default=None)


def _own_us(trace: Sequence[V2Span]) -> int | None:
    times = [span.timestamp for span in trace if span.timestamp and span.parent_id is None]
    if times:
        return times[0]
    return min((span.timestamp for span in trace if span.timestamp), default=None)


def matches(trace: Sequence[V2Span], query: TraceQuery) -> bool:
    """Whether the normalised spans of one trace meet every condition, each by any of them."""
    own_us = _own_us(trace)
    # To the microsecond, where newest_ms cuts: a trace that begins within the last millisecond
    # of the window has a span inside, but does not lie inside itself.
    if own_us is None or not query.start_ms * 1000 <= own_us <= query.end_ms * 1000:
        return False
    spans = trace
    if query.service is not None:
        spans = [span for span in trace if span.service == query.service]
        if not spans:
            return False
    if query.span_name is not None and all(span.name != query.span_name for span in spans):
        return False
    if query.remote_service is not None and all(
        span.remote_service != query.remote_service for span in spans
    ):
        return False
    if query.duration_min is not None and not any(_lasts(span, query) for span in spans):
        return False
    return all(any(meets(span, *term) for span in spans) for term in query.terms)


def _lasts(span: V2Span, query: TraceQuery) -> bool:
    duration = span.duration or 0
    if query.duration_min is None or duration < query.duration_min:
        return False
    return query.duration_max is None or duration <= query.duration_max


def meets(span: V2Span, key: str, value: str | None) -> bool:
    """Whether one span meets one term of an annotation query."""
    tags = span.tags
    if value is not None:
        return tags is not None and tags.get(key) == value
    if tags is not None and key in tags:
        return True
    return any(note.value == key for note in span.annotations or ())
