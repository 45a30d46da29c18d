"""Folders of migrations: what every test writes, whichever way it runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlmigrate import migrations
from sqlmigrate.migrations import Migrations


@dataclass(frozen=True)
class Pair:
    """The two files of a migration; `rollback` is None where there is none."""

    script: Path
    rollback: Path | None = None


class MigrationFiles:
    """The migrations in `directory`; files are written byte for byte as they are given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def migration(
        self, migration_id: str, text: str | bytes = "SELECT 1;\n", *, rollback: str | bytes | None = None
    ) -> Pair:
        """Write a migration and, where it is given, its rollback script."""
        script = self.file(f"{migration_id}.sql", text)
        return Pair(script, None if rollback is None else self.file(f"{migration_id}.rollback.sql", rollback))

    def tables(self, *ids: str, **names: str) -> None:
        """Write a migration for each id that makes a table of that name, or of the name that is given for the id."""
        for migration_id, name in {**{one: one for one in ids}, **names}.items():
            self.migration(migration_id, f'CREATE TABLE "{name}" ();\n', rollback=f'DROP TABLE "{name}";\n')

    def file(self, name: str, content: str | bytes = "") -> Path:
        """Write any file beside the migrations."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def load(self) -> Migrations:
        return migrations.load(self.directory)
