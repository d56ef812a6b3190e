"""The admin port's pages, in a real browser."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer
from typer.testing import CliRunner

from edge.admin.pages import recent
from tests.edge.test_ways import ask, edge
from tests.kits.browser import MARKS, tab
from weir.commands.explain import explain

if TYPE_CHECKING:
    from tests.kits.edge_process import RunningEdge

pytestmark = MARKS
__all__ = ["edge"]
explaining = typer.Typer()
explaining.command()(explain)


async def test_the_explain_page_is_filled_in_and_names_its_command(edge: RunningEdge) -> None:
    ask(edge, "www.hello.world")
    async with tab() as page:
        await page.goto(f"{edge.admin}/")
        assert "/reload" in await page.inner_text("pre")
        await page.get_by_role("link", name="explain", exact=True).click()
        await page.get_by_label("URL").fill("http://api.hello.world/v1/<b>")
        await page.get_by_label("Cookie").fill("c=letmein")
        await page.get_by_label("Headers").fill("l5d-dtab: /svc => /srv/two\nX-A: b")
        await page.get_by_role("button", name="Explain").click()
        told = await page.inner_text("pre >> nth=0")
        assert "rule employee applies" in told
        assert "override  /svc => /srv/two" in told
        assert await page.locator(".good").count() >= 2
        command = await page.inner_text("pre >> nth=1")
        assert command.startswith("weir explain 'http://api.hello.world/v1/<b>' -H 'l5d-dtab: ")
        words = [*shlex.split(command)[2:]]
        assert CliRunner().invoke(explaining, words).stdout.strip() == told.strip()
        await page.get_by_role("link", name="routes").click()
        assert "/svc/www.hello.world" in await page.inner_text("table")


async def test_the_pages_of_requests_and_routes_show_hostile_text_as_text(
    edge: RunningEdge,
) -> None:
    ask(edge, "www.hello.world", "/<script>alert(1)</script>")
    async with tab() as page:
        for name in ("recent", "routes"):
            await page.goto(f"{edge.admin}/{name}")
            assert await page.locator("script").count() == 0


def test_a_trace_is_a_link_where_it_is_kept() -> None:
    row = {"trace": "5f0c", "start_us": 1_795_280_703_848_230, "elapsed_us": 1_500}
    row |= {"http.uri": "/<b>", "edge.rule": "staff"}
    page = recent([row], "http://collector:9411/")
    assert "<a href='http://collector:9411/traces/5f0c'>5f0c</a>" in page
    assert "</a><td>17:05:03.848<td>1.5<td>/&lt;b&gt;<td>staff</table>" in page
    assert "weir explain --trace 5f0c" in recent([row], "scribe://collector:9410")
