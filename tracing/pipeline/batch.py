"""What receivers hand to the store: decoded spans, and their v2 JSON where it is at hand."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tracing.pipeline.model import V2Span, low_half, to_json

# Small messages are put together up to this size, so that a tracer that sends one span at a time
# does not make a block of each.
BLOCK_SPANS: Final = 256
BLOCK_BYTES: Final = 65_536


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


def grouped(batches: Sequence[Batch]) -> Iterable[tuple[bytes, list[V2Span]]]:
    """The batches as rows for a waiting room: big ones as they are, small ones joined."""
    bodies: list[bytes] = []
    spans: list[V2Span] = []
    size = 0
    for batch in batches:
        if not batch.spans:
            continue
        full = len(spans) + len(batch.spans) > BLOCK_SPANS
        if bodies and (full or size + len(batch.body) > BLOCK_BYTES):
            yield joined(bodies), spans
            bodies, spans, size = [], [], 0
        bodies.append(batch.body)
        spans = spans + batch.spans if spans else batch.spans
        size += len(batch.body)
    if bodies:
        yield joined(bodies), spans


def joined(bodies: Sequence[bytes]) -> bytes:
    """One v2 JSON list of the spans of several."""
    if len(bodies) == 1:
        return bodies[0]
    return b"[" + b",".join([body.strip()[1:-1] for body in bodies]) + b"]"
