"""What receivers hand to the store: decoded spans, and their v2 JSON where it is at hand."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracing.pipeline.model import V2Span, low_half, to_json


class Batch(NamedTuple):
    """One accepted message.

    Shape: `body` is a v2 JSON list of exactly `spans` that the strict decoder reads. Spans of the
    fast reader are not normalised yet. `rejected` counts spans of the message that cannot be kept.
    """

    body: bytes
    spans: list[V2Span]
    rejected: int = 0


def batch_of(spans: list[V2Span]) -> Batch:
    """A batch of spans that did not come as acceptable v2 JSON."""
    return Batch(to_json(spans), spans)


class BlockIndex(NamedTuple):
    """What a store must know of a block of spans in order to find them again.

    Units: min_ms, max_ms are the earliest and latest span (milliseconds since 1970; 0 for spans
    without a time); duration_max is in microseconds. tags: of the autocomplete keys.
    """

    lows: set[int]
    names: set[tuple[str | None, str | None]]
    remotes: set[tuple[str | None, str | None]]
    min_ms: int
    max_ms: int
    duration_max: int
    tags: set[tuple[str, str]]


def index_of(spans: Iterable[V2Span], keys: Sequence[str] = ()) -> BlockIndex:
    """The index entries of one block; service and span names are as sent, in any case."""
    trace_ids = set()
    names = set()
    remotes = set()
    times = []
    durations = []
    for span in spans:
        trace_ids.add(span.trace_id)
        times.append(span.timestamp or 0)
        durations.append(span.duration or 0)
        local, remote = span.local_endpoint, span.remote_endpoint
        service = None if local is None else local.service_name
        names.add((service, span.name))
        if remote is not None:
            remotes.add((service, remote.service_name))
    return BlockIndex(
        set(map(low_half, trace_ids)),
        names,
        remotes,
        max(min(times, default=0), 0) // 1000,
        max(max(times, default=0), 0) // 1000,
        max(durations, default=0),
        {
            (key, tags[key])
            for span in (spans if keys else ())
            if (tags := span.tags)
            for key in keys
            if key in tags
        },
    )
