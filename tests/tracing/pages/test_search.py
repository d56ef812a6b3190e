"""The page that finds traces, in a real browser."""

import asyncio

from playwright.async_api import Page

from tests.kits.browser import MARKS
from tracing.pipeline.collector import Collector

pytestmark = MARKS


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


async def test_a_search_goes_back_in_time_and_keeps_its_place(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/traces?limit=15")
    newest = await page.locator(".hit").first.get_attribute("href")
    await page.get_by_role("link", name="show older").click()
    await page.wait_for_url("**endTs=**")
    older = [await one.get_attribute("href") for one in await page.locator(".hit").all()]
    assert newest == f"/traces/{ids[0]}"
    assert older[0] in (f"/traces/{ids[14]}", f"/traces/{ids[15]}")
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**until=**")
    assert await page.locator(".hit").first.get_attribute("href") in older[:2]
    await page.get_by_role("link", name="back to now").click()
    await page.wait_for_function("!location.search.includes('until')")
    assert await page.locator(".hit").first.get_attribute("href") == newest
    await page.get_by_label("At most").fill("soon")
    await page.get_by_role("button", name="Search").click()
    await page.get_by_text("soon is no duration; try 20ms or 1.5s").wait_for()


async def test_where_nothing_is_found_the_page_says_what_to_do(
    collector: Collector, page: Page
) -> None:
    await page.goto(collector.url + "/traces")
    await page.get_by_role("heading", name="No spans yet").wait_for()
    command = await page.locator("dd code").last.inner_text()
    ran = await asyncio.create_subprocess_shell(command, stdout=asyncio.subprocess.DEVNULL)
    assert await ran.wait() == 0
    await page.get_by_role("link", name="Look again").click()
    await page.locator(".hit").wait_for()
    await page.goto(collector.url + "/traces?serviceName=nobody&lookback=300000")
    await page.get_by_role("link", name="leave out all conditions").click()
    await page.locator(".hit").wait_for()
    answer = await page.goto(collector.url + "/traces/abc")
    assert answer is not None
    assert answer.status == 404
