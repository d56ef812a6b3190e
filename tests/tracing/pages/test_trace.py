"""The page of one trace, and of why it went its way, in a real browser."""

import httpx
from playwright.async_api import Page

from tests.kits.browser import MARKS
from tests.tracing.pages.conftest import stored
from tracing.pipeline.collector import Collector

pytestmark = MARKS


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
    parent = page.locator(".row[open] .detail tr", has_text="parent").get_by_role("link")
    span_id = await parent.inner_text()
    await parent.click()
    await page.wait_for_url(f"**?span={span_id}#{span_id}")
    assert span_id in await page.locator(".row[open]").get_attribute("id")  # type: ignore[operator]


async def test_a_route_leads_to_the_traces_that_took_it(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    await page.locator(".row summary").first.click()
    await page.get_by_role("link", name="/#/io.l5d.fs/edge").click()
    await page.wait_for_url("**annotationQuery=client**")
    assert await page.locator(".hit").count() == 20


async def test_a_way_is_explained_from_its_span_and_searched_by_its_route(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    await page.locator(".row summary").first.click()
    await page.get_by_role("link", name="explain").first.click()
    await page.wait_for_url("**/why#*")
    told = page.locator(".story li", has_text="edge").first
    assert "/#/io.l5d.fs/edge" in await told.get_by_role("row", name="bound to").inner_text()
    await page.goto(collector.url + "/traces?route=/svc/prices&error=1")
    assert await page.locator(".hit").count() == 4
    await page.get_by_text("More:").click()
    await page.get_by_label("Order").select_option("longest")
    await page.get_by_role("button", name="Search").click()
    await page.wait_for_url("**sort=longest**")
    times = await page.locator(".share i").evaluate_all(
        "all => all.map((i) => +i.style.width.slice(0, -1))"
    )
    assert times == sorted(times, reverse=True)


async def test_what_is_missing_of_a_trace_is_said_and_shown(
    collector: Collector, ids: list[str], page: Page
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        trace = (await client.get(f"{collector.url}/api/v2/trace/{ids[0]}")).json()
    called = next(span for span in trace if span["localEndpoint"]["serviceName"] == "users")
    await stored(collector, [span | {"traceId": "cc"} for span in trace if span is not called])
    await page.goto(collector.url + "/traces/cc")
    await page.get_by_text("1 span that others name as their parent is missing").wait_for()
    await page.get_by_role("link", name="Show where").click()
    await page.wait_for_url("**?orphans=1")
    assert "postgres" not in await page.locator(".row").inner_text()
    await page.locator(".row summary").click()
    assert f"{called['id']}, missing" in await page.locator(".row[open]").inner_text()


async def test_who_steered_a_request_is_said_first_and_leads_to_others_of_theirs(
    collector: Collector, ids: list[str], page: Page
) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        trace = (await client.get(f"{collector.url}/api/v2/trace/{ids[0]}")).json()
    trace[0]["tags"] |= {"edge.grant": "g-2b1f", "dtab.local": "/svc/cart=>/svc/cart-v2"}
    await stored(collector, [span | {"traceId": "cc"} for span in trace])
    await page.goto(collector.url + "/traces/cc")
    told = await page.locator(".steering").inner_text()
    assert told.split() == [
        "steered",
        "edge.grant",
        "g-2b1f",
        "dtab.local",
        trace[0]["tags"]["dtab.local"],
    ]
    await page.locator(".steering").get_by_role("link", name="g-2b1f").click()
    await page.wait_for_url("**annotationQuery=edge.grant**")
    assert await page.locator(".hit").count() == 1
    assert await page.locator(".hit .steered").inner_text() == "override"
    await page.goto(f"{collector.url}/traces/{ids[0]}")
    assert await page.locator(".steering").count() == 0
    await page.locator(".row summary").first.click()
    await page.locator(".row[open]").get_by_role("link", name="/edge/42").click()
    await page.wait_for_url("**annotationQuery=http.path**")
    assert await page.locator(".hit").count() == 20
