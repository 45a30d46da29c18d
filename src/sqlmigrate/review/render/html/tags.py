"""Build HTML that escapes by construction: text that is not `Html` already can only come out as text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlmigrate.review.render.words import visible

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_VOID = frozenset({"meta", "link", "br", "hr", "path", "rect", "line", "circle"})
_INLINE = frozenset({"a", "abbr", "b", "code", "em", "i", "small", "span", "strong", "svg", "time", "title", "tspan"})
_FRAGMENT = re.compile(r"#[A-Za-z][A-Za-z0-9-]*")


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is safe as it is; only this module makes it."""

    text: str


Child = Html | str | int | None | Iterable["Child"]
"""What stands inside an element: markup, text, a number, nothing, or several of them."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Make an element: `tag("p", "1 < 2", class_="note")`.

    An attribute that is None or False is left out, one that is True has no value; `data_label` is written
    `data-label`. Links may only lead to another place of the page.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    _check(name)
    end = "" if name in _INLINE else "\n"
    if name in _VOID:
        return Html(f"<{name}{written}>{end}" if name in ("meta", "link", "br", "hr") else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(*children).text}</{name}>{end}")


def join(*children: Child) -> Html:
    """Put pieces behind each other; text becomes text."""
    return Html("".join(_pieces(children)))


def page(language: str, *children: Child) -> Html:
    """Make a whole document."""
    return Html("<!doctype html>\n" + tag("html", *children, lang=language).text)


def stylesheet(css: str) -> Html:
    """Make the element of a style sheet of our own; its text is the one that `css` is, so that a hash of it holds."""
    if "</" in css or "<!--" in css:
        raise ValueError("a style sheet cannot hold the end of its own element")
    return Html(f"<style>{css}</style>\n")


def _pieces(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if isinstance(child, Html):
            yield child.text
        elif isinstance(child, (str, int)):
            yield html.escape(visible(str(child)), quote=True)
        elif child is not None:
            yield from _pieces(child)


def _attribute(key: str, value: str | int | bool | None) -> str:  # noqa: FBT001  HTML's own true and false
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    _check(name)
    if name == "href" and not (isinstance(value, str) and _FRAGMENT.fullmatch(value)):
        raise ValueError(f"a page leads nowhere else: {value!r}")
    if name.startswith("on") or name in ("src", "style", "srcdoc"):
        raise ValueError(f"a page has no {name}")
    return f" {name}" if value is True else f' {name}="{html.escape(visible(str(value)), quote=True)}"'


def _check(name: str) -> None:
    if not _NAME.fullmatch(name) or name.lower() == "script":
        raise ValueError(f"not a name for an element or an attribute: {name!r}")
