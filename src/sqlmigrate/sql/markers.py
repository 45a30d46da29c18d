"""Find the places for values in an application's query, in any of the usual spellings, and write them as $1, $2 ...

`$1` (PostgreSQL), `:name` (sqlc's yesql, HugSQL, aiosql, SQLAlchemy), `@name` and `sqlc.arg(name)` (sqlc), `%s` and
`%(name)s` (Python's DB-API, PEP 249) and `?` (JDBC, ODBC) are understood, outside quotes and comments. One statement
has one kind of them: in one that has others, `?` is an operator of jsonb and `%` that of the remainder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.sql.scan import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_KINDS = (
    re.compile(r"(?<![\w$])\$(\d+)"),
    re.compile(rf"%\(({_NAME})\)[sbt]"),
    re.compile(r"%[sbt](?![\w(])()"),
    re.compile(rf"(?<![:\w]):({_NAME})"),  # `::` is a cast, and `a[1:n]` a slice
    re.compile(rf"(?<![@\w<&|>-])@({_NAME})"),
    re.compile(r"(?<![?@])\?(?![?|&\-#])()"),
)
_PARAMETER = re.compile(r"\$\d")
_PERCENT, _QUESTION = (1, 2), 5
_SQLC = re.compile(rf"\bsqlc\.(?:arg|narg|slice)\s*\(\s*'?({_NAME})'?\s*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marked:
    """A query with PostgreSQL's own parameters; `spelling` is how they were written, "" where it has none."""

    text: str
    spelling: str = ""


def marked(statement: str) -> Marked:
    """Write the places for values of a statement as PostgreSQL's parameters."""
    statement = _SQLC.sub(r"@\1", statement)
    stretches = list(_outside(statement))
    for number, pattern in enumerate(_KINDS):
        if first := next((hit for start, end in stretches if (hit := pattern.search(statement, start, end))), None):
            return Marked(_numbered(statement, stretches, pattern, number), first[0])
    return Marked(statement)


def _outside(statement: str) -> Iterator[tuple[int, int]]:
    """Yield what lies outside quotes and comments, as slices."""
    position = 0
    for start, end in quoted(statement):
        if _PARAMETER.match(statement, start):
            continue
        yield position, start
        position = end
    yield position, len(statement)


def _numbered(statement: str, stretches: list[tuple[int, int]], pattern: re.Pattern[str], kind: int) -> str:
    numbers: dict[str, int] = {}
    parts: list[str] = []
    position = 0

    def number(hit: re.Match[str]) -> str:
        if kind == 0:
            return hit[0]
        name = hit[1] or f"?{len(numbers)}"
        return f"${numbers.setdefault(name, len(numbers) + 1)}"

    for start, end in stretches:
        parts.append(_unescaped(statement[position:start], kind))
        parts.append(_unescaped(pattern.sub(number, statement[start:end]), kind))
        position = end
    return "".join(parts) + statement[position:]


def _unescaped(text: str, kind: int) -> str:
    """Undo what a spelling has its users write twice, in quotes too: `%%`, and JDBC's `??`."""
    if kind in _PERCENT:
        return text.replace("%%", "%")
    return text.replace("??", "?") if kind == _QUESTION else text
