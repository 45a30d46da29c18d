"""Hazards of indexes and of what could be done CONCURRENTLY."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.locking import strongest, tables_stopped
from sqlmigrate.review.hazards.records import NEEDS_INDEX, Context, Found, Rule, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

_CREATE_INDEX = re.compile(r"\bINDEX\b(\s+IF\s+NOT\s+EXISTS)?", re.IGNORECASE)
_ALONE = "-- transactional: false\n"


def _not_concurrent(context: Context) -> Iterator[Found]:
    for one in context.statements:
        stopped = tables_stopped(one.locks)
        for name, properties in _indexes_made(context, one.statement.number):
            table = str(properties.get("table"))
            if table in stopped and one.scans:
                definition = _CREATE_INDEX.sub("INDEX CONCURRENTLY", str(properties["definition"]), count=1)
                mode = strongest(one)[table].mode
                seen = f"index {name} is built while {table} is locked in mode {mode}"
                seen += ", so reads wait too" if mode == "ACCESS EXCLUSIVE" else ""
                yield Found(one.statement.number, seen, (table,), f"{_ALONE}{definition};")


def _indexes_made(context: Context, number: int) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the indexes of a statement that belong to no constraint."""
    for one, name, properties in context.made("index"):
        if one.statement.number == number and "definition" in properties:
            yield name, dict(properties)


def _by_constraint(context: Context) -> Iterator[Found]:
    for one, name, properties in context.made("constraint"):
        table, definition = str(properties.get("table")), str(properties.get("definition"))
        kind = NEEDS_INDEX.match(definition)
        if kind is None or table not in {item.name for item in one.scans}:
            continue
        constraint = name.partition(" on ")[0]
        seen = f"{kind[1]} {constraint} builds its index under ACCESS EXCLUSIVE on {table}"
        rewrite = None
        if kind[1] != "EXCLUDE":
            columns = definition[kind.end() :].strip()
            rewrite = (
                f"{_ALONE}CREATE UNIQUE INDEX CONCURRENTLY {constraint} ON {table} {columns};\n"
                f"-- and then, which is quick:\n"
                f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {kind[1]} USING INDEX {constraint};"
            )
        yield Found(one.statement.number, seen, (table,), rewrite)


def _dropped_or_rebuilt(context: Context) -> Iterator[Found]:
    for one in context.statements:
        if one.command not in ("DROP INDEX", "REINDEX"):
            continue
        stopped = tables_stopped(one.taken)  # where the table is locked already, it changes nothing
        if stopped:
            words = " ".join(one.statement.text.split())
            rewrite = re.sub(
                r"^(DROP INDEX|REINDEX (?:\([^)]*\) )?\w+)", r"\1 CONCURRENTLY", words, flags=re.IGNORECASE
            )
            seen = f"{one.command} takes {listed(f'{lock.mode} on {lock.name}' for lock in stopped.values())}"
            yield Found(one.statement.number, seen, tuple(stopped), f"{_ALONE}{rewrite};")


def _detached(context: Context) -> Iterator[Found]:
    for one in context.statements:
        words = " ".join(one.statement.text.split())
        if one.command == "ALTER TABLE" and re.search(r"\bDETACH PARTITION\b", words, re.IGNORECASE):
            stopped = tables_stopped(one.locks)
            if stopped and not re.search(r"\b(CONCURRENTLY|FINALIZE)\b", words, re.IGNORECASE):
                seen = f"the partition is detached under ACCESS EXCLUSIVE on {listed(stopped)}"
                yield Found(one.statement.number, seen, tuple(stopped), f"{_ALONE}{words} CONCURRENTLY;")


def _refreshed(context: Context) -> Iterator[Found]:
    for one in context.statements:
        if one.command == "REFRESH MATERIALIZED VIEW":
            for name, lock in tables_stopped(one.locks, 8).items():
                words = " ".join(one.statement.text.split())
                rewrite = re.sub(r"(MATERIALIZED VIEW)", r"\1 CONCURRENTLY", words, count=1, flags=re.IGNORECASE)
                seen = f"{name} is filled anew under {lock.mode}"
                yield Found(one.statement.number, seen, (name,), f"{rewrite};  -- needs a unique index")


def _if_not_exists(context: Context) -> Iterator[Found]:
    for one in context.statements:
        node = context.node(one.statement.number, "index_stmt")
        if node is not None and node.concurrent and node.if_not_exists:
            name = node.idxname or "the index"
            rewrite = (
                f"DROP INDEX CONCURRENTLY IF EXISTS {name};\n"
                f"CREATE INDEX CONCURRENTLY {name} ON ...;  -- without IF NOT EXISTS"
            )
            yield Found(one.statement.number, f"{name} is made CONCURRENTLY and IF NOT EXISTS", (), rewrite)


RULES = (
    Rule(
        "H06",
        "index-not-concurrent",
        "an index is built without CONCURRENTLY",
        "danger",
        "CREATE INDEX on a table that is in use, without CONCURRENTLY.",
        "no row of the table can be written until the index is built, which takes time by size",
        "build it CONCURRENTLY, in a migration of its own that runs outside a transaction",
        _not_concurrent,
    ),
    Rule(
        "H07",
        "constraint-builds-index",
        "a constraint builds its index under ACCESS EXCLUSIVE",
        "danger",
        "A primary key, unique or exclusion constraint is added to a table that is in use, and builds its index at "
        "once.",
        "nobody reads or writes the table until the index is built, which takes time by size",
        "build the unique index CONCURRENTLY first, and make it the constraint's with USING INDEX; an exclusion "
        "constraint cannot: plan a moment for it",
        _by_constraint,
    ),
    Rule(
        "H08",
        "index-dropped-or-rebuilt",
        "DROP INDEX or REINDEX without CONCURRENTLY",
        "warning",
        "An index of a table that is in use is dropped or built anew without CONCURRENTLY.",
        "DROP INDEX waits for all that use the table, and everybody behind it waits too; REINDEX stops writes, and "
        "all queries that the index could serve, until it is built",
        "use CONCURRENTLY, in a migration of its own that runs outside a transaction",
        _dropped_or_rebuilt,
    ),
    Rule(
        "H09",
        "detach-not-concurrent",
        "DETACH PARTITION without CONCURRENTLY",
        "warning",
        "A partition is detached without CONCURRENTLY.",
        "reads and writes of the whole partitioned table wait",
        "use CONCURRENTLY, in a migration of its own that runs outside a transaction; it cannot be used where there "
        "is a default partition",
        _detached,
    ),
    Rule(
        "H10",
        "refresh-not-concurrent",
        "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
        "warning",
        "A materialized view is filled anew without CONCURRENTLY.",
        "nobody reads the view until its query has run",
        "use CONCURRENTLY; the view needs a unique index for it",
        _refreshed,
    ),
    Rule(
        "H42",
        "concurrently-if-not-exists",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
        "warning",
        "An index is made CONCURRENTLY, and only if there is none of that name.",
        "nothing; but a build that was stopped leaves an INVALID index of that name, over which this succeeds without "
        "building anything",
        "drop what is left over, and build it without IF NOT EXISTS",
        _if_not_exists,
    ),
)
