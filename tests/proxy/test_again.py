"""What comes again on a connection is answered as it would be alone."""

from __future__ import annotations

import re

import pytest

from tests.kits.conversation import Conversation
from tests.kits.one_way import engine
from tests.kits.sockets import GREETING, connected, upstream, whole_request
from tests.security.cases import CASES, Case

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
ORDINARY = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_case_is_judged_the_same_behind_requests_of_the_same_lines(case: Case) -> None:
    alone = Conversation().say([case.sent])
    behind = Conversation().say([ORDINARY % 1, ORDINARY % 2, case.sent])
    statuses = STATUS.findall(bytes(alone.client.written))
    assert STATUS.findall(bytes(behind.client.written)) == [b"200", b"200", *statuses]
    assert behind.seen[2:] == alone.seen
    assert behind.client.closed == alone.client.closed


async def test_the_same_lines_reach_the_upstream_with_each_target() -> None:
    async with upstream() as behind, engine(behind.port) as (way, port, _):
        async with connected(port) as client:
            for number in range(5):
                await client.ask(ORDINARY % number)
        assert behind.seen == b"".join(ORDINARY % number for number in range(5))
        assert len(way.ends) == 5


async def test_a_request_in_two_pieces_behind_a_whole_one_is_one_request() -> None:
    talk = Conversation()
    sent = ORDINARY % 7
    for cut in range(1, len(sent)):
        talk.say([sent, sent[:cut], sent[cut:]])
    assert len(talk.seen) == 2 * (len(sent) - 1)
    assert {one.target for one in talk.seen} == {b"/7"}


LONGER = GREETING.replace(b"hello", b"hello, and more")


@pytest.mark.parametrize(
    ("second", "body"),
    [
        (GREETING, b"hello"),
        (GREETING.replace(b"hello", b"other"), b"other"),
        (GREETING.replace(b"5", b"3").replace(b"hello", b"abc"), b"abc"),
        (GREETING.replace(b"200 OK", b"404 Not Found"), b"hello"),
        (LONGER, b"hello"),
    ],
)
async def test_an_answer_behind_one_with_the_same_head_is_its_own(
    second: bytes, body: bytes
) -> None:
    answers = iter([GREETING, second, GREETING])

    def on_bytes(data: bytes) -> bytes | None:
        return next(answers) if whole_request()(data) else None

    async with (
        upstream(on_bytes) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        assert (await client.ask(ORDINARY % 1))[1] == b"hello"
        assert (await client.ask(ORDINARY % 2))[1] == body
        # Bytes behind an answer belong to nobody: that connection carries nothing more.
        assert (await client.ask(ORDINARY % 3))[1] == b"hello"
        assert len(behind.connections) == (2 if second is LONGER else 1)


async def test_a_head_that_came_with_a_body_comes_without_one_for_head() -> None:
    def on_bytes(data: bytes) -> bytes | None:
        if not whole_request()(data):
            return None
        return GREETING.removesuffix(b"hello") if data.startswith(b"HEAD") else GREETING

    async with (
        upstream(on_bytes) as behind,
        engine(behind.port) as (_, port, _l),
        connected(port) as client,
    ):
        assert (await client.ask(ORDINARY % 1))[1] == b"hello"
        client.writer.write((ORDINARY % 2).replace(b"GET", b"HEAD"))
        head = await client.reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: 5" in head
        assert (await client.ask(ORDINARY % 3))[1] == b"hello"
        assert len(behind.connections) == 1


async def test_the_same_head_in_pieces_is_read_in_pieces() -> None:
    talk = Conversation()
    talk.say([ORDINARY % 1])
    (behind,) = talk.behind
    talk._down.data_received(ORDINARY % 2)
    before = len(talk.client.written)
    for at in range(len(GREETING)):
        behind.upstream.data_received(GREETING[at : at + 1])
    assert bytes(talk.client.written[before:]).endswith(b"hello")
