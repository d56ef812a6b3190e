"""The page of two traces, in a real browser."""

import time

from playwright.async_api import Page

from tests.kits.browser import MARKS
from tests.tracing.pages.conftest import stored
from tests.tracing.pages_data import wide
from tracing.pipeline.collector import Collector

pytestmark = MARKS


async def test_two_traces_are_compared_step_by_step(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    await page.get_by_placeholder("compare with trace id").fill(ids[1])
    await page.get_by_role("button", name="Compare").click()
    await page.wait_for_url("**/compare**")
    assert await page.locator("tr.alone").count() == 2
    await page.goto(collector.url + "/traces")
    compare = page.get_by_role("button", name="Compare two ticked")
    assert await compare.is_disabled()
    ticks = page.locator("input[name=t]")
    await ticks.nth(0).check()
    await ticks.nth(3).check()
    assert await ticks.nth(1).is_disabled()  # two are compared, no more
    await compare.click()
    await page.wait_for_url(f"**/compare?t={ids[0]}&t={ids[3]}")
    assert await page.locator("tr.alone").count() == 0


async def test_of_two_large_traces_what_changed_is_found_and_all_is_paged(
    collector: Collector, page: Page
) -> None:
    spans = wide(time.time_ns() // 1000, 1_500)
    await stored(collector, spans)
    other = [span | {"traceId": "ab"} for span in spans[:-1]]
    other[1_200] |= {"duration": 900_000}
    await stored(collector, other)
    await page.goto(collector.url + "/compare?a=aa&b=ab")
    await page.get_by_text("1 step only in A").wait_for()
    assert await page.locator("tbody tr").count() == 1_000
    await page.get_by_role("link", name="later steps").first.click()
    await page.wait_for_url("**from=1000")
    assert await page.locator("tbody tr").count() == 500
    await page.get_by_role("link", name="Show only what changed").click()
    await page.wait_for_url("**changed=1")
    assert await page.locator("tbody tr").count() == 2
    await page.get_by_role("link", name="Swap").click()
    await page.wait_for_url("**a=00000000000000ab**changed=1")
    await page.get_by_text("1 step only in B").wait_for()
    await page.goto(collector.url + "/compare?a=aa&b=aa&changed=1")
    await page.get_by_role("heading", name="Nothing changed").wait_for()
