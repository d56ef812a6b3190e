"""The load generator: requests at a rate over a fixed number of connections.

With a rate, a latency counts from the moment the request was due, not from when a connection got
round to it; else a stalled server would slow the generator down and hide its own stall.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import uvloop

from demo.duration import Nanos, seconds
from demo.load_connection import LoadConnection
from demo.tally import Tally
from demo.way import proxy_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

CONCURRENCY_MAX: Final = 10_000
RECONNECT_S: Final = 0.1
# RFC 9112, 3.2 and RFC 9110, 7.2: what may stand in a request line or a Host header.
VISIBLE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)


class PlanError(Exception):
    """The load cannot be made as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to send, where, how often, how long. Units: `rate` a second, 0 for no limit."""

    connect_host: str
    connect_port: int
    request: bytes
    rate: float
    concurrency: int
    duration_s: float
    timeout_s: float

    @classmethod
    def read(
        cls,
        *,
        url: str,
        host: str,
        rate: float,
        concurrency: int,
        duration: Nanos,
        timeout: Nanos,
        env: Mapping[str, str],
    ) -> Plan:
        """Check the flags and make the request; the environment may name a proxy.

        Raises: PlanError.
        """
        if not 1 <= concurrency <= CONCURRENCY_MAX:
            raise PlanError(f"-concurrency must be 1 to {CONCURRENCY_MAX}")
        if rate < 0 or duration <= 0 or timeout <= 0:
            raise PlanError("-rate, -duration and -timeout must be positive")
        try:
            parts = urlsplit(url)
            port = parts.port or 80
        except ValueError as error:
            raise PlanError(f"-url: {error}") from None
        if parts.scheme != "http" or not parts.hostname:
            raise PlanError("-url must begin with http:// and name a host")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connect_host, authority = parts.hostname, parts.netloc.rpartition("@")[2]
        if proxy := proxy_for(authority, env):
            target = f"http://{authority}{target}"
            through = urlsplit(proxy)
            connect_host, port = through.hostname or "", through.port or 80
        host = host or authority
        if not VISIBLE.fullmatch(target) or not VISIBLE.fullmatch(host):
            raise PlanError("-url and -host hold a blank or a character that is not ASCII")
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: weir-load\r\n\r\n"
        return cls(
            connect_host=connect_host,
            connect_port=port,
            request=request.encode(),
            rate=rate,
            concurrency=concurrency,
            duration_s=seconds(duration),
            timeout_s=seconds(timeout),
        )


def run(plan: Plan) -> Tally:
    """Send until the duration is over or SIGINT comes; then wait for what is under way."""
    return uvloop.run(_Load(plan).run())


class _Load:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._tally = Tally()
        self._slots = 0  # requests of the schedule that were begun
        self._start = 0.0
        self._over = asyncio.Event()

    async def run(self) -> Tally:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._over.set)
        self._start = time.perf_counter()
        loop.call_later(self._plan.duration_s, self._over.set)
        async with asyncio.TaskGroup() as group, self._live(group):
            workers = [group.create_task(self._work()) for _ in range(self._plan.concurrency)]
            await asyncio.wait(workers)
        self._tally.elapsed_s = time.perf_counter() - self._start
        return self._tally

    async def _work(self) -> None:
        """One connection after another, until the time is over."""
        connection: LoadConnection | None = None
        while (due := await self._due()) is not None:
            if connection is None or not connection.usable:
                connection = await self._connect()
                if connection is None:
                    await self._wait(RECONNECT_S)
                    continue
            outcome = await connection.get(self._plan.request, self._plan.timeout_s)
            if isinstance(outcome, str):
                self._tally.errors[outcome] += 1
                continue
            self._tally.status[outcome] += 1
            took = time.perf_counter() - due  # uvloop's own clock has whole milliseconds
            self._tally.latency.add(round(took * 1_000_000))
        if connection is not None:
            connection.close()

    async def _due(self) -> float | None:
        """Wait for the next request of the schedule; None once the time is over."""
        if self._over.is_set():
            return None
        if not self._plan.rate:
            return time.perf_counter()
        due = self._start + self._slots / self._plan.rate
        self._slots += 1
        if (early := due - time.perf_counter()) > 0:
            await self._wait(early)
        return None if self._over.is_set() else due

    async def _wait(self, delay_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), delay_s)

    async def _connect(self) -> LoadConnection | None:
        loop = asyncio.get_running_loop()
        plan = self._plan
        try:
            async with asyncio.timeout(plan.timeout_s):
                _, connection = await loop.create_connection(
                    LoadConnection, plan.connect_host, plan.connect_port
                )
        except TimeoutError:
            self._tally.errors["connect timeout"] += 1
        except ConnectionRefusedError:
            self._tally.errors["connection refused"] += 1
        except OSError:
            self._tally.errors["connect failed"] += 1
        else:
            return connection
        return None

    @contextlib.asynccontextmanager
    async def _live(self, group: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Show a line that changes, where someone watches."""
        if not sys.stderr.isatty():
            yield
            return
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for it
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:

            async def show() -> None:
                while True:
                    self._tally.elapsed_s = time.perf_counter() - self._start
                    live.update(
                        Text(self._tally.line(), overflow="ellipsis", no_wrap=True), refresh=True
                    )
                    await asyncio.sleep(0.25)

            shower = group.create_task(show())
            try:
                yield
            finally:
                shower.cancel()
