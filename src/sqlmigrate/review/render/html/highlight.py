"""Colour SQL, line by line; without Pygments it stays plain."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlmigrate.review.render.html.tags import Html, join, tag
from sqlmigrate.review.render.words import lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 400_000
"""Characters of a script above which colours would take seconds."""


def highlight(sql: str) -> list[Html]:
    """Return the lines of a script as markup."""
    sql = sql.replace("\r\n", "\n")
    tokens = _tokens(sql) if len(sql) <= LARGEST else None
    if tokens is None:
        return [join(line) for line in lines_of(sql)]
    lines: list[list[Html]] = [[]]
    for kind, text in _merged(tokens):
        for at, part in enumerate(text.split("\n")):
            if at:
                lines.append([])
            if part:
                lines[-1].append(tag("span", part, class_=kind) if kind else join(part))
    return [join(line) for line in (lines if lines[-1] else lines[:-1])]


def _tokens(sql: str) -> list[tuple[str, str]] | None:
    """Return the classes and texts of a script; None where they could not be told without losing a character."""
    lexer = _lexer()
    if lexer is None:
        return None
    found = [(_kind(kind, text), text) for kind, text in lexer.get_tokens(sql)]
    return found if "".join(text for _, text in found) == sql else None


@cache
def _lexer() -> Any:
    try:
        from pygments.lexer import inherit  # noqa: PLC0415  from the extra `review`
        from pygments.lexers.sql import PlPgsqlLexer  # noqa: PLC0415  same
        from pygments.token import String  # noqa: PLC0415  same
    except ImportError:
        return None

    class Lexer(PlPgsqlLexer):  # type: ignore[misc]  # ships no types
        """PostgreSQL's SQL and PL/pgSQL, with the backslashes of E'' strings."""

        tokens = {"root": [(r"[eE]'(?:[^'\\]|\\[\s\S]|'')*'", String), inherit]}  # noqa: RUF012  Pygments' way

    return Lexer(stripnl=False, ensurenl=False)


def _kind(token: Any, text: str) -> str:
    """Return one of few classes: many colours tell nothing."""
    words = str(token).split(".")
    if "Comment" in words:
        return "c"
    if "String" in words:
        return "s"
    if "Number" in words:
        return "n" if text[:1].isdigit() else ""
    return "k" if "Keyword" in words else ""


def _merged(tokens: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Put neighbours of one class together; blanks between two of them belong to them."""
    kind, text = "", ""
    for found, part in tokens:
        if found == kind:
            text += part
        else:
            if text:
                yield kind, text
            kind, text = found, part
    if text:
        yield kind, text
