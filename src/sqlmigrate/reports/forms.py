"""The formats of reports, and which one the name of a file asks for."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

Form = Literal["text", "markdown", "html", "json", "sarif", "gitlab", "junit", "github"]
FORMS: tuple[Form, ...] = ("text", "markdown", "html", "json", "sarif", "gitlab", "junit", "github")
_ENDINGS: tuple[tuple[str, Form], ...] = (
    (r"code-?quality(-report)?\.json", "gitlab"),
    (r"\.sarif(\.json)?", "sarif"),
    (r"\.xml", "junit"),
    (r"\.(md|markdown)", "markdown"),
    (r"\.html?", "html"),
    (r"\.json", "json"),
)


def form_of(path: Path) -> Form:
    """Return the format that a file's name asks for; text where it asks for none."""
    name = path.name.lower()
    return next((form for ending, form in _ENDINGS if re.search(f"{ending}$", name)), "text")
