"""The files of a project: found, paired, checked and put in order."""

from __future__ import annotations

from sqlmigrate.migrations.files import (
    BOOTSTRAP,
    NO_ROLLBACK,
    PROOFS,
    SAMPLES,
    Migration,
    Migrations,
    in_order,
    load,
    migration_hash,
)

__all__ = [
    "BOOTSTRAP",
    "NO_ROLLBACK",
    "PROOFS",
    "SAMPLES",
    "Migration",
    "Migrations",
    "in_order",
    "load",
    "migration_hash",
]
