"""Prisma Migrate: `TIME_name/migration.sql` (github.com/prisma/prisma-engines, schema-engine).

Built from its source and documentation, and not tried against the tool itself.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlmigrate.importing import rows
from sqlmigrate.importing.model import Layout, Theirs
from sqlmigrate.importing.tool import TheirHistory, Told, Tool
from sqlmigrate.importing.wrapping import outside_where_needed, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sqlmigrate.importing.folder import Folder
    from sqlmigrate.importing.model import Source
    from sqlmigrate.importing.tool import Known


def _read(folder: Folder) -> Layout:
    found = []
    for inner in folder.folders():
        if (path := inner / "migration.sql").is_file() and (source := folder.read(path)):
            up = outside_where_needed(unwrapped(source.part()))
            found.append(Theirs(inner.name, inner.name, path, up, checksums=_checksums(source)))
    return Layout(tuple(found))


def _checksums(source: Source) -> tuple[str, ...]:
    """Return what Prisma takes for the same: a file with the line ends of any system."""
    text = source.whole
    texts = (text, text.replace("\r\n", "\n"), text.replace("\n", "\r\n"))
    return tuple(hashlib.sha256(text.encode()).hexdigest() for text in dict.fromkeys(texts))


def _told(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of name, checksum, and when it was begun, finished and rolled back, in the order of the beginnings."""
    failed = tuple(name for name, _, ended, undone in found if ended is None and undone is None)
    done = [(name, digest, at) for name, digest, at, undone in found if at is not None and undone is None]
    return Told(tuple(rows.recorded(name, at, checksum=digest) for name, digest, at in done), failed=failed)


TOOL = Tool(
    "prisma",
    "Prisma",
    _read,
    TheirHistory("_prisma_migrations", "prisma", _told, "Prisma"),
    lambda migration_id: migration_id,
    folders=("prisma/migrations", "migrations"),
)
