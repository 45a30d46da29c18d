"""`mark --from TOOL --write-missing`: write the migrations whose SQL only the tool's history still has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.connection import session
from sqlmigrate.errors import UsageError
from sqlmigrate.files import leads_out
from sqlmigrate.importing import tables, wrapping, writing
from sqlmigrate.importing.model import Source, Theirs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.errors import Problem
    from sqlmigrate.importing.tables import Where
    from sqlmigrate.importing.tool import Tool
    from sqlmigrate.migrations import Migrations

_VERSION, _NAME = re.compile(r"[0-9]{1,40}"), re.compile(r"[\w-]{1,150}")


@dataclass(frozen=True, slots=True)
class Missing:
    """Which files were written, and why others could not be."""

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def write(conninfo: str, tool: Tool, migrations: Migrations, options: Options, where: Where) -> Missing:
    """Write a file for each version that their history has with its SQL, and that no file here has.

    Nothing is overwritten. Raises HistoryError where their table is not there or not to be trusted.
    """
    folder = migrations.directory
    if (target := leads_out(folder)) is not None:
        raise UsageError(f"{folder} leads out of the repository by a symbolic link, to {target}; it is not followed")
    with session(conninfo) as connection:
        place = tables.find(connection, tool, where)
        rows = tables.read_texts(connection, tool, place, options.history_owners)
    there = {tool.version_of(item.migration_id) for item in migrations.ordered}
    files: list[Path] = []
    problems: list[Problem] = []
    for version, name, statements in rows:
        if version in there or not _VERSION.fullmatch(version) or not statements:
            continue
        stem = f"{version}_{name}" if name and _NAME.fullmatch(name) else version
        source = Source(folder / f"{stem}.sql", _script(statements))
        part = wrapping.outside_where_needed(wrapping.unwrapped(source.part()))
        wanted = list(writing.wanted(folder, stem, Theirs(version, stem, source.path, part), ()))
        wrong = wrapping.problems(part, "apply") or writing.write(wanted)
        problems += wrong
        files += [] if wrong else [file.path for file in wanted]
    return Missing(tuple(files), tuple(problems))


def _script(statements: Iterable[str | None]) -> str:
    """Return a script of statements that have no semicolons behind them."""
    return "".join(f"{text}{_closing(text)}\n" for text in statements if text)


def _closing(text: str) -> str:
    """Return the semicolon that a statement needs, on a line of its own where a comment ends it."""
    if not wrapping.is_open(text):
        return ""
    return "\n;" if "--" in text.rpartition("\n")[2] else ";"
