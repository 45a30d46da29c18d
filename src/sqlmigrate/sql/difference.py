"""Compare two versions of a script: as text for people, and as statements."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlmigrate.sql.directives import read_directives
from sqlmigrate.sql.scan import split
from sqlmigrate.sql.statement.parse import normal_form

if TYPE_CHECKING:
    from collections.abc import Iterator

DIFF_LINES = 60
"""Lines of a difference that are shown."""
# pg_get_functiondef() writes the body last, and chooses a tag that is not in it.
_ROUTINE = re.compile(r"(.*?^ LANGUAGE (?:sql|plpgsql)$.*?^AS )(\$\w+\$)(.*)\2\n", re.DOTALL | re.MULTILINE)
# a comment that pg_hint_plan obeys; a quote that ends a literal, or does not where standard_conforming_strings is off
_NOT_PLAIN = ("/*+", "\\'")


def unified(before: str, after: str, name: str) -> Iterator[str]:
    """Yield a unified diff from what was recorded to what the file says now, cut where it is long."""
    yield from cut_diff(before, after, f"{name} (applied)", f"{name} (file)")


def cut_diff(before: str, after: str, old: str, new: str) -> Iterator[str]:
    """Yield a unified diff between texts of these names, cut where it is long."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="", n=2)
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


def same_routine(before: str, after: str) -> bool:
    """Tell whether two definitions of a routine differ in white space and comments of their bodies at most.

    They are as pg_get_functiondef() writes them. False for languages other than SQL and PL/pgSQL, whose white space may
    have a meaning, and wherever libpg_query cannot tell.
    """
    found = [_ROUTINE.fullmatch(text) for text in (before, after)]
    if found[0] is None or found[1] is None:
        return False
    heads, bodies = [match[1] for match in found if match], [match[3] for match in found if match]
    # an odd number of quotes: the body was not where it seemed to be
    if heads[0] != heads[1] or heads[0].count("'") % 2 or any(mark in body for body in bodies for mark in _NOT_PLAIN):
        return False
    forms = [normal_form(body, fold=False) for body in bodies]
    return forms[0] is not None and forms[0] == forms[1]


def _form(text: str) -> list[object] | None:
    if "\\'" in text and "standard_conforming_strings" in text.lower():
        return None  # what seems to be a comment may be a part of a string
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
