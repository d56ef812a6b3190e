"""Zipkin v2 JSON: a fast strict reader, and a lenient one for whatever that refuses.

The strict reader takes what every tracer in use sends (whole ids, JSON types as documented) and
leaves normalising to the time of reading. The lenient one is the definition: what it accepts,
and its texts on refusal, are the answer.
"""

from typing import Final, get_args

import msgspec

from tracing.pipeline import normalise
from tracing.pipeline.decode import json_text as js
from tracing.pipeline.model import Kind, SpanError, V2Annotation, V2Endpoint, V2Span, decode_strict

_KINDS: Final = frozenset(get_args(Kind))
_HEX: Final = b"0123456789abcdef"
_ZEROS: Final = "0" * 16
_LONG: Final = 32  # digits of a trace id of 128 bits


def decode_fast(body: bytes) -> list[V2Span] | None:
    """Spans that normalise without an error, not normalised yet; None: ask the lenient reader."""
    try:
        spans = decode_strict(body)
    except (msgspec.DecodeError, ValueError, RecursionError):  # also bad UTF-8, absurd depth
        return None
    return spans if _are_whole(spans) else None


def _are_whole(spans: list[V2Span]) -> bool:
    """Whether all ids are of 16 digits, or 32, so that their low halves can be indexed unread."""
    traces = {span.trace_id for span in spans}
    short = {span.parent_id or "" for span in spans}
    short.discard("")
    short.update([span.id for span in spans])
    long = {one for one in traces if len(one) != len(_ZEROS)}
    short |= traces - long
    if set(map(len, short)) - {len(_ZEROS)} or set(map(len, long)) - {_LONG}:
        return False
    # A zero half of a long id normalises to a short one.
    if _ZEROS in short or any(one.startswith(_ZEROS) for one in long):
        return False
    try:
        text = "".join([*short, *long]).encode()
    except UnicodeEncodeError:
        return False
    return not text.translate(None, _HEX)


def decode_lenient(body: bytes) -> list[V2Span]:
    """Normalised spans. Raises: SpanError, with Zipkin's text."""
    try:
        return [_span(js.members(item)) for item in js.items(js.parse(body))]
    except SpanError as error:
        raise SpanError(f"{error} reading List<Span> from json") from error


def _span(members: dict[str, object]) -> V2Span:
    missing = [name for name in ("traceId", "id") if name not in members]
    trace_id = None if missing else normalise.trace_id(js.text(members["traceId"], "traceId"))
    parent_id = normalise.parent_id(js.text_or_none(members.get("parentId"), "parentId"))
    if trace_id is None:
        raise SpanError(f"Missing : {' '.join(missing)}")
    kind = js.text_or_none(members.get("kind"), "kind")
    if kind is not None and kind not in _KINDS:
        raise SpanError(f"No enum constant zipkin2.Span.Kind.{kind}")
    tags = members.get("tags")
    return normalise.normalised(
        V2Span(
            trace_id=trace_id,
            parent_id=parent_id,
            id=js.text(members["id"], "id"),
            kind=kind,  # type: ignore[arg-type] # checked against the members of Kind above
            name=js.text_or_none(members.get("name"), "name"),
            timestamp=js.integer_or_none(members.get("timestamp"), "timestamp"),
            duration=js.integer_or_none(members.get("duration"), "duration"),
            local_endpoint=read_endpoint(members.get("localEndpoint")),
            remote_endpoint=read_endpoint(members.get("remoteEndpoint")),
            annotations=[_annotation(js.members(x)) for x in js.items(members.get("annotations"))],
            tags=None if tags is None else _tags(js.members(tags)),
            debug=js.boolean_or_none(members.get("debug"), "debug"),
            shared=js.boolean_or_none(members.get("shared"), "shared"),
        )
    )


def _tags(members: dict[str, object]) -> dict[str, str]:
    return {js.text(key, "tags"): js.text(value, f"tags.{key}") for key, value in members.items()}


def _annotation(members: dict[str, object]) -> V2Annotation:
    if "timestamp" not in members or "value" not in members:
        raise SpanError("Incomplete annotation")
    return V2Annotation(
        js.integer(members["timestamp"], "timestamp"), js.text(members["value"], "value")
    )


def read_endpoint(value: object) -> V2Endpoint | None:
    """An endpoint of v1 or v2 JSON; unknown members are passed over. Raises: SpanError."""
    if value is None:
        return None
    members = js.members(value)
    addresses = [
        js.text_or_none(members[name], name) for name in members if name in ("ipv4", "ipv6")
    ]
    first, second = [*addresses, None, None][:2]
    return normalise.endpoint(
        js.text_or_none(members.get("serviceName"), "serviceName"),
        first,
        second,
        js.integer_or_none(members.get("port"), "port"),
    )
