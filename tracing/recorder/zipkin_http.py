from collections.abc import Sequence
from typing import Final

import httpx

from tracing.encode.zipkin_json import encode_spans
from tracing.recorder.exporter import ExportError, ExportRefusedError
from tracing.span import SpanRecord

# What a collector in trouble answers; everything else over 399 means the batch itself is at fault.
_TRY_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ACCEPTED: Final = range(200, 300)


class ZipkinHttpExporter:
    """POSTs v2 JSON lists to a Zipkin (or weir) collector.

    Shape: url is the collector's base ("http://127.0.0.1:9411"); the path is added.
    Units: timeout_s bounds one attempt, from connecting to the answer.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._url = url.rstrip("/") + "/api/v2/spans"
        # trust_env is off: http_proxy names the mesh in our processes, and spans about requests
        # must not become requests of the mesh.
        self._client = httpx.AsyncClient(
            timeout=timeout_s,
            trust_env=False,
            limits=httpx.Limits(max_connections=2),
            headers={"content-type": "application/json"},
        )

    def encode(self, records: Sequence[SpanRecord]) -> bytes:
        """One v2 list."""
        return encode_spans(records)

    def join(self, pieces: Sequence[bytes]) -> bytes:
        """One list from several."""
        return b"[" + b",".join(piece[1:-1] for piece in pieces) + b"]"

    async def send(self, body: bytes) -> None:
        """One POST. Raises: ExportError, ExportRefusedError."""
        try:
            answer = await self._client.post(self._url, content=body)
        except (httpx.HTTPError, OSError) as error:
            raise ExportError(f"{self._url}: {type(error).__name__}: {error}") from error
        if answer.status_code in _ACCEPTED:
            return
        text = f"{self._url}: {answer.status_code} {answer.text[:200]}"
        raise (ExportError if answer.status_code in _TRY_LATER else ExportRefusedError)(text)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
