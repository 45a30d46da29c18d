"""Before the first run in a database: look whether another tool has applied these migrations already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate import queries, yoyo_tables
from sqlmigrate.connection import as_login, relations
from sqlmigrate.errors import HistoryError
from sqlmigrate.sql.subject import quote

if TYPE_CHECKING:
    from sqlmigrate.connection import Connection
    from sqlmigrate.plan import Plan

_TOOLS = {
    "schema_migrations": "dbmate, golang-migrate or Rails",
    "flyway_schema_history": "Flyway",
    "alembic_version": "Alembic",
    "databasechangelog": "Liquibase",
    "goose_db_version": "goose",
    "atlas_schema_revisions": "Atlas",
    "_prisma_migrations": "Prisma",
    "_sqlx_migrations": "sqlx",
    "pgmigrations": "node-pg-migrate",
    "knex_migrations": "Knex",
    "django_migrations": "Django",
    "__EFMigrationsHistory": "Entity Framework",
}


def require_new(connection: Connection, schema: str, plan: Plan) -> tuple[str, ...]:
    """Say which other tools keep a history here, whose migrations would be run again unless they are marked.

    Raises HistoryError where yoyo has applied one of the plan: its files, ids and tables are ours.
    """
    hashes = [migration.migration_hash for migration in plan.steps]
    if found := yoyo_tables.not_adopted(connection, schema, hashes):
        place, row = found
        raise HistoryError(
            f"{row} is applied, says {place}, but sqlmigrate does not know it yet; nothing was run",
            hint=f"take yoyo's history over once: sqlmigrate mark --from yoyo --schema {place.schema}",
        )
    # where the login finds them by their bare names: what a platform keeps in schemas of its own says nothing
    with as_login(connection):
        oids = [oid for oid in relations(connection, *map(quote, _TOOLS)) if oid]
    tables = connection.execute(queries.load("history")["of_other_tools"], [oids]).fetchall()
    return tuple(
        f"{space}.{name} is the history of {_TOOLS[name]}: what was applied with it and is among these files would be "
        "run again; mark it first: sqlmigrate mark ID ..."
        for space, name in tables
    )
