"""The HTTP collector: POSTed messages to the ingest."""

from collections.abc import Callable
from typing import Final

from starlette.types import Receive, Scope, Send

from tracing.pipeline.batch import Batch
from tracing.pipeline.decode import formats
from tracing.pipeline.http.answers import (
    TEXT,
    GoneError,
    SlowError,
    TooLargeError,
    answer,
    read_body,
)
from tracing.pipeline.http.unpack import ZSTD_MAGIC, BombError, gunzip, inflate
from tracing.pipeline.ingest import Ingest
from tracing.pipeline.intake import FullError
from tracing.pipeline.model import SpanError
from tracing.pipeline.store.port import StoreBusyError, StoreError

# As the real server, whose limit is Armeria's default.
BODY_BYTES_MAX: Final = 10 << 20

Decode = Callable[[bytes], Batch]

# By path: the type that selects the binary format, its reader, and the reader of all else.
_FORMATS: Final[dict[str, tuple[bytes, Decode, Decode]]] = {
    "/api/v2/spans": (b"application/x-protobuf", formats.decode_proto3, formats.decode_v2_json),
    "/api/v1/spans": (b"application/x-thrift", formats.decode_thrift, formats.decode_v1_json),
}
PATHS: Final = frozenset(_FORMATS)


def _choose(scope: Scope) -> tuple[Decode, bytes]:
    """The reader for a request, and its content-encoding."""
    content_type = encoding = b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value
        elif name == b"content-encoding":
            encoding = value
    binary_type, binary, text = _FORMATS[scope["path"]]
    return (binary if content_type.startswith(binary_type) else text), encoding


async def collect(ingest: Ingest, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one POST: 202 when its spans are durable.

    413 past the caps, 408 when the body does not come, 400 with Zipkin's text for a bad message,
    503 while the queue is full or too much is being read.
    """
    decode, encoding = _choose(scope)
    try:
        body = await read_body(receive, BODY_BYTES_MAX, ingest.intake)
        if not body:
            ingest.counts["http"].messages += 1
        else:
            body = _unpack(ingest, body, encoding.lower())
            await ingest.accept("http", body, decode)
    except SpanError as error:
        await answer(send, 400, str(error), TEXT)
    except GoneError:
        ingest.refuse("http", 0)
    except FullError:
        ingest.refuse("http", 0)
        await answer(send, 503, "too many bodies at once, try later", TEXT, close=True)
    except SlowError:
        ingest.refuse("http", 0)
        await answer(send, 408, "the body was not whole in time", TEXT, close=True)
    except (TooLargeError, BombError):
        ingest.refuse("http", 0)
        await answer(send, 413, "413 Request Entity Too Large", TEXT, close=True)
    except StoreBusyError:
        await answer(send, 503, "queue full, try later", TEXT)
    except StoreError as error:
        await answer(send, 500, str(error), TEXT)
    else:
        await answer(send, 202)


def _unpack(ingest: Ingest, body: bytes, encoding: bytes) -> bytes:
    """As the real server, which passes over every coding but gzip; and zstd, where it is zstd."""
    try:
        if b"gzip" in encoding:
            return gunzip(body)
        if encoding == b"zstd" and body.startswith(ZSTD_MAGIC):
            return inflate(body, encoding)
    except SpanError:
        ingest.refuse("http", len(body))
        raise
    return body
