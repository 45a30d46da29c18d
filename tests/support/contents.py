"""What is in the database of a test."""

from __future__ import annotations

from fixtures.postgres import Database


def tables(database: Database) -> list[str]:
    """Give the names of the tables in schema public."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    return [name for (name,) in database.connect().execute(query)]


def applied(database: Database) -> list[str]:
    """Give the ids that the history says are applied, in the order of their application."""
    query = "SELECT migration_id FROM sqlmigrate._yoyo_migration JOIN sqlmigrate.applied USING (migration_hash)"
    return [name for (name,) in database.connect().execute(f"{query} ORDER BY seq")]


def has_history(database: Database) -> bool:
    """Tell whether anything of ours was ever written here."""
    row = database.connect().execute("SELECT pg_catalog.to_regnamespace('sqlmigrate') IS NOT NULL").fetchone()
    assert row is not None
    return bool(row[0])
