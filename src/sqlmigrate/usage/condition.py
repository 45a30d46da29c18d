"""The condition `-- sqlmigrate: unused-for=14d`: what its script drops or renames was not used for so long."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
from psycopg.rows import tuple_row

from sqlmigrate import connection as connections
from sqlmigrate import queries
from sqlmigrate.errors import Error, redact
from sqlmigrate.sql.directives import format_duration
from sqlmigrate.sql.statement.removals import may_remove, removals_of
from sqlmigrate.usage.counted import read_counted
from sqlmigrate.usage.finding import find_use
from sqlmigrate.usage.found import Catalog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.script import Script
    from sqlmigrate.sql.statement.names import Named
    from sqlmigrate.sql.statement.removals import Removals
    from sqlmigrate.usage.counted import Counted
    from sqlmigrate.usage.model import Use

_LOCK_TIMEOUT, _STATEMENT_TIMEOUT = 500, 30_000  # milliseconds
_USED = (
    "once nothing uses it any more, start counting anew (SELECT pg_stat_statements_reset()), and run this again when "
    "the time is over"
)
_UNKNOWN = "see docs/workload.md for what each of these needs; without `unused-for` in the file nothing is asked"


@dataclass(frozen=True, slots=True)
class Condition:
    """A script of a run, with the role and the search_path that it runs under; None is the login's own."""

    script: Script
    role: str | None = None
    path: str | None = None


@dataclass(slots=True)
class _Earlier:
    """What the scripts of a run do up to one of them: what they drop or replace, and what they rename things to."""

    spared: set[Named] = field(default_factory=set)
    renamed: set[tuple[str, str]] = field(default_factory=set)


def require_unused(connection: Connection, run: Sequence[Condition], outcome: str) -> list[str]:
    """Refuse a run of scripts where the `unused-for` of one does not hold; return what is to be said where all do.

    The database is only read. `outcome` says in the error what did not happen. Raises Error.
    """
    if not any(item.script.directives.unused_for for item in run):
        return []
    said: list[str] = []
    earlier = _Earlier()
    for item in run:
        removals = removals_of(item.script)
        dropped = {one.name for one in removals.objects if one.how == "drops" and one.kind in ("relation", "routine")}
        earlier.spared |= removals.routines | dropped
        if item.script.directives.unused_for:
            said += _required(connection, item, removals, earlier, outcome)
        earlier.renamed |= removals.made
    return said


def _required(
    connection: Connection, item: Condition, removals: Removals, earlier: _Earlier, outcome: str
) -> Iterator[str]:
    milliseconds = item.script.directives.unused_for or 0
    place = item.script.directive_place("unused-for")
    asked = f"unused-for={format_duration(milliseconds)}"
    try:
        uses, unclear = _asked(connection, item, removals, earlier, timedelta(milliseconds=milliseconds))
    except psycopg.Error as error:
        reason = error.diag.message_primary or redact(str(error).strip())
        uses, unclear = [], [f"the database could not be asked: {reason}"]
    used = [str(use) for use in uses if use.verdict == "used"]
    unknown = [*removals.unclear, *unclear, *(str(use) for use in uses if use.verdict == "unknown")]
    if used or unknown:
        reasons = "".join(f"\n  {reason}" for reason in [*used, *unknown])
        holds = "does not hold" if used else "cannot be told"
        raise Error(f"the condition {asked} {holds}; {outcome}{reasons}", place=place, hint=_USED if used else _UNKNOWN)
    for use in uses:
        yield "; ".join([f"{place.path.name}: {asked} holds: {use}", *use.notes])
    if not uses:
        nothing = "nothing of what it drops or renames is there yet" if removals.objects else "it drops nothing"
        yield f"{place.path.name}: {asked} asks nothing of this script: {nothing}"


def _asked(
    connection: Connection, item: Condition, removals: Removals, earlier: _Earlier, time: timedelta
) -> tuple[list[Use], list[str]]:
    """Ask the database, in one transaction that writes nothing; give the uses, and why something cannot be told."""
    unclear: list[str] = []
    uses: list[Use] = []
    with connection.transaction(force_rollback=True):
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connections.limit(connection, lock_timeout=_LOCK_TIMEOUT, statement_timeout=_STATEMENT_TIMEOUT)
        catalog = Catalog(connection, _path(connection, item))
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
        counted = counted_or_why(connection) if any(one.kind != "index" for one in found) else ""
        uses += (find_use(catalog, one, counted, start=start, spared=earlier.spared) for one in found)
    return uses, unclear


def counted_or_why(connection: Connection) -> Counted | str:
    """Read what pg_stat_statements has counted, or say why it cannot be read; the transaction goes on."""
    try:
        with connection.transaction():
            return read_counted(connection)
    except Error as error:
        return error.message


def _path(connection: Connection, item: Condition) -> list[str]:
    """Return the schemas in which the script looks up bare names, the first one first."""
    with connections.as_login(connection):
        if item.path is not None:
            connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", [item.path])
        if item.role is not None:
            connections.set_role(connection, item.role)
        row = connection.cursor(row_factory=tuple_row).execute(queries.load("usage")["path"].encode()).fetchone()
        if item.role is not None:
            connection.execute("RESET ROLE")
    return list(row[0] if row else ())
