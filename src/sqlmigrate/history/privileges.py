"""Who may do what to the tables and schemas that we make.

Default privileges (`ALTER DEFAULT PRIVILEGES`) are meant for other tables of the role. Whoever may write to ours, or
create something beside them, decides what is applied: so whoever makes them takes these rights back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Iterable


def new_schema(schema: str) -> sql.Composed:
    """Return the commands that make a schema, in which nobody but its owner may create anything."""
    made = sql.SQL("CREATE SCHEMA {}; ").format(sql.Identifier(schema))
    return made + owners_schema(schema)


def owners_schema(schema: str) -> sql.Composed:
    """Return the command that takes the right to create something in a new schema from all but its owner."""
    return _each("create_in_schema", schema)


def only_to_read(schema: str, tables: Iterable[str]) -> sql.Composed:
    """Return the command that leaves others than the owner nothing but to read new tables, and their sequences."""
    return _each("not_to_read", schema, tables=sql.Literal(list(tables)))


def as_the_log(schema: str, table: str) -> sql.Composed:
    """Return the command that gives a new table to the owner of the log, with the rights that others have there."""
    return _each("as_the_log", schema, name=sql.Literal(table))


def dollar_quote(text: str) -> str:
    """Return dollar quotes for a DO block that a text in it cannot end."""
    tag = "$do$"
    while tag in text:
        tag = f"{tag[:-1]}_$"
    return tag


def _each(name: str, schema: str, /, **values: sql.Composable) -> sql.Composed:
    """Return a DO block that runs each command that a query gives; it can have no parameters."""
    query = sql.SQL(queries.load("privileges")[name]).format(space=sql.Literal(schema), **values)
    tag = dollar_quote(query.as_string())
    head = f"DO {tag} DECLARE next_command pg_catalog.text; BEGIN\nFOR next_command IN\n"
    return sql.SQL(head) + query + sql.SQL(f"\nLOOP EXECUTE next_command; END LOOP;\nEND {tag}")
