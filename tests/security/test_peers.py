"""The same bytes to the real nginx and HAProxy; and the same requests at both ends of a chain.

The second is what request smuggling lives of: two servers in a row that disagree where a request
ends. weir stands first, because it is what the public meets.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from proxy.settings import ListenerSettings, PoolSettings
from tests.kits.one_way import engine
from tests.kits.peers import haproxy, needs_haproxy, needs_nginx, nginx
from tests.kits.recorder import recording
from tests.security.cases import CASES
from tests.security.differs import DIFFERS, STRICTER
from tests.security.streams import a_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.kits.conversation import Seen
    from tests.security.cases import Case

STATUS = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d) ")
PEERS = [
    pytest.param("nginx", marks=[pytest.mark.peer, needs_nginx]),
    pytest.param("haproxy", marks=[pytest.mark.peer, needs_haproxy]),
]
START = {"nginx": nginx, "haproxy": haproxy}
VERSION = {"nginx": "nginx/1.22.", "haproxy": "version 2.6."}
AT_ONCE = 25


def version(name: str) -> str:
    done = subprocess.run([name, "-v"], capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


async def taken(port: int, case: Case) -> tuple[bool, ...]:
    """Send it and stay: for each answer, whether the request was taken.

    As many answers as we give may take their time; whether there are more is soon known.
    """
    answer = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError, TimeoutError):
        writer.write(case.sent)
        while True:
            whole = len(STATUS.findall(answer)) >= len(case.statuses)
            async with asyncio.timeout(1.0 if whole else 10.0):
                more = await reader.read(65_536)
            if not more:
                break
            answer += more
    writer.close()
    return tuple(int(status) < 400 for status in STATUS.findall(answer))


@pytest.mark.parametrize("peer", PEERS)
async def test_a_peer_differs_only_where_we_know_it(peer: str, folder: Path) -> None:
    if VERSION[peer] not in version(peer):
        pytest.skip(f"the table is about {VERSION[peer]}x: install that, or add what differs now")
    gate = asyncio.Semaphore(AT_ONCE)
    async with recording() as behind:
        with START[peer](folder, behind.port) as port:

            async def ask(case: Case) -> tuple[bool, ...]:
                async with gate:
                    return await taken(port, case)

            found = await asyncio.gather(*map(ask, CASES))
    ours = [tuple(status < 400 for status in case.statuses) for case in CASES]
    differing = {case.name for case, a, b in zip(CASES, ours, found, strict=True) if a != b}
    assert differing == {name for names in DIFFERS[peer].values() for name in names}


@pytest.mark.parametrize("peer", DIFFERS)
def test_each_difference_is_a_case_and_stands_once(peer: str) -> None:
    names = [name for names in DIFFERS[peer].values() for name in names]
    assert len(set(names)) == len(names)
    cases = {case.name: case for case in CASES}
    for reason, group in DIFFERS[peer].items():
        for name in group:
            refused = cases[name].statuses[0] >= 400
            assert refused is (reason != STRICTER), name


# ---- one chain, two ends


@contextlib.asynccontextmanager
async def chain(kind: str, port: int, folder: Path) -> AsyncIterator[int]:
    """What stands between the first weir and the port."""
    if kind == "h11":
        yield port
    elif kind in LINKS:
        settings = ListenerSettings(links=LINKS[kind])
        async with engine(port, settings=settings) as (_, second, _l):
            yield second
    else:
        with START[kind](folder, port) as second:
            yield second


def boundaries(seen: list[Seen]) -> list[tuple[bytes, bytes, bytes]]:
    """What two servers have to agree on."""
    return [(one.method, one.target, one.body) for one in seen]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where nginx's worker, which gives up root, may look."""
    tmp_path.chmod(0o755)
    return tmp_path


LINKS = {"weir": False, "weir, by a link": True}
CHAINS = ["h11", *LINKS, *PEERS]
STREAMS = 150


@pytest.mark.parametrize("kind", CHAINS)
async def test_both_ends_of_a_chain_see_the_same_requests(kind: str, folder: Path) -> None:
    """First as weir's own upstream reads it, then behind the next server in the row."""
    dice = random.Random(7)
    inputs = [case.sent for case in CASES] + [a_stream(dice) for _ in range(STREAMS)]
    async with recording() as near, recording() as far:
        async with (
            chain(kind, far.port, folder) as second,
            engine(near.port) as (_, alone, _l1),
            engine(second, pool=PoolSettings(links=LINKS.get(kind, False))) as (_, chained, _l2),
        ):
            seen = 0
            for raw in inputs:
                near.seen.clear()
                far.seen.clear()
                plain = await settled(alone, raw)
                through = await settled(chained, raw)
                expected, found = boundaries(near.seen), boundaries(far.seen)
                seen += len(found)
                if plain == through:
                    assert found == expected, raw
                else:  # the next server took fewer, and said so
                    assert kind in START, raw
                    assert len(through) <= len(plain), raw
                    assert is_part(found, expected), raw
                assert b"/bait" not in [target for _, target, _ in found]
        assert not near.broken
        assert not far.broken
    assert seen > STREAMS  # else nothing is shown


def is_part(some: list[tuple[bytes, bytes, bytes]], of: list[tuple[bytes, bytes, bytes]]) -> bool:
    """Whether these are among those, in their order."""
    rest = iter(of)
    return all(one in rest for one in some)


async def settled(port: int, raw: bytes) -> tuple[bool, ...]:
    """Send it, say that no more comes, and read to the end."""
    answer = b""
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):
            writer.write(raw)
            writer.write_eof()
            while more := await reader.read(65_536):
                answer += more
        writer.close()
    return tuple(int(status) < 400 for status in STATUS.findall(answer))
