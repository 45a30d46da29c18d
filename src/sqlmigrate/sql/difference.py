"""Compare two versions of a script: as text for people, and as statements."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.sql.directives import read_directives
from sqlmigrate.sql.parse import normal_form
from sqlmigrate.sql.scan import split

if TYPE_CHECKING:
    from collections.abc import Iterator

DIFF_LINES = 60
"""Lines of a difference that are shown."""


def unified(before: str, after: str, name: str) -> Iterator[str]:
    """Yield a unified diff from what was recorded to what the file says now, cut where it is long."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (applied)", f"{name} (file)", lineterm="", n=2
    )
    for number, line in enumerate(lines):
        if number == DIFF_LINES:
            yield "..."
            return
        yield line


def same_statements(before: str, after: str) -> bool:
    """Tell whether two scripts hold the same statements with the same constants, data and directives.

    False wherever that cannot be known: libpg_query must know every statement of both.
    """
    forms = [_form(text) for text in (before, after)]
    return forms[0] is not None and forms[0] == forms[1]


def _form(text: str) -> list[object] | None:
    directives, problems = read_directives(Path(), text)
    form: list[object] = [directives]
    for piece in split(text):
        normal = normal_form(piece.text) if piece.problem is None and not problems else None
        if normal is None:
            return None
        form.append(normal)
        if piece.data is not None:
            form.append("".join(piece.data.chunks()))
    return form
