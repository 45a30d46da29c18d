"""Tell whether a column went from timestamp to timestamptz, or the other way, and back without loss."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlmigrate import queries
from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.bodies import done
from sqlmigrate.sql.statement.parse import parse_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlmigrate.connection import Connection
    from sqlmigrate.migrations import Migration
    from sqlmigrate.sql.script import Script

TIMESTAMP, TIMESTAMPTZ = 1114, 1184
"""The oids of both types, which are the same on every server."""
_ALTER = re.compile(r"\balter\b", re.IGNORECASE)
_ZONE_FUNCTION = "timezone"


@dataclass(frozen=True, slots=True)
class Retyping:
    """A command that changes the type of a column; `zone` is that of `USING column AT TIME ZONE 'zone'`, and only that.

    Without USING it is the session's zone, which need not be the same on both ways: None.
    """

    table: tuple[str | None, str]
    column: str
    zone: str | None


def retypings(script: Script | None) -> Iterator[Retyping]:
    """Give the commands of a script that change a column's type, as far as they stand there."""
    for statement in script.statements() if script else ():
        for text in chain([statement.text], done(statement.text, _ALTER)):
            if leading_words(text, 2) == ["alter", "table"]:
                yield from _retypings_of(text)


def there_and_back(
    connection: Connection, migration: Migration, tables: Collection[tuple[str, str]], columns: Collection[str]
) -> bool:
    """Tell whether one command changes a column's type, another one changes it back, and both by one fixed zone.

    `tables` and `columns` are the names that the column has had.
    """
    found = [
        [
            item.zone
            for item in retypings(script)
            if item.column in columns and any(item.table in ((None, table[1]), table) for table in tables)
        ]
        for script in (migration.script, migration.rollback)
    ]
    if len(found[0]) != 1 or found[0] != found[1] or found[0][0] is None:
        return False
    row: Any = connection.execute(queries.load("roundtrip")["fixed_zone"], {"zone": found[0][0]}).fetchone()
    return bool(row[0])


def _retypings_of(statement: str) -> Iterator[Retyping]:
    tree = parse_tree(statement)
    if tree is None:
        return
    node = tree.stmts[0].stmt.alter_table_stmt
    for item in node.cmds:
        command = item.alter_table_cmd
        new = getattr(command, "def").column_def
        if command.name and new.HasField("type_name"):
            table = (node.relation.schemaname or None, node.relation.relname)
            yield Retyping(table, command.name, _zone(new.raw_default, command.name))


def _zone(using: Any, column: str) -> str | None:
    """Give the zone of `column AT TIME ZONE 'zone'`, which is parsed as timezone('zone', column)."""
    call = using.func_call
    if len(call.args) != 2 or call.funcname[-1].string.sval != _ZONE_FUNCTION:  # noqa: PLR2004
        return None
    zone, value = call.args
    names = [field.string.sval for field in value.column_ref.fields]
    return zone.a_const.sval.sval or None if names[-1:] == [column] else None
