"""Hazards of indexes and of what could be done CONCURRENTLY."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.locking import strong_locks, strongest
from sqlmigrate.review.hazards.records import NEEDS_INDEX, Context, Occurrence, Rule, briefly
from sqlmigrate.review.hazards.remedies import constraints, indexes
from sqlmigrate.review.hazards.remedies.phases import Command, Phases
from sqlmigrate.review.hazards.remedies.tables import online
from sqlmigrate.sql.statement import instead
from sqlmigrate.sql.statement.subject import detaches_at_once, index_built_if_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.hazards.remedies import Instead
    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.readings import Relation
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

_CONSTRAINT_BY_PARTITION = (
    "add it with ALTER TABLE ONLY to the partitioned table, build a unique index CONCURRENTLY for each partition, "
    "add it there as a constraint with USING INDEX, and attach these indexes with ALTER INDEX ... ATTACH PARTITION"
)
_PARTITION_BY_PARTITION = (
    "create it ON ONLY the partitioned table, build one CONCURRENTLY for each partition, in a migration of its own "
    "that runs outside a transaction, and attach them: the index is valid once all are attached"
)
_NULLABLE_KEY = (
    "make its columns NOT NULL first, proven by a check that is validated; build the unique index CONCURRENTLY, and "
    "then add the primary key with USING INDEX, which then reads nothing"
)
_EXCLUDED = (
    "an exclusion constraint can take no index that was built before: choose a quiet moment, or have the application "
    "watch over it by a unique index or a trigger"
)
_NEEDS_UNIQUE = (
    "give the view a unique index on the columns that tell its rows apart, built CONCURRENTLY, and refresh it "
    "CONCURRENTLY from then on"
)


def _not_concurrent(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        locked, made = strongest(one), dict(_indexes_made(context, one.statement.number))
        for name, properties in made.items():
            table = str(properties.get("table"))
            relation = one.step.known.get(table)
            lock = locked.get(relation.name) if relation else None
            if lock is None or not one.scans or properties.get("partition of") in made:
                continue
            seen = f"index {name} is built while {table} is locked in mode {lock.mode}"
            seen += ", so reads wait too" if lock.mode == "ACCESS EXCLUSIVE" else ""
            words = _PARTITION_BY_PARTITION if indexes.is_partitioned(properties) else None
            yield Occurrence(
                statement=one.statement.number,
                seen=seen,
                relations=(lock.name,),
                rewrite=_as_rewrite(indexes.built(iter((name,)), made)),
                instead=words,
            )


def _as_rewrite(remedy: Remedy | None) -> tuple[Remedy, ...]:
    return (remedy,) if remedy else ()


def _indexes_made(context: Context, number: int) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Yield the indexes of a statement that belong to no constraint."""
    for one, name, properties in context.made("index"):
        if one.statement.number == number and "definition" in properties:
            yield name, properties


def _by_constraint(context: Context) -> Iterator[Occurrence]:
    for one, name, properties in context.made("constraint"):
        table, definition = str(properties.get("table")), str(properties.get("definition"))
        kind, relation = NEEDS_INDEX.match(definition), one.step.known.get(table)
        of_whole = f"constraint {properties.get('parent')}" in one.changes.made
        if kind is None or relation is None or of_whole or not _is_read(one, relation):
            continue
        constraint = name.partition(" on ")[0]
        seen = f"{kind[1]} {constraint} builds its index under ACCESS EXCLUSIVE on {table}"
        words = _EXCLUDED if kind[1] == "EXCLUDE" else None
        if relation.kind == "partitioned table":
            words = _CONSTRAINT_BY_PARTITION if kind[1] != "EXCLUDE" else words
        elif kind[1] == "PRIMARY KEY" and _has_nullable(one, table, definition):
            words = _NULLABLE_KEY
        yield Occurrence(one.statement.number, seen, (relation.name,), online(one), instead=words)


def _has_nullable(one: Traced, table: str, definition: str) -> bool:
    columns = (one.step.before.get(f"column {table}.{column}") for column in constraints.key_columns(definition))
    return any(column is not None and not column.get("not null") for column in columns)


def _is_read(one: Traced, relation: Relation) -> bool:
    """Whether a statement reads a table from end to end; of a partitioned one, any of its partitions."""
    return relation in one.scans or (relation.kind == "partitioned table" and bool(one.scans))


def _dropped_or_rebuilt(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if one.command not in ("DROP INDEX", "REINDEX"):
            continue
        # where the table is locked already, it changes nothing; where it goes afterwards, nobody is kept from it
        stopped = {
            name: lock
            for name, lock in strong_locks(one.taken).items()
            if name not in context.existing or not context.goes(context.existing[name], one)
        }
        if stopped:
            words, rewrite = _slowly(one) if one.command == "REINDEX" else _dropped_slowly(one)
            seen = f"{one.command} takes {briefly(f'{lock.mode} on {lock.name}' for lock in stopped.values())}"
            yield Occurrence(one.statement.number, seen, tuple(stopped), rewrite, instead=words)


def _slowly(one: Traced) -> Instead:
    return None, _as_rewrite(indexes.slowly(one))


def _dropped_slowly(one: Traced) -> Instead:
    names = [text for text in one.changes.dropped if text.startswith("index ")]
    if any(indexes.is_partitioned(one.step.before.get(name, {})) for name in names):
        return "an index of a partitioned table cannot be dropped CONCURRENTLY: choose a quiet moment for it", ()
    return None, _as_rewrite(indexes.dropped(one))


def _detached(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if (
            one.command == "ALTER TABLE"
            and detaches_at_once(one.statement.text)
            and (stopped := strong_locks(one.locks))
        ):
            seen = f"the partition is detached under ACCESS EXCLUSIVE on {briefly(stopped)}"
            yield Occurrence(one.statement.number, seen, tuple(stopped), indexes.detached(one))


def _refreshed(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if one.command != "REFRESH MATERIALIZED VIEW":
            continue
        for name, lock in strong_locks(one.locks, 8).items():
            view = one.step.name_of(context.existing[name])
            has_index = any(
                index.get("table") == view and str(index.get("definition")).startswith("CREATE UNIQUE")
                for index in one.step.before.of("index").values()
            )
            # how long it takes is decided by what its query reads
            below = (lock.name for lock in one.locks if lock.kind in ("table", "partitioned table"))
            yield Occurrence(
                statement=one.statement.number,
                seen=f"{name} is refreshed under {lock.mode}",
                relations=(name, *below),
                rewrite=indexes.refreshed(one, view, has_index=has_index),
                instead=None if has_index else _NEEDS_UNIQUE,
            )


def _if_not_exists(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        index = index_built_if_missing(one.statement.text)
        anyway = instead.built_anyway(one.statement.text, indexes.resolver(one)) if index else None
        if index and anyway:
            drop = f"DROP INDEX CONCURRENTLY IF EXISTS {anyway[0]}"
            phases = Phases(online=[Command(drop), Command(anyway[1], drop)])
            seen = f"{index.name} is made CONCURRENTLY and IF NOT EXISTS"
            yield Occurrence(one.statement.number, seen, (), _as_rewrite(phases.remedy()))


RULES = (
    Rule(
        "H06",
        "index-not-concurrent",
        "an index is built without CONCURRENTLY",
        "danger",
        "CREATE INDEX on a table that is in use, without CONCURRENTLY.",
        "nobody can write to the table until the index is built, which takes time in proportion to the table's size",
        "build it CONCURRENTLY, in a migration of its own that runs outside a transaction",
        _not_concurrent,
        scale="work",
    ),
    Rule(
        "H07",
        "constraint-builds-index",
        "a constraint builds its index under ACCESS EXCLUSIVE",
        "danger",
        "A primary key, unique or exclusion constraint is added to a table that is in use, and builds its index "
        "right away.",
        "nobody can read or write the table until the index is built, which takes time in proportion to the table's "
        "size",
        "build the unique index CONCURRENTLY first, and then add the constraint with USING INDEX. An exclusion "
        "constraint cannot do that: choose a quiet moment for it",
        _by_constraint,
        scale="work",
    ),
    Rule(
        "H08",
        "index-dropped-or-rebuilt",
        "DROP INDEX or REINDEX without CONCURRENTLY",
        "warning",
        "An index of a table that is in use is dropped or rebuilt without CONCURRENTLY.",
        "DROP INDEX waits for everybody who uses the table, and whoever comes after it waits too; REINDEX stops "
        "writes, and all queries that the index could serve, until the index is built",
        "use CONCURRENTLY, in a migration of its own that runs outside a transaction",
        _dropped_or_rebuilt,
        scale="work",
    ),
    Rule(
        "H09",
        "detach-not-concurrent",
        "DETACH PARTITION without CONCURRENTLY",
        "warning",
        "A partition is detached without CONCURRENTLY.",
        "reads and writes of the whole partitioned table wait",
        "use CONCURRENTLY, in a migration of its own that runs outside a transaction; this is not possible if there "
        "is a default partition",
        _detached,
        scale="lock",
    ),
    Rule(
        "H10",
        "refresh-not-concurrent",
        "REFRESH MATERIALIZED VIEW without CONCURRENTLY",
        "warning",
        "A materialized view is refreshed without CONCURRENTLY.",
        "nobody can read the view until its query has run",
        "use CONCURRENTLY; the view needs a unique index for it",
        _refreshed,
        scale="work",
    ),
    Rule(
        "H42",
        "concurrently-if-not-exists",
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS",
        "warning",
        "An index is built CONCURRENTLY, but only if there is none of that name.",
        "nothing; but an interrupted build leaves an INVALID index of that name, and then this statement succeeds "
        "without building anything",
        "drop any leftover index, and build the index without IF NOT EXISTS",
        _if_not_exists,
    ),
)
