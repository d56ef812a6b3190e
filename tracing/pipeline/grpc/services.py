"""The two gRPC receivers: Zipkin's SpanService and OTLP's TraceService.

Source: zipkin.proto, which answers bad data with INTERNAL; OTLP specification 1.x, "OTLP/gRPC",
where UNAVAILABLE tells the sender to come again and INVALID_ARGUMENT that it must not.
"""

from collections.abc import Callable
from typing import Final

from tracing.pipeline.batch import Batch, batch_of
from tracing.pipeline.decode import otlp_proto, proto3
from tracing.pipeline.decode.otel import to_batch
from tracing.pipeline.grpc.app import GrpcApp
from tracing.pipeline.grpc.message import Code, GrpcError
from tracing.pipeline.http.otlp import REJECTED
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.port import StoreBusyError, StoreError

ZIPKIN_PATH: Final = "/zipkin.proto3.SpanService/Report"
OTLP_PATH: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_ZIPKIN: Final = "grpc"  # the real server's name of this transport
OTLP: Final = "otlp_grpc"


async def _accept(
    ingest: Ingest, transport: str, message: bytes, decode: Callable[[bytes], Batch], bad: Code
) -> int:
    """Returns once the spans are durable; how many cannot be kept. Raises: GrpcError."""
    try:
        return await ingest.accept(transport, message, decode)
    except SpanError as error:
        raise GrpcError(bad, str(error).strip()) from error
    except StoreBusyError as error:
        raise GrpcError(Code.UNAVAILABLE, "queue full, try later") from error
    except StoreError as error:
        raise GrpcError(Code.UNAVAILABLE, str(error)) from error


def zipkin_app(ingest: Ingest) -> GrpcApp:
    """Report: a list of spans in proto3, answered with an empty message."""

    def decode(message: bytes) -> Batch:
        # Here the real server does not look at the first byte: a list of one empty span is none.
        return batch_of(proto3.decode_list(message))

    async def report(message: bytes) -> bytes:
        if message:
            await _accept(ingest, _ZIPKIN, message, decode, Code.INTERNAL)
        else:
            ingest.counts[_ZIPKIN].messages += 1
        return b""

    return GrpcApp({ZIPKIN_PATH: report}, ingest.intake, lambda: ingest.refuse(_ZIPKIN, 0))


def otlp_app(ingest: Ingest) -> GrpcApp:
    """Export: an ExportTraceServiceRequest, answered with what of it was rejected."""

    def decode(message: bytes) -> Batch:
        return to_batch(otlp_proto.decode(message))

    async def export(message: bytes) -> bytes:
        rejected = await _accept(ingest, OTLP, message, decode, Code.INVALID_ARGUMENT)
        return otlp_proto.answer(rejected, REJECTED)

    return GrpcApp({OTLP_PATH: export}, ingest.intake, lambda: ingest.refuse(OTLP, 0))
