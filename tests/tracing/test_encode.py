import json

from hypothesis import given
from hypothesis import strategies as st

from tracing.encode.zipkin_json import encode_spans
from tracing.pipeline.decode.v2_json import decode_fast, decode_lenient
from tracing.pipeline.normalise import normalised
from tracing.span import Endpoint, SpanRecord

EDGE = Endpoint("edge", "10.0.0.1", 80)
HELLO = Endpoint("hello", "2001:db8::1", 7777)


def record(**changes: object) -> SpanRecord:
    values: dict[str, object] = {
        "trace_id": bytes.fromhex("4bf92f3577b34da6"),
        "span_id": bytes.fromhex("00f067aa0ba902b7"),
        "parent_id": None,
        "kind": "CLIENT",
        "name": "get",
        "start_us": 1_763_000_000_000_000,
        "elapsed_us": 1_500,
        "local": EDGE,
        "remote": HELLO,
        "tags": {"http.method": "GET"},
    }
    return SpanRecord(**(values | changes))  # type: ignore[arg-type]


def one(span: SpanRecord) -> dict[str, object]:
    [read] = json.loads(encode_spans([span]))
    assert isinstance(read, dict)
    return read


def test_a_span_is_written_member_by_member_in_zipkins_order() -> None:
    parent = bytes.fromhex("00f067aa0ba902b6")
    notes = ((1_763_000_000_000_100, "wr"),)
    span = record(parent_id=parent, annotations=notes, shared=True, debug=True)
    assert encode_spans([span]).decode() == (
        '[{"traceId":"4bf92f3577b34da6","parentId":"00f067aa0ba902b6","id":"00f067aa0ba902b7",'
        '"kind":"CLIENT","name":"get","timestamp":1763000000000000,"duration":1500,'
        '"localEndpoint":{"serviceName":"edge","ipv4":"10.0.0.1","port":80},'
        '"remoteEndpoint":{"serviceName":"hello","ipv6":"2001:db8::1","port":7777},'
        '"annotations":[{"timestamp":1763000000000100,"value":"wr"}],'
        '"tags":{"http.method":"GET"},"debug":true,"shared":true}]'
    )


def test_what_is_not_known_is_not_written() -> None:
    span = record(kind="", name="", elapsed_us=0, local=Endpoint(""), remote=None, tags={})
    assert set(one(span)) == {"traceId", "id", "timestamp"}


def test_route_tags_are_shared_and_the_requests_own_win() -> None:
    route = {"route": "/svc/hello", "version": "3"}
    assert one(record(route=route))["tags"] == {**route, "http.method": "GET"}
    assert one(record(route=route, tags={}))["tags"] == route
    own = one(record(route=route, tags={"version": "4"}))["tags"]
    assert own == {"route": "/svc/hello", "version": "4"}


def test_no_records_are_an_empty_list() -> None:
    assert encode_spans([]) == b"[]"


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(texts, texts, st.dictionaries(texts, texts, max_size=4), st.dictionaries(texts, texts))
def test_any_text_survives_the_way_through_a_collector(
    name: str, service: str, tags: dict[str, str], route: dict[str, str]
) -> None:
    span = record(name=name, local=Endpoint(service, "10.0.0.1"), tags=tags, route=route)
    body = encode_spans([span])
    fast = decode_fast(body)
    assert fast is not None
    [read] = map(normalised, fast)
    assert [read] == decode_lenient(body)
    assert read.name == (name.lower() or None)
    assert read.service == (service.lower() or None)
    assert (read.tags or {}) == route | tags
