"""The pages, and Zipkin's own page on our API, in a real browser."""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page

from tests.kits.browser import MARKS, tab
from tests.tracing.pages_data import deep, traffic
from tracing.pipeline.collector import Collector, bind
from tracing.pipeline.settings import Settings
from tracing.pipeline.store.sqlite import SqliteStore
from tracing.ui.lens import LensError, read_lens

# Where `mvn dependency:get -Dartifact=io.zipkin:zipkin-lens:3.4.3` puts it, or WEIR_LENS says.
LENS = Path(
    os.environ.get("WEIR_LENS")
    or Path.home() / ".m2/repository/io/zipkin/zipkin-lens/3.4.3/zipkin-lens-3.4.3.jar"
)

HAS_LENS = LENS.exists()

pytestmark = MARKS


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    store = SqliteStore(":memory:", keys=["http.method"])
    settings = Settings(autocomplete_keys=("http.method",))
    lens = read_lens(LENS) if HAS_LENS else None
    started = Collector(store, settings, bind("127.0.0.1", 0), lens=lens)
    await started.start()
    yield started
    await started.aclose()


@pytest.fixture
async def ids(collector: Collector) -> list[str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        traces = list(traffic(time.time_ns() // 1000))
        for trace in traces:
            await client.post(collector.url + "/api/v2/spans", json=trace)
    return [str(trace[0]["traceId"]) for trace in traces]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with tab() as opened:
        yield opened


async def test_a_search_narrows_to_what_was_asked(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/traces")
    assert await page.locator(".hit").count() == 20
    await page.keyboard.press("/")
    await page.keyboard.type("error and http.status_code=503")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**annotationQuery=error**")
    assert await page.locator(".hit").count() == 4
    assert await page.locator(".hit.error").count() == 4
    assert len(ids) == 40


async def test_a_trace_is_walked_with_the_keyboard_alone(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/traces")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/traces/{ids[0]}")
    assert await page.locator(".row").count() == 12
    for key in ("j", "j", "k", "j", "Enter"):
        await page.keyboard.press(key)
    opened = page.locator(".row[open]")
    assert await opened.count() == 1
    text = await opened.inner_text()
    assert "edge" in text
    assert await page.locator(".row .path").count() > 0


async def test_a_link_to_a_parent_opens_it(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    await page.locator(".row summary").nth(2).click()
    await page.locator(".row[open] .detail a[href^='#']").click()
    await page.wait_for_function("document.querySelectorAll('.row[open]').length === 2")


async def test_a_route_leads_to_the_traces_that_took_it(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    await page.locator(".row summary").first.click()
    await page.get_by_role("link", name="/#/io.l5d.fs/edge").click()
    await page.wait_for_url("**annotationQuery=client**")
    assert await page.locator(".hit").count() == 20


async def test_calls_are_drawn_and_lead_to_their_traces(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/graph")
    assert await page.locator(".box").count() == 7
    assert await page.locator(".arrow.error").count() == 3
    await page.get_by_role("link", name="postgres").last.click()
    await page.wait_for_url("**remoteServiceName=postgres**")
    assert await page.locator(".hit").count() == -(-len(ids) // 3)


async def test_two_traces_are_compared_step_by_step(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    await page.get_by_placeholder("compare with trace id").fill(ids[1])
    await page.get_by_role("button", name="Compare").click()
    await page.wait_for_url("**/compare**")
    assert await page.locator("tr.alone").count() == 2


async def test_ten_thousand_spans_deep_is_shown_within_a_second(collector: Collector) -> None:
    spans = deep(time.time_ns() // 1000, 5_000)
    async with httpx.AsyncClient(trust_env=False) as client:
        for start in range(0, len(spans), 2_000):
            await client.post(collector.url + "/api/v2/spans", json=spans[start : start + 2_000])
        began = time.monotonic()
        answer = await client.get(f"{collector.url}/traces/{spans[0]['traceId']}")
        took_s = time.monotonic() - began
    assert "of 10000" in answer.text
    # Half a second here; a loaded machine gets some more.
    assert took_s < 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_both_colour_schemes_keep_text_readable(
    collector: Collector, ids: list[str], page: Page, scheme: str
) -> None:
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.goto(f"{collector.url}/traces/{ids[4]}")
    ratio = await page.evaluate(
        """() => {
          const light = (text) => {
            const [r, g, b] = text.match(/[\\d.]+/g).map((x) => +x / 255)
              .map((x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const colour = (node, part) => light(getComputedStyle(node)[part]);
          const ground = colour(document.querySelector('.waterfall'), 'backgroundColor');
          const texts = [...document.querySelectorAll('.who b, .who span, .took')];
          return Math.min(...texts.map((node) => {
            const ink = colour(node, 'color');
            return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
          }));
        }"""
    )
    assert ratio >= 4.5  # WCAG 2.2, 1.4.3


def test_a_jar_without_lens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LensError):
        read_lens(tmp_path)
    (tmp_path / "x.jar").write_bytes(b"no jar")
    with pytest.raises(LensError):
        read_lens(tmp_path / "x.jar")


needs_lens = pytest.mark.skipif(not HAS_LENS, reason=f"no Zipkin Lens at {LENS}")


@needs_lens
async def test_zipkins_own_page_searches_our_store(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/zipkin/?lookback=15m&limit=50")
    await page.get_by_role("button", name="Run Query").click()
    await page.get_by_text("internet: get /cart").nth(len(ids) - 1).wait_for()


@needs_lens
async def test_zipkins_own_page_shows_our_trace(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/zipkin/traces/{ids[4]}")
    await page.get_by_text("get /price/{item}").first.wait_for()
    assert await page.get_by_text("postgres").count() == 0


@needs_lens
async def test_zipkins_own_page_draws_our_dependencies(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/zipkin/dependency")
    async with page.expect_response("**/api/v2/dependencies**") as asked:
        await page.get_by_role("button", name="Run Query").click()
    answer = await asked.value
    assert {"parent": "users", "child": "postgres", "callCount": 14} in await answer.json()
    await page.locator("canvas").first.wait_for()
    assert ids
