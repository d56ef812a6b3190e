"""What an upstream may do to its client, and what it must not do to the next one."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from proxy.settings import ListenerSettings
from tests.kits.one_way import engine
from tests.kits.sockets import connected
from tests.security.answers import ANSWERS, EARLY, GET, Answer

STATUS = re.compile(rb"(?m)^HTTP/1\.[01] (\d{3}) ")
SETTINGS = ListenerSettings(linger_timeout_s=0.2)


class Player:
    """An upstream that plays the answer on its first connection, and is good from then on."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._first = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, self._first = self._first, False
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._answer.written if first else _good(b"new"))
            if first and self._answer.ends:
                writer.close()
                return
            # Behind half a body the next request's head would be read as the rest of it.
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_good(b"kept"))
            await reader.read()
        writer.close()


def _good(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def test_each_answer_has_a_name() -> None:
    assert len({answer.name for answer in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.name)
async def test_a_client_gets_what_is_right_and_the_next_one_his_own(answer: Answer) -> None:
    server = await asyncio.start_server(Player(answer).serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, engine(port, settings=SETTINGS) as (_, public, _l):
        got, cut = await _until_answered(public, answer)
        async with connected(public) as other:
            _, next_body = await other.ask(GET)
    assert tuple(int(status) for status in STATUS.findall(got)) == answer.statuses
    assert cut is answer.cut
    assert answer.never not in got
    if answer.body is not None:
        assert _body(got) == answer.body
    assert next_body == (b"kept" if answer.reused else b"new")


async def test_an_end_behind_a_hint_is_told() -> None:
    seen = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await seen.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, engine(port) as (_, public, _l), connected(public) as client:
        assert (await client.ask(GET, head=True))[0].startswith(b"HTTP/1.1 103 ")
        seen.set()
        assert (await client.answer())[0].startswith(b"HTTP/1.1 502 ")


async def test_an_answer_that_breaks_before_a_byte_of_it_was_passed_on_is_tried_again() -> None:
    broken = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX"
    server = await asyncio.start_server(
        Player(EARLY[0]._replace(written=broken)).serve, "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    async with server, engine(port) as (way, public, _l), connected(public) as client:
        way.retries = 1
        head, body = await client.ask(GET)
    assert body == b"new"
    assert b"chunked" not in head


async def _until_answered(port: int, answer: Answer) -> tuple[bytes, bool]:
    """All that the client gets, and whether it broke off."""
    async with asyncio.timeout(30), connected(port) as client:
        client.writer.write(answer.request)
        got = b""
        while not _whole(got, answer.request):
            with contextlib.suppress(ConnectionError):
                more = await client.reader.read(65_536)
                if more:
                    got += more
                    continue
            return got, True
        return got, False


def _whole(got: bytes, request: bytes) -> bool:
    """Whether a final answer is complete."""
    while got:
        head, found, rest = got.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 1"):
            bodyless = request.startswith(b"HEAD") or head[9:12] in {b"204", b"304"}
            return bodyless or _body(got) is not None
        got = rest
    return False


def _body(got: bytes) -> bytes | None:
    """The final answer's body; None while it is not whole."""
    head, _, rest = got.partition(b"\r\n\r\n")
    while head.startswith(b"HTTP/1.1 1"):
        head, _, rest = rest.partition(b"\r\n\r\n")
    if b"Transfer-Encoding: chunked" in head:
        body = b""
        while b"\r\n" in rest:
            size, _, rest = rest.partition(b"\r\n")
            if not int(size, 16):
                return body if rest.endswith(b"\r\n") else None
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return None
    found = re.search(rb"\r\n[Cc]ontent-[Ll]ength: (\d+)", head)
    return rest if found is not None and len(rest) >= int(found[1]) else None
