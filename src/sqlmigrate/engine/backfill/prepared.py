"""Prepare a batched statement, and refuse what would not work batch by batch: wrong types, or scans of all rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.connection import Command
from sqlmigrate.engine.backfill.aside import aside, ours
from sqlmigrate.engine.backfill.errors import failed, refused
from sqlmigrate.engine.backfill.key import NoKey, find_key
from sqlmigrate.engine.wire.pipeline import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.engine.backfill.key import Bounds, Key
    from sqlmigrate.engine.stepwise.journal import Sender
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement

_NAME = "sqlmigrate_batch"
_CONDITIONS = ("Index Cond", "TID Cond")
_SCANS = frozenset({"Seq Scan", "Sample Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan", "Tid Range Scan"})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that the server has prepared, with what sends it."""

    sender: Sender
    statement: Statement
    key: Key

    def step(self, bounds: Bounds | None) -> Step:
        """Return the step that runs it on the rows within bounds, on none where there are none."""
        nulls: list[str | None] = [None] * (2 * len(self.key.columns))
        values = [*bounds.first, *bounds.last] if bounds else nulls
        return Step(Command(self.statement.text, tuple(values), name=_NAME), self.statement)

    def explained(self, options: str, bounds: Bounds | None = None) -> sql.Composed:
        """Return the EXPLAIN of a batch, within bounds, or as it is planned for all of them."""
        nulls: list[str | None] = [None] * (2 * len(self.key.columns))
        values = sql.SQL(", ").join(map(sql.Literal, [*bounds.first, *bounds.last] if bounds else nulls))
        return sql.SQL("EXPLAIN ({}) EXECUTE {} ({})").format(sql.SQL(options), sql.Identifier(_NAME), values)

    def forget(self) -> None:
        """Free its name for the next statement of the script."""
        self.sender.send(Step(Command(f"DEALLOCATE {_NAME}")))

    def require_types(self) -> None:
        """Refuse parameters of another type than the key: an index would not be used, or values compare otherwise."""
        connection = self.sender.connection
        with ours(connection):
            found = connection.execute(queries.load("backfill")["parameters"], {"name": _NAME}).fetchall()
        for number, (oid, name) in enumerate(found):
            column = self.key.columns[number % len(self.key.columns)]
            if oid not in column.types:
                message = f"PostgreSQL takes ${number + 1} as {name}, and column {column.name} has another type"
                raise refused(
                    self.sender,
                    self.statement,
                    message,
                    "write the bounds without casts: `key >= $1 AND key <= $2`",
                )

    def require_index(self) -> None:
        """Refuse a plan in which a batch reads more of the table than what lies between its bounds."""
        connection = self.sender.connection
        nulls = ", ".join(["NULL"] * (2 * len(self.key.columns)))
        with aside(connection):
            query = f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {_NAME} ({nulls})"
            row = connection.execute(query.encode()).fetchone()
            lines = connection.execute(f"EXPLAIN (COSTS OFF) EXECUTE {_NAME} ({nulls})".encode()).fetchall()
        found = list(_scans(row[0][0]["Plan"])) if row else []
        scans = [conditions for relation, conditions in found if relation in self.key.family]
        if found and not scans:
            message = f"the statement reads another table than {self.key.table.as_string()}"
            raise refused(self.sender, self.statement, message, "write the schema of the table in both")
        last = f"${2 * len(self.key.columns)}"
        bounded = any("$1" in text and last in text for conditions in scans for text in conditions)
        if scans and (not bounded or not all(scans)):
            plan = "\n".join(f"  {line[0]}" for line in lines)
            message = f"each batch would read the whole table, by this plan:\n{plan}"
            hint = "compare the columns of the key themselves with the bounds, and run ANALYZE on the table"
            raise refused(self.sender, self.statement, message, hint)


def prepare(sender: Sender, statement: Statement, batched: Batched) -> Prepared:
    """Prepare a batched statement under the settings of now; raises ExecutionError where it cannot run in batches."""
    try:
        prepared = Prepared(sender, statement, find_key(sender.connection, batched))
        sender.send(Step(Command(sender.job.command(statement).sql, name=_NAME), statement))
        prepared.require_types()
        prepared.require_index()
    except NoKey as error:
        raise refused(sender, statement, error.message, error.hint) from None
    except psycopg.Error as error:
        raise failed(sender, statement, error) from None
    return prepared


def _scans(plan: dict[str, Any]) -> Iterator[tuple[tuple[str, str], list[str]]]:
    """Yield the scans of a plan: the relation, and the conditions by which it is entered, none where it is read whole.

    The node of an UPDATE or DELETE names its relation too, and scans nothing.
    """
    if plan["Node Type"] in _SCANS and "Relation Name" in plan:
        below = [plan, *_bitmaps(plan)]
        conditions = [node[name] for node in below for name in _CONDITIONS if name in node]
        yield (plan.get("Schema", ""), plan["Relation Name"]), conditions
    for child in plan.get("Plans", ()):
        yield from _scans(child)


def _bitmaps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for child in plan.get("Plans", ()):
        if child["Node Type"].startswith("Bitmap"):
            yield child
            yield from _bitmaps(child)
