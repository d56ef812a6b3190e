"""The recorder's POSTs to servers that misbehave, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvloop

from tests.tracing.test_encode import record
from tracing.pipeline.forward.forwarder import UnreachableError
from tracing.pipeline.forward.zipkin import ZipkinExporter
from tracing.recorder import ExportError, ExportRefusedError, ZipkinHttpExporter
from tracing.recorder.http_post import BadUrlError, Poster

OK = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"


class Server:
    """Answers the requests of each connection with the next of the replies; b"" hangs up."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self.replies:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                reply = self.replies.pop(0)
                if not reply:
                    break
                writer.write(reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def answering(*replies: bytes) -> AsyncIterator[Server]:
    server = Server(*replies)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    server.url = f"http://{host}:{port}"
    async with listening:
        yield server


async def send(exporter: ZipkinHttpExporter) -> None:
    await exporter.send([exporter.encode([record()]), exporter.encode([record()])])


async def several_posts_share_a_connection() -> None:
    async with answering(OK, OK, OK) as server:
        exporter = ZipkinHttpExporter(server.url)
        for _ in range(3):
            await send(exporter)
        await exporter.aclose()
    assert (server.connections, len(server.requests)) == (1, 3)
    assert server.requests[0].startswith(b"POST /api/v2/spans HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b'[{"traceId"' in server.requests[0]


async def a_kept_connection_that_died_is_opened_anew() -> None:
    async with answering(OK, b"", OK) as server:
        exporter = ZipkinHttpExporter(server.url)
        await send(exporter)
        await send(exporter)
        await exporter.aclose()
    assert (server.connections, len(server.requests)) == (2, 3)


async def an_answer_that_closes_is_no_failure() -> None:
    closing = b"HTTP/1.0 202 Accepted\r\ncontent-length: 2\r\n\r\nok"
    async with answering(closing, OK) as server:
        exporter = ZipkinHttpExporter(server.url)
        await send(exporter)
        await send(exporter)
        await exporter.aclose()
    assert server.connections == 2


async def chunks_and_interim_answers_are_read() -> None:
    chunked = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Bad Request\r\n"
        b"transfer-encoding: chunked\r\n\r\n5\r\nwrong\r\n0\r\n\r\n"
    )
    async with answering(chunked) as server:
        exporter = ZipkinHttpExporter(server.url)
        with pytest.raises(ExportRefusedError, match="400 wrong"):
            await send(exporter)
        await exporter.aclose()


async def a_collector_in_trouble_says_when_to_come_again() -> None:
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\ncontent-length: 0\r\n\r\n"
    async with answering(busy) as server:
        exporter = ZipkinHttpExporter(server.url)
        with pytest.raises(ExportError) as raised:
            await send(exporter)
        await exporter.aclose()
    assert not isinstance(raised.value, ExportRefusedError)
    assert raised.value.retry_after_s == 7.0


async def silence_ends_in_time_and_is_not_taken_for_the_next_answer() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", OK) as server:
        exporter = ZipkinHttpExporter(server.url, timeout_s=1.0)
        with pytest.raises(ExportError, match="TimeoutError"):
            await send(exporter)
        await send(exporter)
        await exporter.aclose()
    assert server.connections == 2


CONVERSATIONS: list[Callable[[], Awaitable[None]]] = [
    several_posts_share_a_connection,
    a_kept_connection_that_died_is_opened_anew,
    an_answer_that_closes_is_no_failure,
    chunks_and_interim_answers_are_read,
    a_collector_in_trouble_says_when_to_come_again,
    silence_ends_in_time_and_is_not_taken_for_the_next_answer,
]


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda one: one.__name__)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_of_a_collectors_answers(
    conversation: Callable[[], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(conversation())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        b"\x16\x03\x01\x00nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 4000000\r\n\r\n" + b"x" * 2_000_000,
    ],
    ids=["no http", "bad length", "another protocol", "without end"],
)
async def test_an_answer_that_is_none_is_a_failure(answer: bytes) -> None:
    async with answering(answer, OK) as server:
        exporter = ZipkinHttpExporter(server.url, timeout_s=1.0)
        with pytest.raises(ExportError) as raised:
            await send(exporter)
        assert not isinstance(raised.value, ExportRefusedError)
        await send(exporter)
        await exporter.aclose()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9411",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://x/\r\nl5d: 1",
        "",
        "http://a..b",
    ],
)
def test_what_is_no_url_is_refused_at_once(url: str) -> None:
    with pytest.raises(BadUrlError):
        Poster(url, {})


async def test_credentials_in_the_url_go_as_basic_ones() -> None:
    async with answering(OK) as server:
        exporter = ZipkinHttpExporter(server.url.replace("//", "//joe:p%40ss@"))
        await send(exporter)
        await exporter.aclose()
    assert b"\r\nauthorization: Basic am9lOnBAc3M=\r\n" in server.requests[0]
    assert b"joe" not in server.requests[0].partition(b"\r\n")[0]


async def test_credentials_in_the_url_are_told_nobody() -> None:
    url = "http://joe:p%40ss@127.0.0.1:1"
    exporter, forwarding = ZipkinHttpExporter(url), ZipkinExporter(url)
    for sent in (exporter.send([b"{}"]), forwarding.send(b"[]")):
        with pytest.raises((ExportError, UnreachableError)) as raised:
            await sent
        assert str(raised.value).startswith("http://127.0.0.1:1/api/v2/spans: ConnectionRefused")
    for wrong in ("http://joe:p%40ss@h:99999", "http://joe:p%40ss@a..b"):
        with pytest.raises(BadUrlError) as refused:
            Poster(wrong, {})
        assert "joe" not in str(refused.value)
