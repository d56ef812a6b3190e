"""The OTLP receiver: POST /v1/traces in protobuf or JSON, on a port of its own.

Source: OTLP specification 1.x, "OTLP/HTTP". The answer has the request's type; 503 tells the
sender to come again, every other refusal that it must not.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from starlette.types import Receive, Scope, Send

from tracing.pipeline.batch import Batch
from tracing.pipeline.decode import otlp_json, otlp_proto
from tracing.pipeline.decode.otel import Resource, to_batch
from tracing.pipeline.http.answers import GoneError, SlowError, TooLargeError, answer, read_body
from tracing.pipeline.http.collect import BODY_BYTES_MAX
from tracing.pipeline.http.unpack import BombError, inflate
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.intake import FullError
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.port import StoreBusyError, StoreError

PATH: Final = "/v1/traces"
TRANSPORT: Final = "otlp"
_INVALID_ARGUMENT: Final = 3  # google.rpc.Code
_UNAVAILABLE: Final = 14
REJECTED: Final = "a trace id is 16 bytes, a span id 8, and neither is all zeros"
_RETRY_AFTER_S: Final = 1


class _Encoding(NamedTuple):
    content_type: str
    decode: Callable[[bytes], list[Resource]]
    answer: Callable[[int, str], bytes]
    refusal: Callable[[int, str], bytes]


_ENCODINGS: Final = {
    b"application/x-protobuf": _Encoding(
        "application/x-protobuf", otlp_proto.decode, otlp_proto.answer, otlp_proto.refusal
    ),
    b"application/json": _Encoding(
        "application/json", otlp_json.decode, otlp_json.answer, otlp_json.refusal
    ),
}


class OtlpApp:
    """The ASGI application of the OTLP port."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request: 200 once its spans are durable."""
        if scope["path"] != PATH:
            await answer(send, 404, f"OTLP is at {PATH}", "text/plain")
            return
        if scope["method"] != "POST":
            await answer(send, 405, "OTLP is POSTed", "text/plain", headers=((b"allow", b"POST"),))
            return
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        encoding = _ENCODINGS.get(kind)
        if encoding is None:
            known = " or ".join(sorted(name.decode() for name in _ENCODINGS))
            await answer(send, 415, f"expected {known}", "text/plain", close=True)
            return
        try:
            coding = headers.get(b"content-encoding", b"").strip().lower()
            status, body = await self._take(receive, encoding, coding)
        except GoneError:
            self._ingest.refuse(TRANSPORT, 0)
            return
        more: Sequence[tuple[bytes, bytes]] = ()
        if status == 503:  # noqa: PLR2004 - come again
            more = ((b"retry-after", str(_RETRY_AFTER_S).encode()),)
        # A body that was not read whole would be taken for the next request.
        await answer(send, status, body, encoding.content_type, headers=more, close=status > 400)  # noqa: PLR2004

    async def _take(
        self, receive: Receive, encoding: _Encoding, coding: bytes
    ) -> tuple[int, bytes]:
        """The status and body of the answer."""
        ingest = self._ingest
        try:
            body = await read_body(receive, BODY_BYTES_MAX, ingest.intake)
            body = self._unpack(body, coding)

            def decode(message: bytes) -> Batch:
                return to_batch(encoding.decode(message))

            rejected = await ingest.accept(TRANSPORT, body, decode)
        except SpanError as error:
            return 400, encoding.refusal(_INVALID_ARGUMENT, str(error))
        except (TooLargeError, BombError):
            ingest.refuse(TRANSPORT, 0)
            return 413, encoding.refusal(_INVALID_ARGUMENT, "the body is too large")
        except SlowError:
            ingest.refuse(TRANSPORT, 0)
            return 408, encoding.refusal(_UNAVAILABLE, "the body was not whole in time")
        except FullError:
            ingest.refuse(TRANSPORT, 0)
            return 503, encoding.refusal(_UNAVAILABLE, "too many bodies at once, try later")
        except (StoreBusyError, StoreError) as error:
            return 503, encoding.refusal(_UNAVAILABLE, str(error) or "queue full, try later")
        return 200, encoding.answer(rejected, REJECTED)

    def _unpack(self, body: bytes, coding: bytes) -> bytes:
        try:
            return inflate(body, coding)
        except SpanError:
            self._ingest.refuse(TRANSPORT, len(body))
            raise
