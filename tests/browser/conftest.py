"""A real Chromium that is there already; where it or Playwright is missing, the tests say so and are skipped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.waiting import LONG

REQUIRED = bool(os.environ.get("SQLMIGRATE_TEST_BROWSER"))  # read before our variables are hidden from the tests
CHROMIUM = Path("/usr/bin/chromium")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser, without anything of its own to do on the network.

    It goes with the last test of the file: Playwright leaves an event loop running, and other tests want their own.
    """
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415  from the extra `browser`
    except ImportError:
        missing("Playwright is not installed: make install-browser")
    if not CHROMIUM.exists():
        missing(f"there is no {CHROMIUM}: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS), timeout=LONG * 1000)
        yield browser
        browser.close()


def missing(reason: str) -> None:
    """Skip, or fail where SQLMIGRATE_TEST_BROWSER says that a browser is a must."""
    if REQUIRED:
        pytest.fail(f"SQLMIGRATE_TEST_BROWSER is set, and {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Callable[..., Any]:
    """Open a page from its text: `with opened(html, width=360) as page`; `page.said` is what the browser complained of.

    Scripts are off, as the page wants it; `page.asked` are the addresses that it wanted from the network.
    """

    @contextmanager
    def open_page(text: str, *, width: int, height: int = 800, **options: Any) -> Iterator[Any]:
        file = tmp_path / "report.html"
        file.write_text(text, encoding="utf-8")
        context = chromium.new_context(
            viewport={"width": width, "height": height}, java_script_enabled=False, offline=True, **options
        )
        context.set_default_timeout(LONG * 1000)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(file.as_uri())
        yield page
        context.close()

    return open_page
