from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.kits.dialling import Dial, Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tracing.pipeline.collector import Collector


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Connections to a port of a collector, which end with the test."""
    made: list[Peer] = []

    async def to(collector: Collector, port: str = "http", said: bytes = b"") -> Peer:
        made.append(await Peer.dial(collector, port, said))
        return made[-1]

    yield to
    for one in made:
        one.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await one.writer.wait_closed()
