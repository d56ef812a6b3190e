"""Properties of the readers: any bytes are spans or one error; two readers agree."""

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kits.zipkin_bodies import proto3_list, proto3_span, thrift_list
from tracing.pipeline.batch import Batch
from tracing.pipeline.decode import formats, scribe, v2_json
from tracing.pipeline.model import SpanError, V2Span, decode_strict, low_half, to_json
from tracing.pipeline.normalise import address, normalised, show_ipv6
from tracing.thrift import ThriftError

DECODERS = (
    formats.decode_v2_json,
    formats.decode_v1_json,
    formats.decode_thrift,
    formats.decode_proto3,
)

hexes = st.text("0123456789abcdef", min_size=1, max_size=33)
texts = st.text(max_size=8)
numbers = st.integers(-(2**63), 2**63 - 1)
endpoints = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "serviceName": st.none() | texts,
        "ipv4": st.sampled_from(["10.0.0.1", "::1", "x", "1:0:0:2::", "::ffff:1.2.3.4"]) | texts,
        "ipv6": st.sampled_from(["2001:DB8::1", "1.2.3.4", ""]),
        "port": st.integers(-1, 65_536),
    },
)
json_spans = st.fixed_dictionaries(
    {"traceId": hexes, "id": hexes},
    optional={
        "parentId": st.none() | hexes,
        "kind": st.sampled_from(["CLIENT", "SERVER", "PRODUCER", "CONSUMER", None]),
        "name": st.none() | texts,
        "timestamp": st.none() | numbers,
        "duration": st.none() | numbers,
        "localEndpoint": endpoints,
        "remoteEndpoint": endpoints,
        "annotations": st.none()
        | st.lists(st.fixed_dictionaries({"timestamp": numbers, "value": texts}), max_size=4),
        "tags": st.none() | st.dictionaries(texts, texts, max_size=4),
        "debug": st.none() | st.booleans(),
        "shared": st.none() | st.booleans(),
        "unknown": st.recursive(st.none() | texts, lambda inner: st.lists(inner, max_size=3)),
    },
)


def lenient(body: bytes) -> list[V2Span] | None:
    try:
        return v2_json.decode_lenient(body)
    except SpanError:
        return None


@given(st.lists(json_spans, max_size=3))
def test_the_fast_reader_agrees_with_the_lenient_one(spans: list[dict[str, object]]) -> None:
    body = json.dumps(spans).encode("utf-8", "surrogatepass")
    fast = v2_json.decode_fast(body)
    if fast is not None:
        assert [normalised(span) for span in fast] == lenient(body)


@given(st.lists(json_spans, max_size=3))
def test_normalising_again_changes_nothing(spans: list[dict[str, object]]) -> None:
    read = lenient(json.dumps(spans).encode())
    if read is not None:
        assert [normalised(span) for span in read] == read
        assert decode_strict(to_json(read)) == read


@given(st.binary(max_size=200))
def test_any_bytes_are_spans_or_one_error(body: bytes) -> None:
    for prefix in (b"", b"[", b"\n\x10", b"\x0c\x00\x00\x00\x01"):
        for decode in DECODERS:
            try:
                batch = decode(prefix + body)
            except SpanError:
                continue
            assert decode_strict(batch.body) == batch.spans


@given(st.binary(max_size=200))
def test_any_frame_is_a_call_or_one_error(payload: bytes) -> None:
    header = b"\x80\x01\x00\x01\x00\x00\x00\x03Log\x00\x00\x00\x01"
    for frame in (payload, header + payload, header + b"\x0f\x00\x01\x0c" + payload):
        try:
            call = scribe.read_call(frame)
        except ThriftError:
            continue
        for message in call.messages or ():
            try:
                scribe.unbase64(message)
            except ThriftError:
                continue


@pytest.mark.parametrize("decode", DECODERS)
def test_an_empty_list_is_an_empty_message_in_every_encoding(
    decode: Callable[[bytes], Batch],
) -> None:
    assert decode(b"[]") == Batch(b"[]", [])


def test_a_list_may_begin_with_a_new_line_and_hold_control_characters() -> None:
    batch = formats.decode_v2_json(b'\n[{"traceId":"1","id":"2","tags":{"a":"\t\x01"}}]')
    assert batch.spans[0].tags == {"a": "\t\x01"}
    with pytest.raises(SpanError, match="JSON_V2"):
        formats.decode_v2_json(b' [{"traceId":"1","id":"2"}]')


@pytest.mark.parametrize("literal", ["1_0", '"1_0"', '"0x5"', "1e30", '"NaN"', '"Infinity"'])
def test_a_number_is_written_as_java_reads_it(literal: str) -> None:
    body = b'[{"traceId":"1","id":"2","timestamp":%s}]' % literal.encode()
    with pytest.raises(SpanError):
        formats.decode_v2_json(body)


def test_an_empty_span_of_proto3_is_passed_over_and_an_empty_id_is_not() -> None:
    one = proto3_list([{"traceId": "1", "id": "2"}])
    assert len(formats.decode_proto3(one + b"\n\0").spans) == 1
    for field, name in ((1, "traceId"), (3, "id")):
        with pytest.raises(SpanError, match=f"^{name} == null"):
            formats.decode_proto3(one + bytes([10, 2, field << 3 | 2, 0]))


def test_half_a_surrogate_pair_is_one_mark_in_every_encoding() -> None:
    raw, marked = b"a\xed\xa0\x80b\xf5\x80", "a\ufffdb\ufffd\ufffd"
    span = proto3_span({"traceId": "1", "id": "2"}) + b"\x2a" + bytes([len(raw)]) + raw
    [read] = formats.decode_proto3(b"\n" + bytes([len(span)]) + span).spans
    assert read.name == marked
    [read] = formats.decode_v2_json(b'[{"traceId":"1","id":"2","name":"%b"}]' % raw).spans
    assert read.name == marked
    struct = thrift_list([{"traceId": "1", "id": "2", "name": "x" * len(raw)}])
    [read] = formats.decode_thrift(struct.replace(b"x" * len(raw), raw)).spans
    assert read.name == marked


def test_a_default_value_of_proto3_is_one_that_did_not_come() -> None:
    span = proto3_span(
        {"traceId": "1", "id": "2", "kind": "SERVER", "name": "n", "timestamp": 5, "shared": True}
    )
    defaults = b"\x20\0" + b"\x2a\0" + b"\x31" + bytes(8) + b"\x68\0"
    [read] = formats.decode_proto3(b"\n" + bytes([len(span + defaults)]) + span + defaults).spans
    assert (read.kind, read.name, read.timestamp, read.shared) == ("SERVER", "n", 5, True)


@pytest.mark.parametrize("field", [4 << 3, 8 << 3 | 2])
def test_a_number_over_32_bits_is_refused_where_there_are_32(field: int) -> None:
    minus_one = b"\xff" * 9 + b"\1"
    value = minus_one if field == 4 << 3 else b"\x0b" + bytes([4 << 3]) + minus_one
    span = proto3_span({"traceId": "1", "id": "2"}) + bytes([field]) + value
    with pytest.raises(SpanError, match="32-bit"):
        formats.decode_proto3(b"\n" + bytes([len(span)]) + span)


def test_a_consumer_that_was_a_client_too_keeps_its_duration() -> None:
    place = {"serviceName": "back", "ipv4": "10.0.0.2"}
    span = {
        "traceId": "1",
        "id": "2",
        "timestamp": 2000,
        "duration": 500,
        "annotations": [
            {"timestamp": 1000, "value": "cs", "endpoint": place},
            {"timestamp": 1200, "value": "cr", "endpoint": place},
            {"timestamp": 1100, "value": "mr", "endpoint": place},
            {"timestamp": 1600, "value": "ms", "endpoint": {"serviceName": "other"}},
        ],
    }
    [client, _] = formats.decode_v1_json(json.dumps([span]).encode()).spans
    assert (client.timestamp, client.duration) == (1100, 500)


def test_a_v1_span_of_many_services_is_read_in_a_moment() -> None:
    events = [
        {"timestamp": number, "value": "x", "endpoint": {"serviceName": f"s{number % 20_000}"}}
        for number in range(1, 40_001)
    ]
    tags = [{"key": f"k{number}", "value": "", "endpoint": {}} for number in range(40_000)]
    body = [{"traceId": "1", "id": "2", "annotations": events, "binaryAnnotations": tags}]
    began = time.process_time()
    spans = formats.decode_v1_json(json.dumps(body).encode()).spans
    assert time.process_time() - began < 3  # a minute, where each is looked for among all
    assert len(spans) == 20_000
    assert len(spans[0].tags or ()) == 40_000
    assert [len(one.annotations or ()) for one in spans] == [2] * 20_000


def test_a_container_that_nests_without_end_is_refused() -> None:
    deep = b"\x0c\x00\x63" * 10_000
    with pytest.raises(SpanError, match="nested too deep"):
        formats.decode_thrift(b"\x0c\x00\x00\x00\x01" + deep)


@given(st.lists(st.integers(0, 0xFFFF), min_size=8, max_size=8))
def test_a_written_address_is_read_as_itself(groups: list[int]) -> None:
    text = show_ipv6(groups)
    assert address(text) == (None, text)
    assert address(":".join(f"{group:04X}" for group in groups)) == (None, text)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_none(text: str) -> None:
    four, six = address(text)
    assert four is None or six is None


@given(st.integers(0, 2**128 - 1))
def test_the_low_half_is_javas_long(number: int) -> None:
    low = low_half(f"{number:032x}")
    assert -(2**63) <= low < 2**63
    assert low % 2**64 == number % 2**64
