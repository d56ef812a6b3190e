"""The page that finds traces, in a real browser."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from playwright.async_api import Page

from tests.kits.browser import MARKS, tab
from tests.tracing.pages.conftest import stored
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
    assert older[0] == f"/traces/{ids[14]}"  # again, so that none of its moment is left out
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**until=**")
    assert await page.locator(".hit").first.get_attribute("href") == older[0]
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


async def test_what_people_search_by_is_offered_as_they_type(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/traces?serviceName=cart")

    async def offered(label: str) -> list[str]:
        values: list[str] = await page.get_by_label(label, exact=True).evaluate(
            "field => [...field.list.options].map((option) => option.value)"
        )
        return values

    assert await offered("Service") == [
        "cart",
        "edge",
        "internet",
        "postgres",
        "prices",
        "stock",
        "users",
    ]
    assert await offered("Span") == ["get", "get /price/{item}", "get /stock/{item}"]
    assert await offered("Remote service") == ["prices", "stock"]
    assert "/svc/stock" in await offered("Route")
    assert "/#/io.l5d.fs/stock" in await offered("Bound to")
    assert "http.status_code=503" in await offered("Tags and annotations")
    await page.get_by_label("Bound to").fill("/#/io.l5d.fs/postgres")
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**client=**")
    assert await page.locator(".hit").count() == 0  # cart calls no database
    await page.get_by_label("Service", exact=True).fill("")
    await page.get_by_role("button", name="Search").click()
    await page.locator(".hit").nth(13).wait_for()
    assert await page.locator(".hit").count() == -(-len(ids) // 3)


async def test_a_window_is_picked_from_and_until_without_a_script(
    collector: Collector, ids: list[str]
) -> None:
    async with tab(scripts=False) as page:
        await page.goto(collector.url + "/traces?limit=100")
        times = [
            datetime.fromisoformat(one) for one in await page.locator("time").all_inner_texts()
        ]
        # They are 7 s apart, and the picker knows whole seconds.
        first, last = times[30], times[10] - timedelta(seconds=1)
        await page.get_by_label("From (UTC)").fill(f"{first:%Y-%m-%dT%H:%M:%S}")
        await page.get_by_label("Until (UTC)").fill(f"{last:%Y-%m-%dT%H:%M:%S}")
        await page.get_by_role("button", name="Search").click()
        await page.wait_for_url("**since=**")
        found = [await one.get_attribute("href") for one in await page.locator(".hit").all()]
        assert found == [f"/traces/{one}" for one in ids[11:31]]
        await page.get_by_label("From (UTC)").fill(f"{last:%Y-%m-%dT%H:%M:%S}")
        await page.get_by_role("button", name="Search").click()
        await page.get_by_text("is not before the end of the window").wait_for()


async def test_a_trace_is_opened_by_its_id_however_it_is_written(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/traces?id=+" + ids[0].upper())
    await page.wait_for_url(f"**/traces/{ids[0].upper()}")
    assert ids[0] in await page.locator(".facts code").first.inner_text()
    answer = await page.goto(collector.url + "/traces/of-yesterday")
    assert answer is not None
    assert answer.status == 400
    await page.get_by_text("of-yesterday is no trace's id: that is 1 to 32 hex digits").wait_for()


async def test_where_a_window_held_nothing_a_longer_one_is_offered(
    collector: Collector, page: Page
) -> None:
    now = datetime.fromtimestamp(time.time_ns() / 1e9, UTC)
    at_us = int((now - timedelta(minutes=30)).timestamp() * 1e6)
    # Of no service, as a sender may be: there are spans all the same.
    await stored(collector, [{"traceId": "1", "id": "1", "timestamp": at_us, "name": "old"}])
    await page.goto(f"{collector.url}/traces?since={now - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}")
    await page.get_by_role("link", name="search the last day").click()
    await page.locator(".hit").wait_for()
    assert "since" not in page.url
