"""What holds for every page: text stays text, colours can be read, a phone shows it all."""

import time
from urllib.parse import quote

import pytest
from playwright.async_api import Page

from tests.kits.browser import MARKS, tab
from tests.tracing.pages.conftest import stored
from tests.tracing.pages_data import MARKUP, hostile
from tracing.pipeline.collector import Collector

pytestmark = MARKS


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


async def test_markup_stays_text_on_every_page(collector: Collector, page: Page) -> None:
    await stored(collector, hostile(time.time_ns() // 1000))
    quoted = quote(MARKUP, safe="")
    names = ("spanName", "remoteServiceName", "route", "annotationQuery", "until", "sort")
    for place in (
        "/traces",
        "/traces?limit=5&" + "&".join(f"{name}={quoted}" for name in names),
        f"/traces?minDuration={quoted}",
        f"/traces?serviceName={quoted}",
        "/traces/bb",
        f"/traces/bb?find={quoted}&focus=1&errors={quoted}&span={quoted}&from={quoted}",
        f"/traces/bb?find={quoted}",
        "/traces/" + quote(MARKUP.replace("/", "")),
        "/traces/bb/why",
        "/compare?a=bb&b=bb",
        f"/compare?a={quoted}&b=bb",
        "/graph?by=route",
        "/graph?by=service",
        f"/graph?by={quoted}",
        "/routes",
        f"/routes?service={quoted}",
    ):
        answer = await page.goto(collector.url + place)
        assert answer is not None
        assert answer.status in (200, 400), place
        # No element of a sender's: `tab` fails the test besides, should a script have run.
        assert await page.locator("img, main script, [onerror]").count() == 0, place
        for row in await page.locator("details").all():
            await row.evaluate("row => row.open = true")
    await page.goto(collector.url + "/traces/bb")
    assert MARKUP in await page.locator(".row summary").first.inner_text()


async def test_pages_fit_a_phone_and_copy_and_download(
    collector: Collector, ids: list[str]
) -> None:
    async with tab(width=360, height=740) as page:
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        for place in (
            "/traces",
            f"/traces/{ids[4]}",
            f"/traces/{ids[4]}/why",
            f"/compare?a={ids[4]}&b={ids[5]}",
            "/graph",
            "/routes",
            "/ledger",
        ):
            await page.goto(collector.url + place)
            for row in await page.locator("details").all():
                await row.evaluate("row => row.open = true")
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), place
        await page.goto(f"{collector.url}/traces/{ids[4]}")
        await page.get_by_role("button", name="Copy").first.click()
        await page.get_by_role("button", name="Copied").wait_for()
        assert await page.evaluate("navigator.clipboard.readText()") == ids[4]
        async with page.expect_download() as asked:
            await page.get_by_role("link", name="JSON").click()
        asked_for = await asked.value
        assert asked_for.suggested_filename == f"{ids[4]}.json"
        told = await page.evaluate("url => fetch(url).then((it) => it.json())", asked_for.url)
        assert {span["traceId"] for span in told} == {ids[4]}
