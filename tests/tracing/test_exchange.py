"""An exchange's one record, and the two spans that it stands for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tracing.test_encode import EDGE, HELLO
from tracing.context import DEBUG, TraceContext
from tracing.encode.exchange_json import encode_records
from tracing.encode.zipkin_json import encode_spans
from tracing.exchange import ExchangeRecord, Record, SpanRoute, client_span, server_span, spans_of
from tracing.span import Endpoint

TAGS = {"router.label": "http", "service": "/svc/hello", "client": "/#/io.l5d.fs/hello"}
ROUTE = SpanRoute("http /svc/hello", EDGE, Endpoint("#/io.l5d.fs/hello"), TAGS, {"mark": "1.0"})
TRACE = TraceContext(b"tracetra", b"serverse", b"parentpa", 6)


def exchange(**changes: object) -> ExchangeRecord:
    values: dict[str, object] = {
        "route": ROUTE,
        "trace": TRACE,
        "client_id": b"clientcl",
        "method": b"GET",
        "target": b"/things/42?secret=1",
        "status": 200,
        "start_us": 1_763_000_000_000_000,
        "elapsed_us": 1_500,
        "peer_ip": "10.9.8.7",
        "peer_port": 41_234,
        "remote": HELLO,
        "request_bytes": 3,
        "response_bytes": 1_024,
    }
    return ExchangeRecord(**(values | changes))  # type: ignore[arg-type]


def bag(objects: bytes) -> list[str]:
    """Objects in any order, members too."""
    return sorted(json.dumps(one, sort_keys=True) for one in json.loads(b"[" + objects + b"]"))


def test_an_exchange_is_a_client_span_below_a_server_span() -> None:
    client, server = spans_of(exchange())
    assert (client.kind, client.span_id, client.parent_id) == ("CLIENT", b"clientcl", b"serverse")
    assert (server.kind, server.span_id, server.parent_id) == ("SERVER", b"serverse", b"parentpa")
    assert client.trace_id == server.trace_id == b"tracetra"
    assert client.tags["http.uri"] == server.tags["http.uri"] == "/things/42"
    assert (client.route or {})["mark"] == "1.0"
    assert "mark" not in (server.route or {})
    assert server.remote == Endpoint("", "10.9.8.7", 41_234)
    assert client.remote is HELLO


contexts = st.builds(
    TraceContext,
    st.binary(min_size=8, max_size=8) | st.binary(min_size=16, max_size=16),
    st.binary(min_size=8, max_size=8),
    st.none() | st.binary(min_size=8, max_size=8),
    st.sampled_from([0, 6, 6 | DEBUG]),
)
texts = st.text(st.characters(codec="utf-8"), max_size=8)
routes = st.builds(
    SpanRoute,
    texts,
    st.just(EDGE) | st.builds(Endpoint, texts),
    st.just(EDGE) | st.just(Endpoint("")),
    st.dictionaries(texts | st.just("http.method"), texts, max_size=3),
    st.dictionaries(texts | st.just("http.uri"), texts, max_size=2),
)
exchanges = st.builds(
    exchange,
    route=routes,
    trace=contexts,
    client_id=st.binary(min_size=8, max_size=8),
    method=st.sampled_from([b"GET", b"POST", b'M"X', b"\xe4"]),
    target=st.binary(max_size=12),
    status=st.integers(200, 599),
    peer_ip=st.sampled_from(["10.9.8.7", "2001:db8::7"]),
    peer_port=st.sampled_from([0, 41_234]),
    remote=st.sampled_from([HELLO, EDGE, Endpoint(""), Endpoint("ä")]),
    tags=st.none() | st.dictionaries(texts | st.just("http.uri"), texts, max_size=2),
)


@given(st.lists(exchanges, max_size=5))
def test_exchanges_are_written_as_their_spans_would_be(records: list[ExchangeRecord]) -> None:
    spans = [span for one in records for span in spans_of(one)]
    assert bag(encode_records(records)) == bag(encode_spans(spans)[1:-1])


def test_exchanges_and_spans_share_a_batch() -> None:
    mixed: list[Record] = [exchange(), client_span(exchange()), exchange(method=b"PUT")]
    assert len(bag(encode_records(mixed))) == 5
    assert encode_records([]) == b""


def test_two_upstreams_of_one_route_are_told_apart() -> None:
    records = [exchange(), exchange(remote=EDGE), exchange()]
    ports = [json.loads(one).get("remoteEndpoint", {}).get("port") for one in bag(
        encode_records(records)
    )]  # fmt: skip
    assert sorted(ports) == sorted([80, 7777, 7777, 41_234, 41_234, 41_234])


@pytest.mark.parametrize("flags", [0, DEBUG])
def test_debug_goes_with_both_spans(flags: int) -> None:
    one = exchange(trace=TraceContext(b"tracetra", b"serverse", None, flags))
    assert client_span(one).debug == server_span(one).debug == bool(flags)
