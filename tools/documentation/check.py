"""Check the built site: every link, picture and anchor is there, and no page asks another server for anything.

Zensical looks at links in Markdown only, and neither at pictures nor at HTML. Exit status 1 if something is missing.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(__file__).parent.parent.parent / "build" / "site" / "html"
_FETCHED = {"img": "src", "script": "src", "link": "href", "source": "srcset", "iframe": "src"}
_NOT_FETCHED = {"canonical", "prev", "next"}
"""What a `link` may name without the browser asking for it."""
_SCRIPTED = {"mermaid", "glightbox", "pyodide"}
"""Classes for which the theme's own script loads more, from unpkg.com and jsdelivr.net."""


class Page(HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.scripted: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what leads somewhere, and what can be led to."""
        values = {name: value or "" for name, value in attrs}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        self.scripted |= _SCRIPTED & set(values.get("class", "").split())
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag in _FETCHED and _FETCHED[tag] in values and values.get("rel") not in _NOT_FETCHED:
            self.fetched.append(values[_FETCHED[tag]])


def problems(site: Path = SITE) -> list[str]:
    """Give what is wrong with the pages of a built site, one line each."""
    pages = {file: Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    if not pages:
        return [f"{site}: there is no page; build the site first"]
    return [
        f"{file.relative_to(site)}: {found}"
        for file, page in pages.items()
        for found in [*_elsewhere(page), *_missing(file, page, pages)]
    ]


def _elsewhere(page: Page) -> list[str]:
    found = [address for address in page.fetched if urlsplit(address).netloc]
    return [f"asks another server: {what}" for what in (*found, *sorted(page.scripted))]


def _missing(file: Path, page: Page, pages: dict[Path, Page]) -> list[str]:
    # The page for what is not found is shown at any address, so its links say nothing of where they lead.
    found = [] if file.name == "404.html" else [*page.links, *page.fetched]
    return [said for address in dict.fromkeys(found) if (said := _problem(address, file, pages))]


def _problem(address: str, file: Path, pages: dict[Path, Page]) -> str:
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return f"no such page or file: {address}"
    if parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        return f"no such anchor: {address}"
    return ""


if __name__ == "__main__":
    if found := problems(SITE.resolve()):
        sys.exit("\n".join(f"error: {line}" for line in found))
