"""Read a database's schema from its catalogs into plain, comparable values."""

from __future__ import annotations

from sqlmigrate.catalog.read import Snapshot, read
from sqlmigrate.schema import Name, Schema, Value

__all__ = ["Name", "Schema", "Snapshot", "Value", "read"]
