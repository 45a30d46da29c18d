"""A first migration from what is there: the schema of a live database (`live`), or migrations in one (`squash`)."""

from __future__ import annotations

from sqlmigrate.importing.baseline.live import Baseline, from_live
from sqlmigrate.importing.baseline.squash import Squash, finish, replace_files, squashed
from sqlmigrate.importing.baseline.writing import write

__all__ = ["Baseline", "Squash", "finish", "from_live", "replace_files", "squashed", "write"]
