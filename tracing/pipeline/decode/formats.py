"""The encodings a message may have, each as one function from bytes to a batch. Pure.

Before a message is read its first byte must fit, and JSON of one version must not look like the
other: those are plain byte tests, as in the real server.
"""

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.decode import proto3, thrift, v1_json, v2_json
from tracing.pipeline.model import SpanError


def decode_v2_json(body: bytes) -> Batch:
    """A v2 JSON list. Raises: SpanError."""
    if not body.startswith(b"["):
        raise SpanError("Expected a JSON_V2 encoded list\n")
    if b'yAnnotations"' in body:
        raise SpanError("Expected a JSON_V2 encoded list, but received: JSON_V1\n")
    spans = v2_json.decode_fast(body)
    if spans is not None:
        return Batch(body, spans)
    return batch_of(v2_json.decode_lenient(body))


def decode_v1_json(body: bytes) -> Batch:
    """A v1 JSON list. Raises: SpanError."""
    if not body.startswith(b"["):
        raise SpanError("Expected a JSON_V1 encoded list\n")
    if b'Endpoint"' in body or b'"tags"' in body:
        raise SpanError("Expected a JSON_V1 encoded list, but received: JSON_V2\n")
    return batch_of(v1_json.decode(body))


def decode_thrift(body: bytes) -> Batch:
    """A thrift list of v1 spans. Raises: SpanError."""
    if body[:1] not in (b"\x0b", b"\x0c"):
        raise SpanError("Expected a THRIFT encoded list\n")
    return batch_of(thrift.decode_list(body))


def decode_proto3(body: bytes) -> Batch:
    """A proto3 list of v2 spans. Raises: SpanError."""
    if body[:1] != b"\n" or body[1:2] in (b"", b"\0"):
        raise SpanError("Expected a PROTO3 encoded list\n")
    return batch_of(proto3.decode_list(body))
