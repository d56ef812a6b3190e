"""HTTP/2 without TLS, frame by frame."""

import asyncio
from collections.abc import Callable

import h2.config
import h2.connection
import h2.events


class Raw:
    """A connection whose frames the test writes itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self.h2.initiate_connection()
        self.events: list[h2.events.Event] = []
        self.over = False

    @classmethod
    async def open(cls, url: str) -> "Raw":
        host, port = url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def head(self, path: str, **more: str) -> int:
        stream = self.h2.get_next_available_stream_id()
        lines = {
            ":method": "POST",
            ":scheme": "http",
            ":authority": "test",
            ":path": path,
            "content-type": "application/grpc",
            **{name.replace("_", "-"): value for name, value in more.items()},
        }
        self.h2.send_headers(stream, list(lines.items()))
        return stream

    def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds() and not self.over:
                self.flush()
                data = await self._reader.read(65_536)
                if data:
                    self.events += self.h2.receive_data(data)
                else:
                    self.over = True

    def lines(self, stream: int) -> dict[str, str]:
        """Head and trailers of an answer."""
        return {
            str(name): str(value)
            for event in self.events
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived)
            and event.stream_id == stream
            for name, value in event.headers or ()
        }

    def body(self, stream: int) -> bytes:
        """What came of an answer's body."""
        return b"".join(
            event.data or b""
            for event in self.events
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream
        )

    def reset(self, stream: int) -> int | None:
        """The error with which a stream was reset."""
        for event in self.events:
            if isinstance(event, h2.events.StreamReset) and event.stream_id == stream:
                return int(event.error_code or 0)
        return None

    def close(self) -> None:
        self._writer.close()
