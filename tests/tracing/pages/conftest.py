"""A collector with a small shop's traffic, and a browser to look at it."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest
from playwright.async_api import Page

from tests.kits.browser import tab
from tests.kits.collecting import collecting
from tests.tracing.pages_data import traffic
from tracing.pipeline.collector import Collector
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.memory import MemoryStore
from tracing.pipeline.store.port import SpanStore

KEYS = ("http.method",)


@pytest.fixture
def lens() -> dict[str, bytes] | None:
    """The files of Zipkin's own page, where a test serves it."""
    return None


@pytest.fixture
async def store() -> SpanStore:
    return MemoryStore(keys=KEYS)


@pytest.fixture
async def collector(store: SpanStore, lens: dict[str, bytes] | None) -> AsyncIterator[Collector]:
    async with collecting(store, Settings(autocomplete_keys=KEYS), lens) as started:
        yield started


@pytest.fixture
async def ids(collector: Collector) -> list[str]:
    """The ids of some stored traces, newest first."""
    traces = list(traffic(time.time_ns() // 1000))
    await stored(collector, [span for trace in traces for span in trace])
    return [str(trace[0]["traceId"]) for trace in traces]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with tab() as opened:
        yield opened


async def stored(collector: Collector, spans: list[dict[str, object]]) -> None:
    """Send spans, and wait until they are kept."""
    async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
        for start in range(0, len(spans), 2_000):
            answer = await client.post(
                collector.url + "/api/v2/spans", json=spans[start : start + 2_000]
            )
            assert answer.status_code == 202
