"""Compare definitions by what they mean: PostgreSQL recreates both, and prints both alike."""

from __future__ import annotations

from sqlmigrate.schema.meaning.workshop import without_equal

__all__ = ["without_equal"]
