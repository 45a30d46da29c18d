"""Signs of severity that differ by shape, not by colour alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render.html.tags import Html, tag

if TYPE_CHECKING:
    from sqlmigrate.review.render.words import Tone

_SHAPES: dict[Tone, tuple[str, str]] = {
    "fails": ("M5 1h6l4 4v6l-4 4H5l-4-4V5z", "M5 5l6 6M11 5l-6 6"),
    "danger": ("M8 1l7.4 13.5H.6z", "M8 6v4M8 12v.4"),
    "warning": ("M8 .8L15.2 8 8 15.2.8 8z", "M8 4.6v4M8 11v.4"),
    "note": ("M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1z", "M8 7v4.4M8 4.4v.4"),
    "fine": ("M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1z", "M4.8 8.3l2.2 2.3 4.2-4.8"),
}


def icon(tone: Tone) -> Html:
    """Draw the sign of a severity; the word stands beside it, so a screen reader passes over it."""
    shape, mark = _SHAPES[tone]
    return tag(
        "svg",
        tag("path", d=shape, class_="shape"),
        tag("path", d=mark, class_="mark"),
        class_=f"icon {tone}",
        viewBox="0 0 16 16",
        width=16,
        height=16,
        aria_hidden="true",
    )


def badge(tone: Tone, word: str | None = None) -> Html:
    """Write a severity: its sign and its word."""
    return tag("span", icon(tone), " ", word or tone, class_=f"badge {tone}")
