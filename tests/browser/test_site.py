"""The documentation site in a real Chromium, where `make docs` has built it: on a phone, on a desk, and its search."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.places import ROOT

SITE = ROOT / "build/site/html"
PHONE, DESK = 360, 1280
BRIGHT = (
    """() => getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3).every(part => part > 128)"""
)
pytestmark = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="there is no site: make docs")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        """Say nothing of a request."""


@pytest.fixture(scope="module")
def address():
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(chromium, request):
    width, scheme = getattr(request, "param", (DESK, "light"))
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.asked, page.said = [], []
    page.on("request", lambda asked: page.asked.append(asked.url))
    page.on("console", lambda message: page.said.append(message.text))
    yield page
    context.close()


@pytest.mark.parametrize("page", [(PHONE, "dark"), (DESK, "light")], indirect=True, ids=["phone-dark", "desk-light"])
def test_the_first_page_fits_has_the_readers_colours_and_asks_no_other_server(page, address, request):
    page.goto(address)
    dark = "dark" in request.node.callspec.id

    page.wait_for_function(f"() => ({BRIGHT})() === {str(not dark).lower()}")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator(".compare .danger").is_visible()
    assert [url for url in page.asked if not url.startswith((address, "data:", "blob:"))] == []
    assert page.said == []


def test_the_search_finds_what_a_page_says(page, address):
    page.goto(address)
    page.get_by_role("button", name="Search").first.click()
    page.locator("input:visible").last.fill("durable")

    page.get_by_role("option", name="Durable").first.wait_for()
