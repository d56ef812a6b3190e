"""Zipkin v1 JSON. Pure."""

import re
from typing import Final

from tracing.pipeline.decode import json_text as js
from tracing.pipeline.decode.v1 import ADDRESSES, V1Event, V1Span, V1Tag, convert
from tracing.pipeline.decode.v2_json import read_endpoint
from tracing.pipeline.model import SpanError, V2Span

_HEX: Final = re.compile("[0-9a-f]{1,32}")
_HALF: Final = 16
_WHOLE: Final = 32


def decode(body: bytes) -> list[V2Span]:
    """Normalised v2 spans of a v1 list. Raises: SpanError, with Zipkin's text."""
    try:
        return [
            span for item in js.items(js.parse(body)) for span in convert(_span(js.members(item)))
        ]
    except SpanError as error:
        raise SpanError(f"{error} reading List<Span> from json") from error


def _id(value: object, name: str) -> str:
    """The digits that count: the last 16, and of exactly 32 all. Empty for none."""
    if value is None:
        return ""
    digits = js.text(value, name)
    if _HEX.fullmatch(digits) is None:
        raise SpanError(f"{digits} should be a 1 to 32 character lower-hex string with no prefix")
    return digits if len(digits) == _WHOLE and name == "traceId" else digits[-_HALF:]


def _span(members: dict[str, object]) -> V1Span:
    trace_id = _id(members.get("traceId"), "traceId")
    own_id = _id(members.get("id"), "id")
    parent_id = _id(members.get("parentId"), "parentId")
    span = V1Span(
        trace_id=trace_id,
        id=own_id,
        parent_id=parent_id if parent_id.strip("0") else None,
        name=js.text_or_none(members.get("name"), "name"),
        timestamp=js.integer_or_none(members.get("timestamp"), "timestamp") or 0,
        duration=js.integer_or_none(members.get("duration"), "duration") or 0,
        debug=bool(js.boolean_or_none(members.get("debug"), "debug")),
        events=[_event(js.members(x)) for x in js.items(members.get("annotations"))],
        tags=[
            tag
            for x in js.items(members.get("binaryAnnotations"))
            if (tag := _tag(js.members(x))) is not None
        ],
    )
    if not trace_id[-_HALF:].strip("0"):
        raise SpanError("traceId == 0")
    if not own_id.strip("0"):
        raise SpanError("id == 0")
    return span


def _event(members: dict[str, object]) -> V1Event:
    if members.get("timestamp") is None or members.get("value") is None:
        raise SpanError("Incomplete annotation")
    return V1Event(
        js.integer(members["timestamp"], "timestamp"),
        js.text(members["value"], "value"),
        read_endpoint(members.get("endpoint")),
    )


def _tag(members: dict[str, object]) -> V1Tag | None:
    """A tag or an address mark; None for values that are neither (numbers, false, objects)."""
    if members.get("key") is None:
        raise SpanError("No key at binaryAnnotations")
    key, value = js.text(members["key"], "key"), members.get("value")
    endpoint = read_endpoint(members.get("endpoint"))
    if value is True:
        return V1Tag(key, "", endpoint) if key in ADDRESSES and endpoint is not None else None
    if isinstance(value, str) and not isinstance(value, js.NumberText):
        return V1Tag(key, js.text(value, "value"), endpoint)
    return None
