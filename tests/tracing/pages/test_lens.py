"""Zipkin's own page on our API: what people do with it, in a real browser."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.kits.browser import MARKS
from tests.tracing.pages_data import traffic
from tracing.pipeline.collector import Collector
from tracing.ui.lens import LensError, read_lens

# Where `mvn dependency:get -Dartifact=io.zipkin:zipkin-lens:3.4.3` puts it, or WEIR_LENS says.
LENS = Path(
    os.environ.get("WEIR_LENS")
    or Path.home() / ".m2/repository/io/zipkin/zipkin-lens/3.4.3/zipkin-lens-3.4.3.jar"
)

needs_lens = pytest.mark.skipif(
    not LENS.exists(),
    reason=f"no {LENS}: mvn dependency:get -Dartifact=io.zipkin:zipkin-lens:3.4.3",
)

pytestmark = MARKS


@pytest.fixture
def lens() -> dict[str, bytes]:
    return read_lens(LENS)


def test_a_jar_without_lens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LensError):
        read_lens(tmp_path)
    (tmp_path / "x.jar").write_bytes(b"no jar")
    with pytest.raises(LensError):
        read_lens(tmp_path / "x.jar")
    with zipfile.ZipFile(tmp_path / "y.jar", "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr("zipkin-lens/index.html", "x" * 10_000)
    damaged = bytearray((tmp_path / "y.jar").read_bytes())
    damaged[60] ^= 0xFF
    (tmp_path / "y.jar").write_bytes(damaged)
    with pytest.raises(LensError, match=r"y\.jar"):
        read_lens(tmp_path / "y.jar")


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


@needs_lens
async def test_zipkins_own_page_is_used_as_people_use_it(
    collector: Collector, ids: list[str], page: Page
) -> None:
    # A search by criteria that the page offers: the services that our store knows.
    await page.goto(f"{collector.url}/zipkin/")
    await page.get_by_test_id("add-button").click()
    await page.get_by_text("serviceName", exact=True).last.click()
    await page.get_by_text("prices", exact=True).last.wait_for()
    async with page.expect_response("**/api/v2/spans?serviceName=cart") as names:
        await page.keyboard.type("cart")
        await page.keyboard.press("Enter")
    assert await (await names.value).json() == ["get", "get /price/{item}", "get /stock/{item}"]
    # It asks for the next criterion by itself.
    await page.get_by_text("tagQuery", exact=True).last.click()
    await page.keyboard.type("error and http.status_code=503")
    await page.keyboard.press("Enter")
    async with page.expect_response("**/api/v2/traces?**") as found:
        await page.get_by_role("button", name="Run Query").click()
    answer = await found.value
    assert "serviceName=cart" in answer.url
    failed = {trace[0]["traceId"] for trace in await answer.json()}
    assert failed == {ids[number] for number in (4, 13, 22, 31)}
    # Its rows lead to the trace, which shows a span's tags and its services.
    shown = page.locator("a[href*='/zipkin/traces/']")
    await shown.nth(3).wait_for()
    place = await shown.first.get_attribute("href")
    assert place is not None
    await page.goto(collector.url + place)
    await page.get_by_text("internet: get /cart").first.wait_for()
    for text in ("/#/io.l5d.fs/edge", "http.status_code", "503", "Client Start"):
        await page.get_by_text(text, exact=True).first.wait_for()
    await page.get_by_text("cart: get /stock/{item}").first.click()
    await page.get_by_text("/stock/42", exact=True).first.wait_for()
    # By the id of a trace, typed in.
    await page.get_by_role("textbox").first.fill(ids[0])
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/zipkin/traces/{ids[0]}")
    await page.get_by_text("postgres: select").first.wait_for()


@needs_lens
async def test_zipkins_own_page_completes_the_tags_that_we_name(
    collector: Collector, ids: list[str], page: Page
) -> None:
    await page.goto(f"{collector.url}/zipkin/")
    await page.get_by_test_id("add-button").click()
    async with page.expect_response("**/api/v2/autocompleteValues?key=http.method") as values:
        await page.get_by_text("http.method", exact=True).last.click()
    assert await (await values.value).json() == ["GET"]
    await page.get_by_text("GET", exact=True).last.click()
    async with page.expect_response("**/api/v2/traces?**") as found:
        await page.get_by_role("button", name="Run Query").click()
    answer = await found.value
    assert "annotationQuery=http.method%3DGET" in answer.url
    assert len(await answer.json()) == 10
    assert ids


@needs_lens
async def test_zipkins_own_page_shows_a_trace_from_a_file(collector: Collector, page: Page) -> None:
    [trace] = traffic(1_763_000_000_000_000, 1)
    body = json.dumps(trace).encode()
    await page.goto(f"{collector.url}/zipkin/")
    await page.locator("input[type=file]").set_input_files(
        {"name": "trace.json", "mimeType": "application/json", "buffer": body}
    )
    await page.wait_for_url(f"**/zipkin/traces/{trace[0]['traceId']}")
    await page.get_by_text("postgres: select").first.wait_for()
