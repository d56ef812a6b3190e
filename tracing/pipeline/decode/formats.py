"""The encodings a message may have, each as one function from bytes to a batch. Pure.

Before a message is read its first byte must be one with which some encoding begins, and JSON of one
version must not look like the other: plain byte tests, as in the real server. An empty JSON list is
an empty message in every encoding.
"""

from collections.abc import Callable
from typing import Final

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.decode import proto3, thrift, v1_json, v2_json
from tracing.pipeline.model import SpanError, V2Span

_EMPTY: Final = b"[]"


def decode_v2_json(body: bytes) -> Batch:
    """A v2 JSON list. Raises: SpanError."""
    _check(body, "JSON_V2")
    if b'yAnnotations"' in body:
        raise SpanError("Expected a JSON_V2 encoded list, but received: JSON_V1\n")
    spans = v2_json.decode_fast(body)
    if spans is not None:
        return Batch(body, spans)
    return batch_of(v2_json.decode_lenient(body))


def decode_v1_json(body: bytes) -> Batch:
    """A v1 JSON list. Raises: SpanError."""
    _check(body, "JSON_V1")
    if b'Endpoint"' in body or b'"tags"' in body:
        raise SpanError("Expected a JSON_V1 encoded list, but received: JSON_V2\n")
    return batch_of(v1_json.decode(body))


def decode_thrift(body: bytes) -> Batch:
    """A thrift list of v1 spans. Raises: SpanError."""
    return _binary(body, "THRIFT", thrift.decode_list)


def decode_proto3(body: bytes) -> Batch:
    """A proto3 list of v2 spans. Raises: SpanError."""
    return _binary(body, "PROTO3", proto3.decode_list)


def _binary(body: bytes, name: str, decode: Callable[[bytes], list[V2Span]]) -> Batch:
    if body == _EMPTY:
        return Batch(body, [])
    _check(body, name)
    return batch_of(decode(body))


def _check(body: bytes, name: str) -> None:
    """Raises: SpanError where no encoding begins so."""
    if body[:1] in (b"[", b"\x0b", b"\x0c") or (
        body[:1] == b"\n" and body[1:2] not in (b"", b"\0")
    ):
        return
    raise SpanError(f"Expected a {name} encoded list\n")
