"""A database's schema as values: `read` it from the catalogs, `diff` two, and see by `meaning` which are the same."""

from __future__ import annotations

from sqlmigrate.schema.model import TABLE, Name, Schema, Value

__all__ = ["TABLE", "Name", "Schema", "Value"]
