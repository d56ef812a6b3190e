"""OTLP's ExportTraceServiceRequest in JSON. Pure.

Source: OTLP specification, "JSON Protobuf Encoding": keys in lowerCamelCase, ids in hex (not
base64), enums as numbers, 64-bit integers as decimal strings (numbers are read as well), unknown
members passed over.
"""

import base64
import binascii
import json
import re
from typing import Final

from tracing.pipeline.decode import json_text as js
from tracing.pipeline.decode.otel import VALUE_DEPTH_MAX, Event, OtelSpan, Resource, Scope, Value
from tracing.pipeline.model import SpanError

_HEX: Final = re.compile("[0-9a-f]*")
_UINT64_MAX: Final = (1 << 64) - 1

_Members = dict[str, object]


def decode(body: bytes) -> list[Resource]:
    """The spans of one request, by resource and scope. Raises: SpanError."""
    return [_resource_spans(one) for one in _objects(js.members(js.parse(body)), "resourceSpans")]


def _objects(members: _Members, name: str) -> list[_Members]:
    return [js.members(one) for one in js.items(members.get(name))]


def _object(members: _Members, name: str) -> _Members:
    value = members.get(name)
    return {} if value is None else js.members(value)


def _text(members: _Members, name: str) -> str:
    return js.text_or_none(members.get(name), name) or ""


def _number(members: _Members, name: str) -> int:
    number = js.integer_or_none(members.get(name), name) or 0
    if not 0 <= number <= _UINT64_MAX:
        raise SpanError(f"{name} is out of range")
    return number


def _id(members: _Members, name: str) -> str:
    digits = _text(members, name).lower()
    if not _HEX.fullmatch(digits):
        raise SpanError(f"{name} should be hex digits, which OTLP has in JSON")
    return digits


def _resource_spans(members: _Members) -> Resource:
    return Resource(
        _attributes(_object(members, "resource")),
        [_scope_spans(one) for one in _objects(members, "scopeSpans")],
    )


def _scope_spans(members: _Members) -> Scope:
    scope = _object(members, "scope")
    spans = [_span(one) for one in _objects(members, "spans")]
    return Scope(_text(scope, "name"), _text(scope, "version"), spans)


def _span(members: _Members) -> OtelSpan:
    status = _object(members, "status")
    dropped = {
        what: _number(members, f"dropped{what.capitalize()}Count")
        for what in ("attributes", "events", "links")
    }
    return OtelSpan(
        trace_id=_id(members, "traceId"),
        span_id=_id(members, "spanId"),
        parent_id=_id(members, "parentSpanId"),
        trace_state=_text(members, "traceState"),
        name=_text(members, "name"),
        kind=_number(members, "kind"),
        start_ns=_number(members, "startTimeUnixNano"),
        end_ns=_number(members, "endTimeUnixNano"),
        attributes=_attributes(members),
        events=[
            Event(_number(one, "timeUnixNano"), _text(one, "name"), _attributes(one))
            for one in _objects(members, "events")
        ],
        links=[(_id(one, "traceId"), _id(one, "spanId")) for one in _objects(members, "links")],
        dropped=dropped,
        status=_number(status, "code"),
        status_text=_text(status, "message"),
    )


def _attributes(members: _Members, name: str = "attributes", depth: int = 0) -> dict[str, Value]:
    return {
        _text(pair, "key"): _value(_object(pair, "value"), depth)
        for pair in _objects(members, name)
    }


def _value(members: _Members, depth: int) -> Value:
    """An AnyValue; None for an empty one."""
    if depth > VALUE_DEPTH_MAX:
        raise SpanError("Malformed: an attribute is nested too deep")
    for name, value in members.items():
        if value is None:
            continue
        match name:
            case "stringValue":
                return js.text(value, name)
            case "boolValue":
                return bool(js.boolean_or_none(value, name))
            case "intValue":
                return js.integer(value, name)
            case "doubleValue":
                return _double(js.text(value, name))
            case "arrayValue":
                listed = _objects(js.members(value), "values")
                return [_value(one, depth + 1) for one in listed]
            case "kvlistValue":
                return _attributes(js.members(value), "values", depth + 1)
            case "bytesValue":
                return _bytes(js.text(value, name))
            case _:
                pass
    return None


def _double(literal: str) -> float:
    try:
        return float(literal)
    except ValueError as error:
        raise SpanError("Expected a double at doubleValue") from error


def _bytes(literal: str) -> bytes:
    try:
        return base64.b64decode(literal, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SpanError("Expected base64 at bytesValue") from error


def answer(rejected: int, why: str) -> bytes:
    """An ExportTraceServiceResponse; `{}` when nothing was rejected."""
    if not rejected:
        return b"{}"
    told = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": why}}
    return json.dumps(told, separators=(",", ":")).encode()


def refusal(code: int, why: str) -> bytes:
    """A google.rpc.Status, as the body of a 4xx or 5xx is to be."""
    return json.dumps({"code": code, "message": why}, separators=(",", ":")).encode()
