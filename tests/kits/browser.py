"""A real browser for tests of pages; whoever uses it is marked `browser`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright, expect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import ConsoleMessage, Page, Request

expect.set_options(timeout=30_000)  # as long as its other waits; 5 s are few on a busy machine
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no {CHROMIUM}: apt-get install chromium"),
]


@contextlib.asynccontextmanager
async def tab(
    *flags: str,
    problems: list[str] | None = None,
    width: int = 1280,
    height: int = 800,
    scripts: bool = True,
) -> AsyncIterator[Page]:
    """A tab.

    A script's error, a dialog or a missing resource fails the test, or joins `problems`.
    """
    found: list[str] = [] if problems is None else problems
    pages: set[str] = set()

    def asked(request: Request) -> None:
        if request.is_navigation_request():
            pages.add(request.url)

    def heard(line: ConsoleMessage) -> None:
        # A page that answers 400 or 404 is told of as well; what it asks for must be there.
        if line.type == "error" and line.location["url"] not in pages:
            found.append(f"{line.text} {line.location['url']}")

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*FLAGS, *flags]
        )
        context = await browser.new_context(
            viewport={"width": width, "height": height},
            ignore_https_errors=True,
            java_script_enabled=scripts,
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("dialog", lambda dialog: found.append(f"a dialog: {dialog.message}"))
        page.on("request", asked)
        page.on("console", heard)
        yield page
        await browser.close()
    if problems is None and found:
        pytest.fail("\n".join(found))
