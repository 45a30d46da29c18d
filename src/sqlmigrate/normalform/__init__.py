"""Compare definitions by what they mean: PostgreSQL makes both anew, and prints both alike."""

from __future__ import annotations

from sqlmigrate.normalform.workshop import without_equal

__all__ = ["without_equal"]
