"""golang-migrate: `N_name.up.sql` and `N_name.down.sql` (github.com/golang-migrate/migrate, source/parse.go)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import outside_where_needed, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Part
    from sqlmigrate.importing.tool import Known

_FILE = re.compile(r"(\d+)_(.*)\.(up|down)\.sql", re.DOTALL)
_GAPS = "it records only the last version: what is older counts as applied, even where it was added later and never ran"


def pairs(folder: Folder, pattern: re.Pattern[str]) -> tuple[list[Theirs], list[Problem]]:
    """Read the pairs of files that a pattern of version, name and direction matches, by their versions."""
    ups: dict[tuple[int, str], Path] = {}
    downs: dict[tuple[int, str], Path] = {}
    for path in folder.files():
        if name := pattern.fullmatch(path.name):
            (downs if name[3] == "down" else ups)[int(name[1]), path.name.removesuffix(f".{name[3]}.sql")] = path
    found = []
    for (version, stem), path in sorted(ups.items()):
        down = downs.pop((version, stem), None)
        others = [key for key in downs if key[0] == version and (version, key[1]) not in ups]
        if down is None and others:  # of another name: only the version pairs them
            down = downs.pop(others[0])
        found.append(Theirs(str(version), stem, path, _part(folder, path), _part(folder, down)))
    problems = [
        Problem("there is no up script of this version", Place(path), "it was left out") for path in downs.values()
    ]
    return found, [*problems, *rows.same_version(found)]


def _part(folder: Folder, path: Path | None) -> Part | None:
    source = folder.read(path) if path else None
    return outside_where_needed(unwrapped(source.part())) if source else None


def _read(folder: Folder) -> Layout:
    found, problems = pairs(folder, _FILE)
    return Layout(tuple(found), tuple(problems))


def _told(found: Sequence[tuple[Any, ...]], known: Known) -> Told:
    """Read the one row of version and whether it failed: all that is not newer counts as applied."""
    if not found:
        return Told(())
    [(version, dirty)] = found[:1]
    if dirty:
        return Told((), failed=(str(version),))
    applied = [rows.recorded(key) for key in known.versions if int(key) <= version]
    if str(version) not in known.versions:
        applied.append(rows.recorded(str(version)))
    return Told(tuple(applied), notes=(_GAPS, rows.NO_TIMES))


TOOL = Tool(
    "golang-migrate",
    "golang-migrate",
    _read,
    TheirHistory("schema_migrations", "golang_migrate", _told, "golang-migrate"),
    rows.leading_number,
    folders=("migrations", "db/migrations"),
)
