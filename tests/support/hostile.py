"""Objects that stand in the way of PostgreSQL's own: see `hostile.sql`."""

from __future__ import annotations

from pathlib import Path


def hostile_script(schema: str = "public") -> str:
    """Give the script that sets the traps in a schema; as a transaction, or as a migration."""
    return Path(__file__).with_suffix(".sql").read_text(encoding="utf-8").replace("hostile_place", schema)
