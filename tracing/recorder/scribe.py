"""Spans to a scribe port, as Linkerd 1.x's zipkin telemeter sends them."""

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from typing import Final

from tracing.encode.thrift import encode_entries
from tracing.exchange import Record, spans_of
from tracing.recorder.exporter import ExportError, ExportRefusedError
from tracing.thrift import CATEGORY, I32, OK, TRY_LATER, ThriftError, ThriftReader

_CALL: Final = 0x8001_0001  # TBinaryProtocol's version 1, a call
_REPLY: Final = 2
_EXCEPTION: Final = 3
_LOG: Final = b"Log"
_LIST_OF_STRUCTS: Final = struct.pack(">bhb", 15, 1, 12)  # the argument `messages`
_REPLY_BYTES_MAX: Final = 65_536
_SEQUENCES: Final = 1 << 31
_CATEGORY: Final = CATEGORY.encode()
_COUNT: Final = struct.Struct(">i")


class ScribeExporter:
    """Calls Log on a Zipkin (or weir) collector, many spans a call, over one connection.

    Finagle asks a new connection first whether it speaks another protocol and goes on when the
    answer is no; we do not ask. What was sent and not answered is sent again.
    Units: timeout_s bounds one attempt, from connecting to the answer.
    """

    def __init__(self, host: str, port: int = 9410, *, timeout_s: float = 5.0) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._sequence = 0

    def encode(self, records: Sequence[Record]) -> tuple[int, bytes]:
        """As many log entries."""
        spans = [span for one in records for span in spans_of(one)]
        return len(spans), b"".join(encode_entries(spans, _CATEGORY))

    def size(self, piece: tuple[int, bytes]) -> int:
        """Its bytes."""
        return len(piece[1])

    async def send(self, pieces: Sequence[tuple[int, bytes]]) -> None:
        """One call. Raises: ExportError, ExportRefusedError."""
        count = _COUNT.pack(sum(spans for spans, _ in pieces))
        body = _LIST_OF_STRUCTS + count + b"".join(entries for _, entries in pieces) + b"\0"
        self._sequence = (self._sequence + 1) % _SEQUENCES
        head = struct.pack(">Ii", _CALL, len(_LOG)) + _LOG + _COUNT.pack(self._sequence)
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._call(head + body)
            self._judge(ThriftReader(reply))
        except (OSError, EOFError, TimeoutError, ThriftError) as error:
            self._hang_up()
            problem = f"{self._host}:{self._port}: {type(error).__name__}: {error}"
            raise ExportError(problem) from error
        except asyncio.CancelledError:
            self._hang_up()  # an answer that nobody waits for would be taken for the next one's
            raise

    async def _call(self, payload: bytes) -> bytes:
        if self._streams is None or self._streams[0].at_eof():
            self._hang_up()
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(_COUNT.pack(len(payload)) + payload)
        await writer.drain()
        (size,) = _COUNT.unpack(await reader.readexactly(_COUNT.size))
        if not 0 <= size <= _REPLY_BYTES_MAX:
            raise ThriftError(f"a reply of {size} bytes")
        return await reader.readexactly(size)

    def _judge(self, reply: ThriftReader) -> None:
        kind = reply.i32() & 0xFF
        name, sequence = reply.text(), reply.i32()
        if sequence != self._sequence:
            raise ThriftError("the reply to another call")
        if kind == _EXCEPTION:
            raise ExportRefusedError(f"{self._host}:{self._port}: {name} was refused")
        code = -1
        if kind == _REPLY:
            for number, of in reply.fields():
                if (number, of) == (0, I32):
                    code = reply.i32()
                else:
                    reply.skip(of)
        if code == TRY_LATER:
            raise ExportError(f"{self._host}:{self._port}: try later")
        if code != OK:
            raise ThriftError(f"a reply without a result: kind {kind}, code {code}")

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def aclose(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            _, writer = self._streams
            self._streams = None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
