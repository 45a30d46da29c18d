"""Tell whether a column went from timestamp to timestamptz, or the other way, and back without loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmigrate import queries
from sqlmigrate.sql.statement.names import Named
from sqlmigrate.sql.statement.rows import Retyping, retypings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.migrations import Migration
    from sqlmigrate.sql.script import Script

TIMESTAMP, TIMESTAMPTZ = 1114, 1184
"""The oids of both types, which are the same on every server."""


def there_and_back(
    connection: Connection, migration: Migration, tables: Collection[tuple[str, str]], columns: Collection[str]
) -> bool:
    """Tell whether one command changes a column's type, another one changes it back, and both by one fixed zone.

    `tables` and `columns` are the names that the column has had.
    """
    names = {name for space, table in tables for name in (Named("", table), Named(space, table))}
    found = [
        [item.zone for item in _retypings_in(script) if item.column in columns and item.table in names]
        for script in (migration.script, migration.rollback)
    ]
    if len(found[0]) != 1 or found[0] != found[1] or found[0][0] is None:
        return False
    row: Any = connection.execute(queries.load("roundtrip")["fixed_zone"], {"zone": found[0][0]}).fetchone()
    return bool(row[0])


def _retypings_in(script: Script | None) -> Iterator[Retyping]:
    for statement in script.statements() if script else ():
        yield from retypings(statement.text)
