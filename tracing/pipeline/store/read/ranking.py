"""What every store does with the spans it found. Pure."""

from collections.abc import Iterable, Sequence

from tracing.pipeline.model import V2Span, to_json
from tracing.pipeline.search import TraceQuery, matches, newest_ms

Trace = list[V2Span]


def unique(spans: Iterable[V2Span]) -> Trace:
    """Exactly equal normalised spans once, the first of each, in order."""
    listed = list(spans)
    # Nearly always the ids tell already that no two are equal; comparing whole spans costs 1 us.
    if len({(span.id, span.kind, span.shared) for span in listed}) == len(listed):
        return listed
    seen: dict[bytes, V2Span] = {}
    for span in listed:
        seen.setdefault(to_json(span), span)
    return list(seen.values())


def group(spans: Iterable[V2Span], *, strict: bool) -> list[Trace]:
    """The spans that share a low half, as traces: by whole id when strict, else as one."""
    if not strict:
        everything = list(spans)
        return [everything] if everything else []
    traces: dict[str, Trace] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    return list(traces.values())


def ranked(traces: Iterable[Trace], query: TraceQuery) -> list[tuple[int, Trace]]:
    """The matching ones with their newest time in the window, newest first, `limit` at most."""
    found = [
        (newest, trace)
        for trace in traces
        if (newest := newest_ms(trace, query)) is not None and matches(trace, query)
    ]
    found.sort(key=rank, reverse=True)
    return found[: query.limit]


def rank(hit: tuple[int, Trace]) -> tuple[int, str]:
    """Newest last; of equal ones, as the real server, the greater low half of the id."""
    newest, trace = hit
    return newest, trace[0].trace_id[-16:]


def in_order(traces: Sequence[Trace], ids: Sequence[str], *, strict: bool) -> list[Trace]:
    """The traces in the order of the ids asked for; one asked for twice comes once."""
    digits = 32 if strict else 16
    by_id = {trace[0].trace_id[-digits:]: trace for trace in traces}
    keys = dict.fromkeys(trace_id[-digits:] for trace_id in ids)
    return [by_id[key] for key in keys if key in by_id]
