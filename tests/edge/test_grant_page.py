"""A grant's link, opened in a real browser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.edge.grants_kit import tokens, write_key
from tests.kits.browser import MARKS, tab
from tests.kits.certificates import Authority
from tests.kits.edge_process import running_edge, services
from tests.kits.mirror import mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.async_api import Page

pytestmark = MARKS

CONFIG = """
listener:
  ip: 127.0.0.1
  port: 0
  tls: {{certificates: [{{cert: {cert}, key: {key}}}]}}
admin: {{ip: 127.0.0.1, port: 0}}
hosts: [www.hello.world]
dtab: |
  /srv => /#/io.l5d.fs ;
  /host/world => /srv/world-v1 ;
  /svc => /host/world ;
namers: [{{kind: io.l5d.fs, rootDir: "{services}"}}]
grants: {{keys: {folder}/keys}}
"""
# The names of this test are this machine's.
HERE = "--host-resolver-rules=MAP * 127.0.0.1"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, str]]]:
    """The port of a gateway with TLS, and tokens by name."""
    folder: Path = tmp_path_factory.mktemp("page")
    key = Ed25519PrivateKey.generate()
    write_key(folder / "keys", "k1", key)
    files = Authority(folder).issue("www.hello.world", "evil.example")
    with mirror("world-v1") as stable, mirror("world-v2") as staged:
        place = services(folder, {"world-v1": stable.port, "world-v2": staged.port})
        text = CONFIG.format(services=place, folder=folder, cert=files.chain, key=files.key)
        with running_edge(folder, text) as edge:
            made = tokens(time.time_ns() // 10**9, key)
            yield edge.port, {name: token.decode() for name, token in made.items()}


async def upstream(page: Page, port: int) -> str:
    """Who answers this browser's requests now."""
    await page.goto(f"https://www.hello.world:{port}/.weir/grant")
    said: str = await page.evaluate("fetch('/').then((answer) => answer.headers.get('x-upstream'))")
    return said


async def test_a_link_asks_and_then_steers_this_browser_only(
    site: tuple[int, dict[str, str]],
) -> None:
    port, made = site
    async with tab(HERE) as page:
        assert await upstream(page, port) == "world-v1"
        await page.goto(f"https://www.hello.world:{port}/.weir/grant#{made['good']}")
        await page.get_by_text("alice").wait_for()
        assert page.url.endswith("/.weir/grant")  # nothing of it stays in the history
        told = await page.inner_text("body")
        for shown in ("alice", "www.hello.world", "/host/world=>/srv/world-v2"):
            assert shown in told
        assert await page.context.cookies() == []  # opening is not using
        await page.get_by_role("button", name="Use it in this browser").click()
        await page.get_by_text("Your requests use it from now on.").wait_for()
        assert await page.get_by_role("link", name="Go on to the site").is_visible()
        (cookie,) = await page.context.cookies()
        assert cookie["name"] == "weir-grant"
        assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
        assert await page.evaluate("document.cookie") == ""
        assert await upstream(page, port) == "world-v2"
        await page.goto(f"https://www.hello.world:{port}/.weir/grant")
        await page.get_by_role("button", name="Forget my grant").click()
        await page.get_by_text("Forgotten.").wait_for()
        assert await page.context.cookies() == []
        assert await upstream(page, port) == "world-v1"


async def test_a_bad_grant_is_not_taken(site: tuple[int, dict[str, str]]) -> None:
    port, made = site
    problems: list[str] = []
    async with tab(HERE, problems=problems) as page:
        for name in ("expired", "of a stranger", "for another host"):
            await page.goto("about:blank")
            await page.goto(f"https://www.hello.world:{port}/.weir/grant#{made[name]}")
            await page.get_by_role("button", name="Use it in this browser").click()
            await page.get_by_text("It was not accepted.").wait_for()
            assert await page.context.cookies() == [], name
    assert all("403" in one for one in problems)


async def test_what_is_no_grant_is_said_to_be_none(site: tuple[int, dict[str, str]]) -> None:
    port, _ = site
    async with tab(HERE) as page:
        for text in ("dogfood", "a.b.c", "<img src=x onerror=alert(1)>", "e30.e30.e30"):
            await page.goto("about:blank")
            await page.goto(f"https://www.hello.world:{port}/.weir/grant#{text}")
            await page.get_by_text("This is no grant.").wait_for()
            use = page.get_by_role("button", name="Use it in this browser")
            assert not await use.is_visible(), text


async def test_no_page_of_another_site_sets_or_forgets_a_grant(
    site: tuple[int, dict[str, str]],
) -> None:
    port, made = site
    url = f"https://www.hello.world:{port}/.weir/grant"
    attempt = """([url, name, value]) => Promise.all(['cors', 'no-cors'].map((mode) =>
        fetch(url, {method: 'POST', mode, credentials: 'include', headers: {[name]: value}})
        .then((answer) => answer.status, () => 'refused')))"""
    async with tab(HERE, problems=[]) as page:
        await page.goto(f"https://evil.example:{port}/")
        # What no-cors lets through has lost its header, and its answer cannot be read: 0.
        for name, value in (("weir-grant-set", made["good"]), ("weir-grant-forget", "1")):
            assert await page.evaluate(attempt, [url, name, value]) == ["refused", 0]
        assert await page.context.cookies() == []
