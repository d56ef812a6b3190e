"""What an OTLP span becomes here."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kits.otlp_bodies import SPAN, SPAN_FIELDS, TRACE, in_json, in_proto, text
from tracing.pipeline.decode import otlp_json, otlp_proto
from tracing.pipeline.decode.otel import to_batch
from tracing.pipeline.decode.protobuf import write_field
from tracing.pipeline.model import SpanError, V2Endpoint, V2Span


def one(**span: object) -> V2Span:
    batch = to_batch(otlp_json.decode(json.dumps(in_json(**span)).encode()))
    [read] = batch.spans
    return read


@pytest.mark.parametrize(
    ("kind", "attributes", "remote"),
    [
        (3, {"peer.service": "Pay", "server.address": "db"}, V2Endpoint("pay")),
        (3, {"server.address": "10.0.0.7"}, V2Endpoint(None, "10.0.0.7")),
        (3, {"net.peer.name": "old", "net.peer.ip": "::1"}, V2Endpoint("old", None, "::1")),
        (4, {"messaging.destination": "orders"}, V2Endpoint("orders")),
        (2, {"server.address": "me", "client.address": "10.0.0.9"}, V2Endpoint(None, "10.0.0.9")),
        (2, {"server.address": "me"}, None),
        (1, {}, None),
    ],
)
def test_attributes_name_the_other_side(
    kind: int, attributes: dict[str, str], remote: V2Endpoint | None
) -> None:
    listed = [text(key, value) for key, value in attributes.items()]
    span = one(kind=kind, attributes=listed)
    assert span.remote_endpoint == remote
    assert span.tags == attributes or not attributes


def test_only_a_failed_status_makes_an_error() -> None:
    assert one(status={"code": 2, "message": "boom"}).tags == {
        "error": "boom",
        "otel.status_code": "ERROR",
    }
    failed = one(status={"code": 2}, attributes=[text("error.type", "timeout")])
    assert (failed.tags or {})["error"] == "timeout"
    assert one(status={"code": 1}).tags == {"otel.status_code": "OK"}
    assert one(attributes=[text("error", "false")]).tags is None


def test_every_kind_of_value_becomes_a_text() -> None:
    values: list[tuple[dict[str, object], str]] = [
        ({"stringValue": "a"}, "a"),
        ({"boolValue": True}, "true"),
        ({"intValue": "-5"}, "-5"),
        ({"doubleValue": 0.5}, "0.5"),
        ({"bytesValue": "AAE="}, "AAE="),
        ({"arrayValue": {"values": [{"intValue": 1}, {"stringValue": "b"}]}}, '[1,"b"]'),
        ({"kvlistValue": {"values": [text("k", "v")]}}, '{"k":"v"}'),
        ({}, ""),
    ]
    for value, shown in values:
        assert one(attributes=[{"key": "a", "value": value}]).tags == {"a": shown}


def test_a_doubles_bits_are_read_in_protobuf() -> None:
    value = b"\x21" + struct.pack("<d", -2.5)
    pair = write_field(1, b"x") + write_field(2, value)
    [resource] = otlp_proto.decode(in_proto(SPAN_FIELDS + write_field(9, pair)))
    assert resource.scopes[0].spans[0].attributes == {"x": -2.5}


def test_unknown_fields_are_passed_over() -> None:
    extra = write_field(999, b"later") + write_field(1000, 5)
    [resource] = otlp_proto.decode(extra + in_proto(extra + SPAN_FIELDS + extra) + extra)
    assert resource.scopes[0].spans[0].trace_id == TRACE
    assert one(later={"a": [1]}).id == SPAN


def test_values_that_nest_without_end_are_refused() -> None:
    value = b""
    for _ in range(100):
        value = write_field(5, write_field(1, value))
    pair = write_field(1, b"x") + write_field(2, value)
    with pytest.raises(SpanError, match="too deep"):
        otlp_proto.decode(in_proto(SPAN_FIELDS + write_field(9, pair)))
    deep: dict[str, object] = {}
    for _ in range(100):
        deep = {"arrayValue": {"values": [deep]}}
    with pytest.raises(SpanError, match="too deep"):
        one(attributes=[{"key": "x", "value": deep}])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_one_error(body: bytes) -> None:
    for decode, bodies in (
        (otlp_proto.decode, (body, in_proto(body), in_proto(SPAN_FIELDS + body))),
        (otlp_json.decode, (body, b'{"resourceSpans":[' + body)),
    ):
        for one_body in bodies:
            try:
                batch = to_batch(decode(one_body))
            except SpanError:
                continue
            assert all(span.id for span in batch.spans)
