"""The page of two traces, in a real browser."""

from playwright.async_api import Page

from tests.kits.browser import MARKS
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
