"""Both ends of a Linkerd vector: the backends that answer by script, and the reader of answers."""

import asyncio
import base64
import gzip
import http
import socket
import struct
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

Behaviour = dict[str, Any]

ANSWER_WITHIN_S: Final = 8.0
_READ_LIMIT: Final = 4_194_304  # the longest body of a vector, with room


@dataclass(frozen=True, slots=True)
class Message:
    """A head and a body as read. Header names in lower case, values in their order."""

    first: str
    headers: dict[str, list[str]]
    body: bytes
    framing: str
    trailers: list[str] = field(default_factory=list)
    incomplete: bool = False

    @property
    def words(self) -> list[str]:
        """The first line's three parts."""
        return [*self.first.split(" ", 2), "", ""][:3]


def read_head(raw: bytes) -> tuple[str, dict[str, list[str]]]:
    """First line and headers of a head with its blank line."""
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    headers: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()].append(value.strip(" \t"))
    return first, dict(headers)


async def _read_chunked(reader: asyncio.StreamReader) -> tuple[bytes, list[str]]:
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    trailers = []
    while (line := await reader.readline()) not in (b"\r\n", b""):
        trailers.append(line.rstrip(b"\r\n").decode("latin-1"))
    return body, trailers


async def read_request(reader: asyncio.StreamReader) -> Message:
    """One request. Raises: IncompleteReadError when there is none."""
    first, headers = read_head(await reader.readuntil(b"\r\n\r\n"))
    if "transfer-encoding" in headers:
        body, trailers = await _read_chunked(reader)
        return Message(first, headers, body, "chunked", trailers)
    length = int(headers.get("content-length", ["0"])[0])
    return Message(first, headers, await reader.readexactly(length), "length")


async def read_answer(reader: asyncio.StreamReader, method: str) -> Message | None:
    """One answer, 1xx heads too; None when the connection ended without one.

    Raises: TimeoutError.
    """
    async with asyncio.timeout(ANSWER_WITHIN_S):
        try:
            first, headers = read_head(await reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        status = first.split(" ")[1]
        bodyless = method == "HEAD" or status in ("204", "304") or status < "200"
        try:
            if bodyless:
                return Message(first, headers, b"", "none")
            if "transfer-encoding" in headers:
                body, trailers = await _read_chunked(reader)
                return Message(first, headers, body, "chunked", trailers)
            if "content-length" in headers:
                body = await reader.readexactly(int(headers["content-length"][0]))
                return Message(first, headers, body, "length")
            return Message(first, headers, await reader.read(), "close")
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            return Message(first, headers, b"", "cut", incomplete=True)


class Backend:
    """One scripted backend: keeps what it saw, answers by the case's script."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Message] = []
        self.script: list[Behaviour] = [{}]
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_READ_LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    def begin(self, script: list[Behaviour]) -> None:
        """Forget what was seen; answer the n-th request by the n-th behaviour."""
        self.seen = []
        self.script = script

    async def saw(self, count: int) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(ANSWER_WITHIN_S):
            while len(self.seen) < count:
                self._arrived.clear()
                await self._arrived.wait()

    async def aclose(self) -> None:
        """Stop."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                request = await read_request(reader)
                behaviour = self.script[min(len(self.seen), len(self.script) - 1)]
                self.seen.append(request)
                self._arrived.set()
                if not await self._answer(request, behaviour, writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        except asyncio.CancelledError:
            pass  # the test is over; the streams of 3.11 would tell of it as of an error
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(
        self, request: Message, behaviour: Behaviour, writer: asyncio.StreamWriter
    ) -> bool:
        """Write the answer; whether the connection goes on."""
        await asyncio.sleep(behaviour.get("delay_ms", 0) / 1_000)
        match behaviour.get("do"):
            case "close":
                return False
            case "reset":
                sock = writer.get_extra_info("socket")
                # No lingering: the close is a reset.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            case "raw":
                writer.write(base64.b64decode(behaviour["raw_b64"]))
                await writer.drain()
                return not behaviour.get("then_close", True)
            case _:
                pass  # an ordinary answer
        writer.write(self._rendered(request, behaviour))
        await writer.drain()
        # Without framing an answer ends with its connection, but for those that never have a body.
        return behaviour.get("framing") != "none" or behaviour.get("status") in (204, 304)

    def _rendered(self, request: Message, behaviour: Behaviour) -> bytes:
        status = behaviour.get("status", 200)
        reason = behaviour.get("reason", http.HTTPStatus(200).phrase)
        text = behaviour.get("body", f"hello from {self.name}\n")
        if "body_fill" in behaviour:
            count, letter = behaviour["body_fill"]
            text = letter * count
        body = text.encode("latin-1")
        default = [["Content-Type", "text/plain"], ["X-Backend", self.name]]
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in behaviour.get("headers", default)]
        framing = behaviour.get("framing", "length")
        if framing == "length":
            lines.append(f"Content-Length: {len(body)}")
        elif framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = _chunked(body, behaviour)
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head if request.words[0] == "HEAD" else head + body


def _chunked(body: bytes, behaviour: Behaviour) -> bytes:
    size = behaviour.get("chunk", 1_000)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    trailers = "".join(f"{name}: {value}\r\n" for name, value in behaviour.get("trailers") or ())
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailers.encode() + b"\r\n"


def unzipped(body: bytes) -> str:
    """A compressed body's text."""
    return gzip.decompress(body).decode()
