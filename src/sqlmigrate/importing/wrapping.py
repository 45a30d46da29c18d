"""Look at the SQL of a direction: its own BEGIN and COMMIT, what runs in no transaction, what no script may hold."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.errors import Problem
from sqlmigrate.migrations.model import ScriptRun
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.sql.directives import read_directives
from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.scan import split
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.effect import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.errors import Place
    from sqlmigrate.importing.model import Part
    from sqlmigrate.migrations.model import Operation
    from sqlmigrate.sql.scan import Piece

_BEGIN = re.compile(
    r"(?:BEGIN(?:\s+(?:WORK|TRANSACTION))?|START\s+TRANSACTION)"
    r"(?:\s+ISOLATION\s+LEVEL\s+(READ\s+COMMITTED|REPEATABLE\s+READ|SERIALIZABLE))?",
    re.IGNORECASE,
)
_COMMIT = re.compile(r"(?:COMMIT|END)(?:\s+(?:WORK|TRANSACTION))?", re.IGNORECASE)
_CONTROL = Kind.TRANSACTION_CONTROL


def pieces(part: Part) -> list[Piece]:
    """Return the statements of a direction; the last one may have a problem."""
    return list(split(part.text))


def is_empty(part: Part) -> bool:
    """Tell whether there is nothing to run."""
    return next(split(part.text), None) is None


def unwrapped(part: Part) -> Part:
    """Take away the BEGIN that begins a direction and the COMMIT that ends it, where no other one stands between them.

    What is left runs in a transaction of ours.
    """
    found = pieces(part)
    if len(found) < 2 or found[-1].problem:  # noqa: PLR2004  BEGIN and COMMIT
        return part
    begun, ended = _BEGIN.fullmatch(found[0].text), _COMMIT.fullmatch(found[-1].text)
    if not begun or not ended or any(classify(piece.text) is _CONTROL for piece in found[1:-1]):
        return part
    cuts = [cut(part, found[0]), cut(part, found[-1])]
    level = " ".join(begun[1].lower().split()) if begun[1] else None
    return replace(part.without(cuts), transactional=True, isolation=level)


def cut(part: Part, piece: Piece) -> tuple[int, int]:
    """Return the stretch of the file that a statement takes, with its semicolon; its whole line where it is alone."""
    text = part.text
    start, end = piece.offset, skip_gap(text, piece.offset + len(piece.text))
    end = end + 1 if text[end : end + 1] == ";" else piece.offset + len(piece.text)
    line = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end) + 1 or len(text)
    if not text[line:start].strip() and not text[end:stop].strip():
        start, end = line, stop
    first = part.offset(start)
    return first, first + end - start


def outside_where_needed(part: Part) -> Part:
    """Have a direction run outside a transaction where a statement of it cannot run in one: its tool has none there."""
    needs = any(classify(piece.text) is Kind.NOT_IN_TRANSACTION for piece in pieces(part) if not piece.problem)
    return replace(part, transactional=False) if needs else part


def is_open(text: str) -> bool:
    """Tell whether the last statement has no semicolon behind it."""
    last = next(iter(deque(split(text), maxlen=1)), None)
    if last is None or last.problem or last.data:
        return False
    return skip_gap(text, last.offset + len(last.text)) >= len(text)


def statements(text: str) -> list[str]:
    """Cut a script at its semicolons: each statement with the comments above it, and without its semicolon.

    One that holds COPY data or commands of psql stays whole.
    """
    found, start = [], 0
    for piece in split(text):
        if piece.problem or piece.data:
            return [text.strip()]
        end = skip_gap(text, piece.offset + len(piece.text))
        found.append(text[start:end].strip())
        start = end + 1
    return [statement for statement in (*found, text[start:].strip()) if statement]


def problems(part: Part, operation: Operation) -> list[Problem]:
    """Find what would be refused in a direction when it is to run, at its place in the file."""
    text, path = part.text, part.source.path
    directives, wrong = read_directives(path, text)
    found = [problem for problem in wrong if not problem.warning]
    if directives.offsets:
        at = part.source.place(part.offset(min(directives.offsets.values())))
        hint = "change the comment, such as by another word before it, and import it again"
        found.append(Problem("this comment would be read as a directive of sqlmigrate", at, hint))
        return found
    run = ScriptRun("", operation, script_from_text(path, text), transactional=part.transactional)
    found += preflight(run)
    return [replace(problem, place=_moved(part, text, problem.place)) for problem in found]


def _moved(part: Part, text: str, place: Place | None) -> Place | None:
    """Return the place in their file of one in the SQL."""
    if place is None or place.line is None:
        return place
    rows: Sequence[str] = text.split("\n")
    offset = sum(len(row) + 1 for row in rows[: place.line - 1]) + (place.column or 1) - 1
    return part.source.place(part.offset(offset))
