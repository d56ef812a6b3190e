"""Requests of OTLP, in JSON and in protobuf."""

from tracing.pipeline.decode.protobuf import write_field

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
SPAN_FIELDS = write_field(1, bytes.fromhex(TRACE)) + write_field(2, bytes.fromhex(SPAN))


def in_proto(span: bytes) -> bytes:
    """One span of nobody's."""
    return write_field(1, write_field(2, write_field(2, span)))


def in_json(**span: object) -> dict[str, object]:
    """One span of a shop's; more members for it."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": [text("service.name", "Shop")]},
                "scopeSpans": [{"spans": [{"traceId": TRACE, "spanId": SPAN} | span]}],
            }
        ]
    }


def text(key: str, value: str) -> dict[str, object]:
    """One attribute."""
    return {"key": key, "value": {"stringValue": value}}
