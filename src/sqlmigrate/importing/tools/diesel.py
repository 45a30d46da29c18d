"""diesel: `TIME_name/up.sql` and `down.sql` (diesel.rs/guides, diesel_migrations).

Built from its documentation, and not tried against the tool itself.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing import rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.tool import Known


def _read(folder: Folder) -> Layout:
    found = []
    for inner in folder.folders():
        path, down = inner / "up.sql", inner / "down.sql"
        if (version := _version(inner.name)) and path.is_file() and (source := folder.read(path)):
            transactional = _transactional(folder, inner / "metadata.toml")
            undo = folder.read(down) if down.is_file() else None
            up = source.part(transactional=transactional)
            found.append(
                Theirs(version, inner.name, path, up, undo.part(transactional=transactional) if undo else None)
            )
    return Layout(tuple(found), tuple(rows.same_version(found)))


def _transactional(folder: Folder, path: Path) -> bool:
    source = folder.read(path) if path.is_file() else None
    if source is None:
        return True
    try:
        return tomllib.loads(source.text).get("run_in_transaction") is not False
    except tomllib.TOMLDecodeError as error:
        folder.problems.append(Problem(f"is not TOML: {error}", Place(path)))
        return True


def _version(name: str) -> str | None:
    """Return the version of a folder: what stands before the first `_`, without its hyphens."""
    digits = name.partition("_")[0].replace("-", "")
    return digits if digits.isdigit() else None


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of version and time, in the order of the versions."""
    return Told(tuple(rows.recorded(version, at) for version, at in found))


TOOL = Tool("diesel", "diesel", _read, TheirHistory("__diesel_schema_migrations", "diesel", _told, "diesel"), _version)
