"""Write the pair of a baseline, so that a kill leaves nothing that a second call does not complete."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlmigrate.errors import Error, Place, UsageError
from sqlmigrate.files import make_folder, read_bytes, write_new
from sqlmigrate.migrations import load

if TYPE_CHECKING:
    from pathlib import Path

    from sqlmigrate.migrations import Migration

_ID = re.compile(r"\w[\w.-]{0,199}")


def require_place(folder: Path, migration_id: str) -> None:
    """Refuse an id that is no name, and a folder with another migration; raises UsageError."""
    require_id(migration_id)
    others = [item.migration_id for item in load(folder).ordered] if folder.is_dir() else []
    if left := [name for name in others if name != migration_id]:
        raise UsageError(
            f"there are migrations in {folder} already, such as {left[0]}: a baseline is the first one",
            hint="to replace migrations by one, use --squash; to mark them in a database, `sqlmigrate mark`",
        )


def require_id(migration_id: str) -> None:
    """Refuse what cannot be an id; raises UsageError."""
    if not _ID.fullmatch(migration_id) or migration_id.endswith((".sql", ".rollback")):
        raise UsageError(
            f"{migration_id!r} is not an id for a baseline", hint="use letters, digits, underscores, dots and hyphens"
        )


def write(migration: Migration) -> list[Path]:
    """Write the two files, the script first, and give their paths.

    Each is written whole or not at all. What is there already and the same stays, so a call that was killed is made
    again. Raises Error where a file holds something else.
    """
    make_folder(migration.script.path.parent)
    written = []
    for script in migration.scripts():
        text = script.text or ""
        try:
            write_new(script.path, text)
        except FileExistsError:
            there = b""
            with suppress(OSError):
                there = read_bytes(script.path)
            if there != text.encode():
                raise Error(
                    "exists already, and is not what would be written",
                    place=Place(script.path),
                    hint="remove it, or choose another id",
                ) from None
        written.append(script.path)
    return written
