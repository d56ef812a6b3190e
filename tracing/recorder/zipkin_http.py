from collections.abc import Sequence
from typing import Final

from tracing.encode.exchange_json import encode_records
from tracing.exchange import Record
from tracing.recorder.exporter import ExportError, ExportRefusedError
from tracing.recorder.http_post import Poster

# What a collector in trouble answers; everything else over 399 means the batch itself is at fault.
_TRY_LATER: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_ACCEPTED: Final = range(200, 300)
PATH: Final = "/api/v2/spans"  # of a list in v2 JSON


def list_of(pieces: Sequence[bytes]) -> list[bytes]:
    """A JSON list in parts."""
    parts = [b"["]
    for piece in pieces:
        parts += (piece, b",")
    parts[-1] = b"]"
    return parts


class ZipkinHttpExporter:
    """POSTs v2 JSON lists to a Zipkin (or weir) collector.

    Shape: url is the collector's base ("http://127.0.0.1:9411"); the path is added.
    Units: timeout_s bounds one attempt, from connecting to the answer.
    Raises: BadUrlError.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        headers = {"content-type": "application/json"}
        self._poster = Poster(url.rstrip("/") + PATH, headers, timeout_s=timeout_s)

    def encode(self, records: Sequence[Record]) -> bytes:
        """The objects of a v2 list, without its brackets."""
        return encode_records(records)

    def size(self, piece: bytes) -> int:
        """Its bytes."""
        return len(piece)

    async def send(self, pieces: Sequence[bytes]) -> None:
        """One POST. Raises: ExportError, ExportRefusedError."""
        try:
            # Not joined: a body over 128 KiB would be memory fresh from the kernel each time.
            answer = await self._poster.post(list_of(pieces))
        except OSError as error:  # TimeoutError is one
            raise ExportError(f"{self._poster.url}: {type(error).__name__}: {error}") from error
        if answer.status in _ACCEPTED:
            return
        text = f"{self._poster.url}: {answer.status} {answer.text[:200]}"
        if answer.status not in _TRY_LATER:
            raise ExportRefusedError(text)
        after = answer.retry_after
        seconds = float(after) if after.isascii() and after.isdigit() else None
        raise ExportError(text, seconds)

    async def aclose(self) -> None:
        """Close the connection."""
        self._poster.close()
