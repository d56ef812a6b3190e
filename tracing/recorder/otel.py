"""Any exporter of the OpenTelemetry SDK behind our recorder: OTLP, and whatever else there is."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tracing.exchange import Record, spans_of
from tracing.recorder.exporter import ExportError
from tracing.span import Endpoint, SpanRecord

_SCOPE = InstrumentationScope("weir", version("weir"))
_KINDS = {
    "CLIENT": SpanKind.CLIENT,
    "SERVER": SpanKind.SERVER,
    "PRODUCER": SpanKind.PRODUCER,
    "CONSUMER": SpanKind.CONSUMER,
}
_SPAN_BYTES = 600  # about what a span takes on the wire


@lru_cache(4_096)
def _resource(local: Endpoint) -> Resource:
    return Resource({"service.name": local.service_name or "unknown_service"})


def _context(trace_id: bytes, span_id: bytes, *, remote: bool) -> SpanContext:
    return SpanContext(
        int.from_bytes(trace_id), int.from_bytes(span_id), remote, TraceFlags(TraceFlags.SAMPLED)
    )


def readable_span(span: SpanRecord) -> ReadableSpan:
    """A record as the SDK's exporters read spans.

    Zipkin's own marks have no place there: `shared` and `debug` become tags. The remote endpoint
    becomes network.peer.* and peer.service, a tag `error` a failed status besides.
    """
    attributes: dict[str, str | int] = {**(span.route or {}), **span.tags}
    if span.shared:
        attributes["zipkin.shared"] = "true"
    if span.debug:
        attributes["zipkin.debug"] = "true"
    remote = span.remote
    if remote is not None:
        if remote.ip:
            attributes["network.peer.address"] = remote.ip
        if remote.port:
            attributes["network.peer.port"] = remote.port
        if remote.service_name:
            attributes["peer.service"] = remote.service_name
    error = attributes.get("error")
    parent_id = span.parent_id
    return ReadableSpan(
        span.name,
        _context(span.trace_id, span.span_id, remote=False),
        None if parent_id is None else _context(span.trace_id, parent_id, remote=True),
        _resource(span.local),
        attributes,
        [Event(value, {}, at_us * 1_000) for at_us, value in span.annotations],
        (),
        _KINDS.get(span.kind, SpanKind.INTERNAL),
        status=Status(StatusCode.UNSET if error is None else StatusCode.ERROR, _text(error)),
        start_time=span.start_us * 1_000,
        end_time=(span.start_us + max(span.elapsed_us, 0)) * 1_000,
        instrumentation_scope=_SCOPE,
    )


def _text(error: str | int | None) -> str | None:
    return None if error is None else str(error)


class OtelExporter:
    """Hands batches to an exporter of the SDK, in a thread, since those wait.

    The spans of one service go by themselves: some exporters name a batch after its first span.
    Where one service's part fails the batch is sent again whole, so spans may come twice. Costs
    about ten times what ZipkinHttpExporter does.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def encode(self, records: Sequence[Record]) -> list[ReadableSpan]:
        """Spans as the SDK knows them; their encoding is the exporter's affair."""
        return [readable_span(span) for one in records for span in spans_of(one)]

    def size(self, piece: list[ReadableSpan]) -> int:
        """An estimate."""
        return len(piece) * _SPAN_BYTES

    async def send(self, pieces: Sequence[list[ReadableSpan]]) -> None:
        """Export. Raises: ExportError; why is told by the exporter's own log."""
        services: dict[int, list[ReadableSpan]] = {}
        for piece in pieces:
            for span in piece:
                services.setdefault(id(span.resource), []).append(span)
        for spans in services.values():
            try:
                result = await asyncio.to_thread(self._exporter.export, spans)
            except Exception as error:
                # What an exporter raises is up to it, and up to what it stands on.
                name = type(self._exporter).__name__
                raise ExportError(f"{name}: {type(error).__name__}: {error}") from error
            if result is not SpanExportResult.SUCCESS:
                raise ExportError(f"{type(self._exporter).__name__} failed")

    async def aclose(self) -> None:
        """Shut the exporter down."""
        await asyncio.to_thread(self._exporter.shutdown)
