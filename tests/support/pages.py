"""Read HTML as a strict browser would: what is opened, what is closed, where links lead."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})


class Page(HTMLParser):
    """The elements, attributes, links, ids, headings and texts of a page, and what is wrong with it."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[int] = []
        self.problems: list[str] = []
        self.text = ""
        self.code = ""
        """The numbered lines of all scripts."""
        self._open: list[str] = []
        self._line: int | None = None
        self.feed(text)
        self.close()
        self.problems += [f"{name} is not closed" for name in self._open]
        self.problems += [f"id {name} is not alone" for name in set(self.ids) if self.ids.count(name) > 1]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        given = dict(attrs)
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag[0] == "h" and tag[1:].isdigit():
            self.headings.append(int(tag[1:]))
        if given.get("class") == "l":
            self._line = len(self._open)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"{tag} is closed at {self.getpos()} where it is not open")
        if len(self._open) == self._line:
            self._line = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._line is not None:
            self.code += data
