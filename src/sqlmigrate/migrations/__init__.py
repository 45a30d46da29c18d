"""The files of a project: found, paired, checked and put in order."""

from __future__ import annotations

from sqlmigrate.migrations.files import BOOTSTRAP, PROOFS, SAMPLES, SQUASHED, load, of_project
from sqlmigrate.migrations.model import NO_ROLLBACK, Migration, Migrations, ScriptRun, migration_hash
from sqlmigrate.migrations.order import in_order

__all__ = [
    "BOOTSTRAP",
    "NO_ROLLBACK",
    "PROOFS",
    "SAMPLES",
    "SQUASHED",
    "Migration",
    "Migrations",
    "ScriptRun",
    "in_order",
    "load",
    "migration_hash",
    "of_project",
]
