"""However the bytes are cut, the same comes of them; and whatever the bytes, nothing breaks."""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.kits.conversation import Conversation, Seen
from tests.security.cases import CASES
from tests.security.streams import a_stream, alike

PLENTY = settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
STREAMS = st.one_of(
    st.sampled_from([case.sent for case in CASES if len(case.sent) < 3_000]),
    st.builds(lambda seed: a_stream(random.Random(seed)), st.integers(0, 100_000)),
)
STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
CUTS = st.lists(st.integers(0, 3_000), max_size=12)


class Events(NamedTuple):
    """All that the world could notice of one conversation."""

    seen: list[Seen]
    answers: list[bytes]  # their statuses; a refusal's words may tell where the bytes were cut
    over: bool
    ends: list[tuple[int, int, int, type]]


def events(pieces: list[bytes]) -> Events:
    """Talk it through, in these pieces."""
    return noticed(Conversation().say(pieces))


def noticed(talk: Conversation) -> Events:
    """What came of it, once the client is gone."""
    talk.end()
    answers = STATUS.findall(bytes(talk.client.written))
    # How much of a body went up before the rest of it was refused is a matter of pieces.
    ends = [end for end in talk.way.ends if end[0]]
    return Events(talk.seen, answers, talk.client.closed or talk.client.ended, ends)


@PLENTY
@given(STREAMS, CUTS)
async def test_any_split_gives_the_same_events(raw: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    assert events([raw[a:b] for a, b in pairwise(edges)]) == events([raw])


@PLENTY
@given(STREAMS, CUTS)
async def test_routes_that_come_late_give_the_same_events(raw: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges)]
    talk = await Conversation().say_before_routes_are_known(pieces)
    assert noticed(talk) == events([raw])


@PLENTY
@given(st.integers(0, 1_000_000))
async def test_lines_that_come_again_mean_what_they_mean_alone(seed: int) -> None:
    """Each request in a read of its own, which may take the short way; and all of them in one."""
    requests = alike(random.Random(seed))
    assert events(requests) == events([b"".join(requests)])


@PLENTY
@given(st.lists(st.binary(max_size=300), max_size=8))
async def test_random_bytes_are_answered_and_reach_nobody(pieces: list[bytes]) -> None:
    found = events(pieces)
    assert found.seen == []
    assert not {int(status) for status in found.answers} & {100, 200}


@PLENTY
@given(STREAMS, st.data())
async def test_a_spoilt_byte_breaks_nothing(raw: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw) - 1))
    spoilt = raw[:at] + bytes([data.draw(st.integers(0, 255))]) + raw[at + 1 :]
    found = events([spoilt])
    assert found.answers.count(b"200") <= len(
        found.seen
    )  # nobody is greeted for a request that nobody has read
