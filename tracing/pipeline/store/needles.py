"""What a search can look for in a block before, and while, it reads single spans. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from tracing.pipeline.model import V2Span
from tracing.pipeline.search import Terms, TraceQuery, meets

# Characters that a JSON writer has no reason to escape; longer runs of them are searched as bytes.
_PLAIN: Final = re.compile(r"[A-Za-z0-9 _.:,;=+*()-]{3,}")


@dataclass(frozen=True, slots=True)
class Needles:
    """The conditions that one span alone must meet for its trace to be a hit.

    A trace's conditions may be met by different spans, so only one is looked for: the terms'
    first, else the duration, else the service.
    """

    service: str | None
    terms: Terms
    duration_min: int | None
    texts: list[bytes] = field(default_factory=list)

    @property
    def selective(self) -> bool:
        """Whether spans are chosen by more than their time."""
        return self.service is not None or bool(self.terms) or self.duration_min is not None

    def may_be_in(self, body: bytes) -> bool:
        """False when no span of this JSON can be one; an escaped character may hide a text."""
        return all(text in body for text in self.texts) or b"\\u" in body

    def meets(self, span: V2Span) -> bool:
        """Whether a span, perhaps not normalised yet, is one."""
        if self.service is not None and (span.service or "").lower() != self.service:
            return False
        if self.duration_min is not None and (span.duration or 0) < self.duration_min:
            return False
        return not self.terms or meets(span, *self.terms[0])


def needles_of(query: TraceQuery) -> Needles:
    """The most telling condition of a query."""
    terms = query.terms[:1]
    texts = []
    for key, value in terms:
        for text in (key, value or ""):
            texts += [run.encode() for run in _PLAIN.findall(text)]
    return Needles(query.service, terms, None if terms else query.duration_min, texts)
