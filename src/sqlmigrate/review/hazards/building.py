"""Hazards of indexes and of what could be done CONCURRENTLY."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.locking import strong_locks, strongest
from sqlmigrate.review.hazards.records import NEEDS_INDEX, Context, Occurrence, Rule, briefly
from sqlmigrate.sql.scan import skip_gap
from sqlmigrate.sql.statement.names import quote
from sqlmigrate.sql.statement.subject import detaches_at_once, index_built_if_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.hazards.remedies import Remedy
    from sqlmigrate.review.trace.readings import Relation
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

_CREATE_INDEX = re.compile(r"\bINDEX\b(\s+IF\s+NOT\s+EXISTS)?", re.IGNORECASE)
_ON_ONLY = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:\"(?:[^\"]|\"\")+\"|\S+) ON ONLY ")
_IF_NOT_EXISTS = re.compile(r"\s+IF\s+NOT\s+EXISTS\b", re.IGNORECASE)
_REINDEX = re.compile(r"^(REINDEX (?:\([^)]*\) )?\w+)", re.IGNORECASE)
_WHEN_CHECKED = re.compile(r"(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?$")
_OUTSIDE = "-- transactional: false\n"
_CONSTRAINT_BY_PARTITION = (
    "add it with ALTER TABLE ONLY to the partitioned table, build a unique index CONCURRENTLY for each partition, "
    "add it there as a constraint with USING INDEX, and attach these indexes with ALTER INDEX ... ATTACH PARTITION"
)
_PARTITION_BY_PARTITION = (
    "create it ON ONLY the partitioned table, build one CONCURRENTLY for each partition, in a migration of its own "
    "that runs outside a transaction, and attach them: the index is valid once all are attached"
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
            instead = _PARTITION_BY_PARTITION if _is_partitioned(properties) else None
            yield Occurrence(one.statement.number, seen, (lock.name,), _OUTSIDE + _built(name, made), instead=instead)


def _indexes_made(context: Context, number: int) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Yield the indexes of a statement that belong to no constraint."""
    for one, name, properties in context.made("index"):
        if one.statement.number == number and "definition" in properties:
            yield name, properties


def _is_partitioned(properties: Mapping[str, Value]) -> bool:
    """Whether an index is one of a partitioned table: PostgreSQL prints its definition with ON ONLY."""
    return bool(_ON_ONLY.match(str(properties.get("definition"))))


def _built(name: str, made: Mapping[str, Mapping[str, Value]]) -> str:
    """Return the SQL that builds an index CONCURRENTLY; that of a partitioned table partition by partition."""
    definition = str(made[name]["definition"])
    if not _is_partitioned(made[name]):
        return f"{_CREATE_INDEX.sub('INDEX CONCURRENTLY', definition, count=1)};"
    lines = [f"{definition};"]
    for part in (part for part, properties in made.items() if properties.get("partition of") == name):
        lines += [_built(part, made), f"ALTER INDEX {name} ATTACH PARTITION {part};"]
    return "\n".join(lines)


def _by_constraint(context: Context) -> Iterator[Occurrence]:
    for one, name, properties in context.made("constraint"):
        table, definition = str(properties.get("table")), str(properties.get("definition"))
        kind, relation = NEEDS_INDEX.match(definition), one.step.known.get(table)
        of_whole = f"constraint {properties.get('parent')}" in one.changes.made
        if kind is None or relation is None or of_whole or not _is_read(one, relation):
            continue
        constraint = name.partition(" on ")[0]
        seen = f"{kind[1]} {constraint} builds its index under ACCESS EXCLUSIVE on {table}"
        index = str(one.step.after.get(f"index {properties.get('index')}", {}).get("definition", ""))
        instead, rewrite = None, None
        if relation.kind == "partitioned table":
            instead = _CONSTRAINT_BY_PARTITION
        elif kind[1] != "EXCLUDE" and index:
            when = _WHEN_CHECKED.search(definition)
            rewrite = (
                f"{_OUTSIDE}{_CREATE_INDEX.sub('INDEX CONCURRENTLY', index, count=1)};\n"
                f"-- and then, which takes no time:\n"
                f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {kind[1]} USING INDEX {constraint}"
                f"{when[0] if when else ''};"
            )
        yield Occurrence(one.statement.number, seen, (relation.name,), rewrite, instead=instead)


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
            instead, rewrite = _rebuilt(one) if one.command == "REINDEX" else _dropped_slowly(one)
            seen = f"{one.command} takes {briefly(f'{lock.mode} on {lock.name}' for lock in stopped.values())}"
            yield Occurrence(one.statement.number, seen, tuple(stopped), rewrite, instead=instead)


def _words(one: Traced) -> str:
    """Return a statement without what stands before it, in one line."""
    return " ".join(one.statement.text[skip_gap(one.statement.text, 0) :].split())


def _rebuilt(one: Traced) -> Remedy:
    words = _REINDEX.sub(r"\1 CONCURRENTLY", _words(one), count=1)
    return None, f"{_OUTSIDE}{words};"


def _dropped_slowly(one: Traced) -> Remedy:
    """Return a DROP INDEX CONCURRENTLY for each index, since it takes one, and no CASCADE."""
    names = [text.removeprefix("index ") for text in one.changes.dropped if text.startswith("index ")]
    if any(_is_partitioned(one.step.before.get(f"index {name}", {})) for name in names):
        return "an index of a partitioned table cannot be dropped CONCURRENTLY: choose a quiet moment for it", None
    return None, _OUTSIDE + "\n".join(f"DROP INDEX CONCURRENTLY {name};" for name in names)


def _detached(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        words = _words(one)
        if one.command == "ALTER TABLE" and detaches_at_once(words) and (stopped := strong_locks(one.locks)):
            seen = f"the partition is detached under ACCESS EXCLUSIVE on {briefly(stopped)}"
            yield Occurrence(one.statement.number, seen, tuple(stopped), f"{_OUTSIDE}{words} CONCURRENTLY;")


def _refreshed(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if one.command == "REFRESH MATERIALIZED VIEW":
            for name, lock in strong_locks(one.locks, 8).items():
                rewrite = re.sub(r"(MATERIALIZED VIEW)", r"\1 CONCURRENTLY", _words(one), count=1, flags=re.IGNORECASE)
                seen = f"{name} is refreshed under {lock.mode}"
                # how long it takes is decided by what its query reads
                below = (lock.name for lock in one.locks if lock.kind in ("table", "partitioned table"))
                yield Occurrence(one.statement.number, seen, (name, *below), f"{rewrite};")


def _if_not_exists(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if index := index_built_if_missing(one.statement.text):
            name = quote(index.schema, index.name)
            rewrite = (
                f"{_OUTSIDE}DROP INDEX CONCURRENTLY IF EXISTS {name};\n{_IF_NOT_EXISTS.sub('', _words(one), count=1)};"
            )
            yield Occurrence(one.statement.number, f"{index.name} is made CONCURRENTLY and IF NOT EXISTS", (), rewrite)


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
