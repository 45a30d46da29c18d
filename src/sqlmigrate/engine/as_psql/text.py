"""Write commands of ours and statements of a script as psql reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate.sql.gap import skip_gap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.connection import Command
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.sql.scan import Piece
    from sqlmigrate.sql.script import Statement

# quotes are passed over: a schema may be called `a$1`, and so may a database that a command of ours looks for
_PARAMETER = re.compile(r"""'[^']*'|"[^"]*"|\$(\d+)""")
DATA_END = re.compile(r"^\\\.\r?$", re.MULTILINE)


def lines(commands: Iterable[Command]) -> str:
    """Return commands of ours, each with its parameters written into it, and closed."""
    return "".join(f"{literal(command)};\n" for command in commands)


def do_block(statements: str) -> str:
    """Return a DO block of some statements, in dollar quotes that no name in them can end."""
    tag = "$do$"
    while tag in statements:
        tag = f"{tag[:-1]}_$"
    return f"DO {tag} BEGIN\n{statements}END {tag};\n"


def literal(command: Command) -> str:
    """Return a command of ours with its parameters written into it."""
    values = [sql.Literal(value).as_string() for value in command.params]
    if not values:
        return command.sql
    return _PARAMETER.sub(lambda match: values[int(match[1]) - 1] if match[1] else match[0], command.sql)


def confirmed(job: Job) -> str:
    """Return what stops psql where the history does not say, behind the COMMIT, what was done."""
    if job.confirm is None:
        return ""
    by = "code that ran at COMMIT" if job.transactional else "the script"
    return do_block(
        f"    PERFORM (\n{literal(job.confirm)}\n    );\n"
        "EXCEPTION WHEN division_by_zero THEN\n"
        f"    RAISE EXCEPTION 'it was committed, but {by} has changed the history';\n"
    )


def remark(text: str) -> str:
    """Return a text for a comment: a name may hold the end of a line."""
    return " ".join(text.splitlines())


def statement_text(statement: Statement) -> str:
    """Return a statement, closed, and the COPY data that follows it."""
    if statement.data is None:
        return closed(statement)
    data = "".join(statement.data.chunks())
    return f"{closed(statement)}{data}{_data_end(data)}"


def closed(statement: Statement) -> str:
    """Return a statement with its semicolon, which a comment at its end must not swallow."""
    text = statement.text
    return f"{text}\n;\n" if "--" in text.rpartition("\n")[2] else f"{text};\n"


def ending(tail: str, last: Piece | None = None) -> str:
    """Return what closes a script that ends so: a line end, and a semicolon or the end of data where it is missing."""
    newline = "" if not tail or tail.endswith("\n") else "\n"
    if last is None:
        return newline
    if last.data is not None:
        ends = [found.end() for found in DATA_END.finditer(tail)]
        is_closed = bool(ends) and not tail[skip_gap(tail, ends[-1]) :].strip("; \t\r\n")
        return newline if is_closed else _data_end(tail)
    rest = tail[tail.rfind(last.text) + len(last.text) :]
    return newline + ("" if rest[skip_gap(rest, 0) :].startswith(";") else ";\n")


def _data_end(data: str) -> str:
    """Return the line that ends COPY data; its line end must be of the same kind."""
    newline = "\r\n" if "\r\n" in data else "\n"
    return ("" if not data or data.endswith("\n") else newline) + f"\\.{newline}"
