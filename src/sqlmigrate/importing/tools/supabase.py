"""The Supabase CLI: `TIME_name.sql`, forward only (github.com/supabase/cli, pkg/migration)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool, Writing
from sqlmigrate.importing.wrapping import outside_where_needed, statements, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.tool import Known

_FILE = re.compile(r"([0-9]+)_(.*)\.sql", re.DOTALL)
_INIT, _INIT_UNTIL = re.compile(r"([0-9]{14})_init\.sql"), "20211209000000"


def _read(folder: Folder) -> Layout:
    found = []
    problems: list[Problem] = []
    for number, path in enumerate(folder.files()):
        name = _FILE.fullmatch(path.name)
        if name is None:
            message = "the Supabase CLI passes it over, since its name does not begin with a number and _"
            problems.append(Problem(message, Place(path), "it was left out", warning=True))
        elif number == 0 and (old := _INIT.fullmatch(path.name)) and old[1] < _INIT_UNTIL:
            message = "the Supabase CLI never runs an init script as old as this"
            problems.append(Problem(message, Place(path), "it was left out", warning=True))
        elif source := folder.read(path):
            up = outside_where_needed(unwrapped(source.part()))
            found.append(Theirs(name[1], path.stem, path, up))
    return Layout(tuple(found), (*problems, *rows.same_version(found)))


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of version and name, in the order of the versions; some old ones have no name."""
    applied = [rows.recorded(version, label=f"{version}_{name}" if name else version) for version, name in found]
    return Told(tuple(applied), notes=(rows.NO_TIMES,) if found else ())


def _row(migration_id: str, text: str | None) -> tuple[str | list[str] | None, ...] | None:
    """Give version, name and statements, of which `supabase migration fetch` makes the file again."""
    name = _FILE.fullmatch(f"{migration_id}.sql")
    return (name[1], name[2], None if text is None else statements(text)) if name else None


TOOL = Tool(
    "supabase",
    "Supabase CLI",
    _read,
    TheirHistory(
        "schema_migrations",
        "supabase",
        _told,
        "Supabase",
        schema="supabase_migrations",
        older=("name", "supabase_unnamed"),
        texts=("statements", "supabase_texts"),
    ),
    rows.leading_digits,
    folders=("supabase/migrations",),
    writing=Writing(
        ("supabase_create_schema", "supabase_create"),
        "supabase_put",
        _row,
        columns=frozenset({"version", "name", "statements"}),
        add="supabase_add",
    ),
)
