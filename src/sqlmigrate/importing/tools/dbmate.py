"""dbmate: one file with `-- migrate:up` and `-- migrate:down` (github.com/amacneil/dbmate, pkg/dbmate/migration.go)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.importing import rows
from sqlmigrate.importing.markers import markers
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Tool, Writing

if TYPE_CHECKING:
    from sqlmigrate.errors import Problem
    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.markers import Marker
    from sqlmigrate.importing.model import Source

_FILE = re.compile(r"(\d+).*\.sql", re.DOTALL)
_KINDS = {
    "up": re.compile(r"--\s*migrate:up((?:\s+\S.*)?)"),
    "down": re.compile(r"--\s*migrate:down((?:\s+\S+)?)"),
}


def _read(folder: Folder) -> Layout:
    found = []
    problems: list[Problem] = []
    for path in folder.files():
        if (name := _FILE.fullmatch(path.name)) and (source := folder.read(path)):
            item, wrong = _one(source, name[1])
            found += [item] if item else []
            problems += wrong
    return Layout(tuple(found), (*problems, *rows.same_version(found)))


def _one(source: Source, version: str) -> tuple[Theirs | None, list[Problem]]:
    lines = list(markers(source, _KINDS))
    up = next((line for line in lines if line.kind == "up"), None)
    down = next((line for line in lines if line.kind == "down"), None)
    if up is None:
        return None, [rows.no_marker(source, "-- migrate:up", "dbmate")]
    if down is not None and down.start < up.start:
        return None, [source.problem("-- migrate:down stands before -- migrate:up", down.start, "write the up first")]
    forward = source.part(up.end, down.start if down else None, transactional=_transactional(up))
    back = source.part(down.end, transactional=_transactional(down)) if down else None
    return Theirs(version, source.path.stem, source.path, forward, back, problems=tuple(_ahead(source, up))), []


def _transactional(mark: Marker) -> bool:
    options = dict(word.split(":", 1) for word in mark.said.split() if word.count(":") == 1)
    return options.get("transaction") != "false"


def _ahead(source: Source, up: Marker) -> list[Problem]:
    """Find what stands before the marker: dbmate refuses all but comments there."""
    offset = 0
    for line in source.text[: up.start].split("\n"):
        if line.strip() and not line.lstrip().startswith("--"):
            hint = "it was left out; move it below the marker"
            return [source.problem("a statement stands before -- migrate:up, where dbmate runs none", offset, hint)]
        offset += len(line) + 1
    return []


def _row(migration_id: str, _text: str | None) -> tuple[str] | None:
    digits = rows.leading_digits(migration_id)
    return (digits,) if digits else None


TOOL = Tool(
    "dbmate",
    "dbmate",
    _read,
    TheirHistory("schema_migrations", "versions", rows.versions, "dbmate or Rails"),
    rows.leading_digits,
    folders=("db/migrations", "migrations"),
    writing=Writing(("dbmate_create",), "dbmate_put", _row, unless="ar_internal_metadata"),
)
