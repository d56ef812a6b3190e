"""A real browser for tests of pages; whoever uses it is marked `browser`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

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
async def tab(*flags: str, problems: list[str] | None = None) -> AsyncIterator[Page]:
    """A tab. A script's error or a missing resource fails the test, or joins `problems`."""
    found: list[str] = [] if problems is None else problems
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=[*FLAGS, *flags]
        )
        context = await browser.new_context(
            viewport={"width": 1280, "height": 800}, ignore_https_errors=True
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("console", lambda line: found.append(line.text) if line.type == "error" else None)
        yield page
        await browser.close()
    if problems is None:
        assert found == []
