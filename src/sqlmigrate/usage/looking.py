"""Look for the use of all that a script drops or renames, in one transaction that writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.rows import tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error
from sqlmigrate.files.patterns import NOTHING
from sqlmigrate.sql.statement.removals import may_remove
from sqlmigrate.usage.counted import read_counted
from sqlmigrate.usage.finding import find_use
from sqlmigrate.usage.found import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from sqlmigrate.connection import Connection
    from sqlmigrate.files.patterns import Hidden
    from sqlmigrate.sql.script import Script
    from sqlmigrate.sql.statement.names import Named
    from sqlmigrate.sql.statement.removals import Removals
    from sqlmigrate.usage.counted import Counted
    from sqlmigrate.usage.model import Use

_LIMITS = (500, 30_000)  # milliseconds


@dataclass(frozen=True, slots=True)
class Condition:
    """A script of a run, with the role and the search_path that it runs under; None is the login's own."""

    script: Script
    role: str | None = None
    path: str | None = None


@dataclass(slots=True)
class Earlier:
    """What the scripts of a run do up to one of them: what they drop or replace, and what they rename things to."""

    spared: set[Named] = field(default_factory=set)
    renamed: set[tuple[str, str]] = field(default_factory=set)

    def before(self, removals: Removals) -> None:
        """Take what a script takes away: to what it does itself, that is no use of its objects either."""
        dropped = {one.name for one in removals.objects if one.how == "drops" and one.kind in ("relation", "routine")}
        self.spared |= removals.routines | dropped

    def after(self, removals: Removals) -> None:
        """Take the names that a script makes."""
        self.renamed |= removals.made


def look(
    connection: Connection,
    item: Condition,
    removals: Removals,
    earlier: Earlier,
    time: timedelta,
    counts: Callable[[Connection], Counted | str] | None = None,
    hidden: Hidden = NOTHING,
) -> tuple[list[Use], list[str]]:
    """Ask the database, in one transaction that writes nothing; give the uses, and why something cannot be told.

    `counts` gives what pg_stat_statements has counted; statements that a pattern of `hidden` finds are not shown.
    """

    def read() -> tuple[list[Use], list[str]]:
        unclear: list[str] = []
        catalog = Catalog(connection, path_of(connection, item))
        start = catalog.counters["read_at"] - time
        unclear += (
            f"the script calls {row['name']}(), which may drop or rename something"
            for row in catalog.rows("called", names=sorted(removals.called))
            if may_remove(row["body"])
        )
        found = []
        for removed in removals.objects:
            objects = list(catalog.find(removed))
            found += objects
            if not objects and earlier.renamed & {(removed.name.name, ""), (removed.name.name, removed.part)}:
                unclear.append(f"line {removed.line}: {removed} gets its name in an earlier script of this run")
        counted = (counts or counted_or_why)(connection) if any(one.kind != "index" for one in found) else ""
        return [
            find_use(catalog, one, counted, start=start, spared=earlier.spared, hidden=hidden) for one in found
        ], unclear

    return connections.look(connection, read, limits=_LIMITS)


def counted_or_why(connection: Connection) -> Counted | str:
    """Read what pg_stat_statements has counted, or say why it cannot be read; the transaction goes on."""
    try:
        with connection.transaction():
            return read_counted(connection)
    except Error as error:
        return error.message


@connections.careful()
def path_of(connection: Connection, item: Condition) -> list[str]:
    """Return the schemas in which a script looks up bare names, the first one first; in the open transaction."""
    with connections.as_login(connection):
        if item.path is not None:
            connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [item.path])
        if item.role is not None:
            connections.set_role(connection, item.role)
        row = connection.cursor(row_factory=tuple_row).execute(queries.load("usage")["path"].encode()).fetchone()
        if item.role is not None:
            connection.execute("RESET ROLE")
    return list(row[0] if row else ())
