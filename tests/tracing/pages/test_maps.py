"""The pages of many traces, who calls whom and by which ways, in a real browser."""

import time

from playwright.async_api import Page

from tests.kits.browser import MARKS
from tests.tracing.pages.conftest import stored
from tracing.pipeline.collector import Collector

pytestmark = MARKS


async def test_calls_are_drawn_and_lead_to_their_traces(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(collector.url + "/graph?by=service")
    assert await page.locator(".box").count() == 7
    assert await page.locator(".arrow.error").count() == 3
    await page.get_by_role("link", name="postgres").last.click()
    await page.wait_for_url("**remoteServiceName=postgres**")
    assert await page.locator(".hit").count() == -(-len(ids) // 3)


async def test_routes_are_summed_drawn_and_lead_to_their_traces(
    collector: Collector, page: Page
) -> None:
    now_us = time.time_ns() // 1000
    spans = []
    for number in range(1, 11):
        version = "world-v2" if number > 8 else "world-v1"
        way = {"router.label": "out", "service": "/svc/world", "client": f"/#/fs/{version}"}
        more = {"error": "503"} if number == 10 else {}
        spans.append(
            {"traceId": f"{number:x}", "id": "1", "kind": "CLIENT", "timestamp": now_us + number}
            | {"duration": 1_000, "localEndpoint": {"serviceName": "x"}, "tags": way | more}
            | {"parentId": "2"}
        )
        spans.append(
            {"traceId": f"{number:x}", "id": "2", "kind": "SERVER", "timestamp": now_us + number}
            | {"duration": 1_000, "localEndpoint": {"serviceName": "x"}, "tags": way}
        )
    await stored(collector, spans)
    await page.goto(collector.url + "/routes")
    rows = [await row.inner_text() for row in await page.locator("tbody tr").all()]
    assert [row.split("\t")[2] for row in rows] == ["world-v1", "world-v2"]
    assert "80 %" in rows[0]
    assert "20 %" in rows[1]
    await page.get_by_role("link", name="compare").click()
    await page.get_by_text("client world-v1 world-v2").wait_for()
    await page.go_back()
    await page.get_by_role("link", name="world-v2").click()
    await page.wait_for_url("**annotationQuery=**")
    assert await page.locator(".hit").count() == 2
    await page.goto(collector.url + "/graph")
    assert await page.locator(".box").count() == 3
    assert await page.locator(".arrow.error").count() == 1
    assert await page.locator(".calls").all_text_contents() == ["8 · 80 %", "2 · 20 %"]
    await page.locator("td").get_by_role("link", name="world-v2").click()
    await page.wait_for_url("**client=**")
    assert await page.get_by_label("Bound to").input_value() == "/#/fs/world-v2"
    assert await page.locator(".hit").count() == 2


async def test_more_calls_than_a_page_holds_come_in_parts(collector: Collector, page: Page) -> None:
    now_us = time.time_ns() // 1000
    span = {"id": "1", "kind": "CLIENT", "timestamp": now_us, "duration": 5}
    spans = [
        span
        | {"traceId": f"{number:x}"}
        | {"localEndpoint": {"serviceName": f"a{number}"}}
        | {"remoteEndpoint": {"serviceName": "b"}}
        for number in range(1, 1_202)
    ]
    await stored(collector, spans)
    await page.goto(collector.url + "/graph?by=service")
    assert await page.locator("tbody tr").count() == 1_000
    await page.get_by_role("link", name="later calls").first.click()
    await page.wait_for_url("**by=service&from=1000")
    assert await page.locator("tbody tr").count() == 201
