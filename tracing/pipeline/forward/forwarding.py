"""The forwarders of one collector."""

import asyncio
import random
from collections.abc import Sequence

from tracing.pipeline.collector_config import ZipkinExportConfig
from tracing.pipeline.forward.forwarder import Forwarder
from tracing.pipeline.forward.zipkin import ZipkinExporter
from tracing.pipeline.store.port import SpanStore
from tracing.pipeline.store.sqlite import SqliteStore


class Forwarding:
    """One forwarder for each configured destination; a store in memory has none."""

    def __init__(self, store: SpanStore, configs: Sequence[ZipkinExportConfig]) -> None:
        self.forwarders = (
            _forwarders(store, configs) if configs and isinstance(store, SqliteStore) else []
        )
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Send from now on."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(one.run(), name=f"forward-{one.name}") for one in self.forwarders
        ]

    async def aclose(self) -> None:
        """Stop; what was not sent is sent by the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for one in self.forwarders:
            await one.aclose()


def _forwarders(store: SqliteStore, configs: Sequence[ZipkinExportConfig]) -> list[Forwarder]:
    dice = random.Random()
    return [
        Forwarder(one.name, store, ZipkinExporter(one.url, timeout_s=one.timeout_s), dice)
        for one in configs
    ]
