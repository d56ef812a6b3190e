"""The encodings a message may have, each as one function from bytes to a batch."""

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.decode import v2_json
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
