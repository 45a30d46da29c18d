"""node-pg-migrate: `TIME_name.sql` with `-- Up Migration` and `-- Down Migration` (its src/sqlMigration.ts)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.markers import markers
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Part, Source
    from sqlmigrate.importing.tool import Known

_KINDS = {kind: re.compile(rf"\s*--[\s-]*({kind})\s+migration.*", re.IGNORECASE | re.DOTALL) for kind in ("up", "down")}
_FILE = re.compile(r"(\d+)[_-].*\.(sql|js|ts|mjs|cjs|mts|cts)", re.DOTALL)
_CODE_HINT = "see its SQL with `node-pg-migrate up --dry-run`, and write that under the same name"


def _read(folder: Folder) -> Layout:
    found = []
    downs = {path.name.removesuffix(".down.sql"): path for path in folder.files(ending=".down.sql")}
    for path in folder.entries():
        name = _FILE.fullmatch(path.name)
        if name is None or path.name.endswith((".down.sql", ".d.ts")):
            continue
        stem = path.name.rpartition(".")[0].removesuffix(".up")
        if name[2] != "sql":
            problem = Problem("a migration in JavaScript cannot be converted", Place(path), _CODE_HINT)
            found.append(Theirs(stem, stem, path, None, problems=(problem,)))
        elif source := folder.read(path):
            up, down = _parts(source)
            if stem in downs and (undo := folder.read(downs[stem])):
                down = undo.part()
            found.append(Theirs(stem, stem, path, up, down))
    found.sort(key=lambda item: (int(rows.leading_digits(item.stem) or 0), item.stem))
    return Layout(tuple(found))


def _parts(source: Source) -> tuple[Part, Part | None]:
    """Cut a file in two; either may come first, and one without markers is the up as a whole."""
    lines = list(markers(source, _KINDS))
    up, down = (next((line for line in lines if line.kind == kind), None) for kind in ("up", "down"))
    end = len(source.text)
    if up is None:
        return source.part(0, down.start if down else end), source.part(down.end) if down else None
    if down is None:
        return source.part(up.end), None
    if down.start < up.start:
        return source.part(up.end), source.part(down.end, up.start)
    return source.part(up.end, down.start), source.part(down.end)


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of name and time, in the order of their numbers."""
    return Told(tuple(rows.recorded(name, at) for name, at in found))


TOOL = Tool(
    "node-pg-migrate",
    "node-pg-migrate",
    _read,
    TheirHistory("pgmigrations", "node_pg_migrate", _told, "node-pg-migrate"),
    lambda migration_id: migration_id,
)
