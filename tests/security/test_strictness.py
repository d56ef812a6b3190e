"""Hostile bytes against the engine with the edge's limits: the right answer, nothing behind us."""

from __future__ import annotations

import asyncio
import re

import pytest

from proxy.settings import ListenerSettings
from tests.kits.conversation import Conversation, Reader
from tests.kits.linked import connected_by_link
from tests.kits.one_way import engine
from tests.kits.sockets import Client, ScriptedUpstream, connected, upstream, whole_request
from tests.security.cases import CASES, Case
from wire.limits import EDGE_LIMITS

# The long ones are about bounds, and would take their time.
PACED = [case for case in CASES if case.paced and len(case.sent) < 1_500]
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


def test_there_are_cases_enough_and_each_has_a_name() -> None:
    assert len(CASES) >= 120
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_answer_is_right_and_nothing_slips_through(case: Case) -> None:
    async with upstream(whole_request()) as behind, engine(behind.port) as (_, port, _l):
        answer = await _answers(port, case)
    assert tuple(int(status) for status in STATUS.findall(answer)) == case.statuses
    whole, begun = reached(behind)
    assert whole == taken(case)
    assert not begun  # of a refused request, not one byte
    assert case.never not in behind.seen
    assert case.always in behind.seen


def taken(case: Case) -> int:
    """How many requests are answered by the upstream."""
    return sum(status < 400 for status in case.statuses)


def reached(behind: ScriptedUpstream) -> tuple[int, bool]:
    """How many whole requests h11 finds in what came, and whether there is more than those."""
    readers = [(Reader(), bytes(one)) for one in behind.connections]
    return sum(len(reader.feed(got)) for reader, got in readers), any(
        reader.begun for reader, _ in readers
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_stream_of_a_link_is_as_strict_as_a_connection(case: Case) -> None:
    async with (
        upstream(whole_request()) as behind,
        engine(behind.port, settings=ListenerSettings(links=True)) as (_, port, _l),
        connected_by_link(port) as client,
    ):
        answer = await _converse(client, case)
        # Whatever one stream did, the link serves the others.
        async with asyncio.timeout(30), client.another() as other:
            _, body = await other.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert body == b"hello"
    assert tuple(int(status) for status in STATUS.findall(answer)) == case.statuses
    whole, begun = reached(behind)
    assert whole == taken(case) + 1  # and the other's
    assert not begun or case.begun
    assert case.never not in behind.seen
    assert case.always in behind.seen


@pytest.mark.parametrize("case", PACED, ids=lambda case: case.name)
async def test_one_byte_at_a_time_gives_the_same_answer(case: Case) -> None:
    async with upstream(whole_request()) as behind, engine(behind.port) as (_, port, _l):
        answer = await _answers(port, case, step=1)
    assert tuple(int(status) for status in STATUS.findall(answer)) == case.statuses
    whole, begun = reached(behind)
    assert whole == taken(case)
    # A chunked request goes up as it comes: its head may be there when its body proves bad.
    assert not begun or case.begun
    assert case.never not in behind.seen
    assert case.always in behind.seen


async def test_what_is_held_of_endless_heads_is_bounded() -> None:
    for endless in (b"GET /" + b"a" * 10_000_000, b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 1_000_000):
        talk = Conversation()
        held = 0
        for at in range(0, len(endless), 4_096):
            talk.say([endless[at : at + 4_096]])
            held = max(held, talk.held)
        assert held <= EDGE_LIMITS.head_bytes_max + 4_096
        assert STATUS.findall(bytes(talk.client.written)) in ([b"414"], [b"431"])
        assert talk.client.closed


async def _answers(port: int, case: Case, step: int = 0) -> bytes:
    async with connected(port) as client:
        return await _converse(client, case, step)


async def _converse(client: Client, case: Case, step: int = 0) -> bytes:
    """Send the case and read until the server closes, or until all that was wanted has come."""
    async with asyncio.timeout(30):
        pieces = [case.sent]
        if step:
            pieces = [case.sent[at : at + step] for at in range(0, len(case.sent), step)]
        answer = b""
        try:
            for piece in pieces:
                client.writer.write(piece)
                if step:
                    await asyncio.sleep(0)
            while len(STATUS.findall(answer)) < len(case.statuses) or case.statuses[-1] >= 400:
                more = await client.reader.read(65_536)
                if not more:
                    break
                answer += more
        except ConnectionError:
            pass  # a refusal may reset what we still send
        return answer
