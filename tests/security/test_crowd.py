"""Ten thousand connections that say nothing more: what they cost, and what others feel of them."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from tests.kits.edge_process import running_edge
from tests.kits.sockets import upstream
from wire.repeat import LINES_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CROWD = 10_000
AT_ONCE = 100
# A connection, and what is made of the lines that it keeps (`wire/repeat.py`).
EACH_BYTES_MAX = 2_560 + 5 * LINES_BYTES_MAX
# As much as a connection may keep of a head, for one that says the same again.
LINES = b"\r\nHost: a.example\r\nCookie: "
REQUEST = b"GET / HTTP/1.1%b%b\r\n\r\n" % (LINES, b"c" * (LINES_BYTES_MAX - len(LINES)))


class Guest(asyncio.Protocol):
    """One of them."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.answered = asyncio.get_running_loop().create_future()
        self.here = True

    def data_received(self, data: bytes) -> None:
        assert data.startswith(b"HTTP/1.1 200 ")
        self.answered.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.here = False

    async def ask(self) -> None:
        """One request and its answer."""
        self.answered = asyncio.get_running_loop().create_future()
        self.transport.write(REQUEST)
        async with asyncio.timeout(20):
            await self.answered


async def guests(port: int, count: int) -> AsyncIterator[Guest]:
    """They come, ask once, and stay."""
    loop = asyncio.get_running_loop()
    for _ in range(count // AT_ONCE):
        made = await asyncio.gather(
            *(loop.create_connection(Guest, "127.0.0.1", port) for _ in range(AT_ONCE))
        )
        await asyncio.gather(*(guest.ask() for _, guest in made))
        for _, guest in made:
            yield guest


async def p99_s(guest: Guest, good_s: float = 0.0) -> float:
    """Of one client's requests, one after the other; the best of several, for others work here.

    Units: good_s is good enough to end with; twenty rounds without it are no accident.
    """
    best = float("inf")
    for rounds in range(20):
        if best <= good_s or (not good_s and rounds == 3):
            break
        taken = []
        for _ in range(500):
            before = time.perf_counter()
            await guest.ask()
            taken.append(time.perf_counter() - before)
        best = min(best, sorted(taken)[494])
    return best


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.slow
async def test_ten_thousand_idle_connections_cost_little_and_hold_up_nobody(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CROWD + 500:
        pytest.skip(f"{hard} files may be open here, of {CROWD + 500}: ulimit -Hn {CROWD + 500}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        async with upstream() as behind:
            config = (
                "listener: {ip: 127.0.0.1, port: 0}\nadmin: {port: 0}\n"
                f"hosts: [{{host: a.example, forward: '127.0.0.1:{behind.port}'}}]\n"
            )
            with running_edge(tmp_path, config) as edge:
                # What the first ones cost is paid once.
                early = [guest async for guest in guests(edge.port, AT_ONCE)]
                alone_s = await p99_s(early[0])
                before = resident(edge.process.pid)
                crowd = [guest async for guest in guests(edge.port, CROWD)]
                each = (resident(edge.process.pid) - before) / CROWD
                among_s = await p99_s(early[0], 3 * alone_s + 0.002)
                assert all(guest.here for guest in crowd)
                for guest in [*early, *crowd]:
                    guest.transport.abort()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert LINES_BYTES_MAX < each < EACH_BYTES_MAX
    assert among_s <= 3 * alone_s + 0.002
