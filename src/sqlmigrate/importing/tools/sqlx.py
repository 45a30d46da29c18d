"""sqlx: `VERSION_name.sql` or `.up.sql` and `.down.sql` (github.com/launchbadge/sqlx, sqlx-core/src/migrate).

Built from its source, and not tried against the tool itself.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmigrate.importing import rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Part, Source
    from sqlmigrate.importing.tool import Known

_FILE = re.compile(r"(\d+)_(.*?)(\.up|\.down)?\.sql", re.DOTALL)
_OUTSIDE = "-- no-transaction"


def _read(folder: Folder) -> Layout:
    ups: dict[int, Path] = {}
    downs: dict[int, Path] = {}
    doubled = []
    for path in folder.files():
        if name := _FILE.fullmatch(path.name):
            first = (downs if name[3] == ".down" else ups).setdefault(int(name[1]), path)
            if first is not path:
                doubled.append(Theirs(name[1], first.stem, first, None))
                doubled.append(Theirs(name[1], path.stem, path, None))
    found = [_one(folder, version, path, downs.get(version)) for version, path in sorted(ups.items())]
    return Layout(tuple(found), tuple(rows.same_version(doubled)))


def _one(folder: Folder, version: int, path: Path, down: Path | None) -> Theirs:
    source, undo = folder.read(path), folder.read(down) if down else None
    stem = path.name.removesuffix(".sql").removesuffix(".up")
    sums = (hashlib.sha384(source.whole.encode()).hexdigest(),) if source else ()
    return Theirs(str(version), stem, path, _part(source), _part(undo), checksums=sums)


def _part(source: Source | None) -> Part | None:
    if source is None:
        return None
    part = source.part()
    return replace(part, transactional=False) if source.text.startswith(_OUTSIDE) else part


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of version, description, time, success and checksum, in the order of the versions."""
    failed = tuple(f"{version} ({description})" for version, description, _, success, _ in found if not success)
    applied = [
        rows.recorded(str(version), at, f"{version} ({description})", digest)
        for version, description, at, success, digest in found
        if success
    ]
    return Told(tuple(applied), failed=failed)


TOOL = Tool("sqlx", "sqlx", _read, TheirHistory("_sqlx_migrations", "sqlx", _told, "sqlx"), rows.leading_number)
