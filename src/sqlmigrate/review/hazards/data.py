"""Hazards for rows, and for the application that runs meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import ExecutionError
from sqlmigrate.review.hazards.failing import ids_by_hand, may_fail
from sqlmigrate.review.hazards.records import NOW, Context, Occurrence, Rule, briefly
from sqlmigrate.review.hazards.remedies.batching import batched
from sqlmigrate.review.hazards.remedies.drops import by_name
from sqlmigrate.review.hazards.remedies.phases import one_file
from sqlmigrate.review.hazards.remedies.tables import online
from sqlmigrate.review.hazards.working import many_rows
from sqlmigrate.sql.statement.command import HIDING
from sqlmigrate.sql.statement.effect import says_cascade
from sqlmigrate.sql.statement.rows import changes_columns_later, enum_change, written_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

_HOLDERS = ("table", "column", "materialized view")
_KNOWN_BY_NAME = (
    "table", "column", "view", "materialized view", "foreign table", "schema", "function", "procedure", "sequence",
    "type",
)  # fmt: skip
_CALLED = (
    "view", "foreign table", "function", "procedure", "aggregate", "sequence", "type", "domain", "schema", "extension",
)  # fmt: skip
_RELATIONS = ("table", "view", "materialized view", "foreign table", "sequence")
_SHOWN = 20  # objects in a sentence; the statement's own list has all of them
_UNSAFE_NEW_VALUE = "55P04"


def _all_rows(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        number = one.statement.number
        if one.command == "TRUNCATE":
            tables = tuple(lock.name for lock in one.locks if lock.level == 8)  # noqa: PLR2004  ACCESS EXCLUSIVE
            if tables:
                yield Occurrence(number, f"TRUNCATE empties {briefly(tables)} under ACCESS EXCLUSIVE", tables)
            continue
        whole = False
        for command, table in written_whole(one.statement.text):
            if target := existing(one, table.quoted):
                whole = True
                how = "TRUNCATE in a DO block" if command == "TRUNCATE" else f"{command} without WHERE"
                seen = f"{how}: every row of {target} is written"
                yield Occurrence(number, seen, (target,), batched(one))
        if not whole:
            yield from many_rows(context, one)


def existing(one: Traced, name: str) -> str | None:
    """Find the relation of a name as a statement uses it, and give the name that it had before the script.

    It is looked for by its full name, or among those that the statement locks.
    """
    if name in one.step.known:
        return one.step.known[name].name
    locked = {lock.name for lock in (*one.locks, *one.held)}
    found = (item for called, item in one.step.known.items() if called.rpartition(".")[2] == name)
    return next((item.name for item in found if item.name in locked), None)


def _dropped(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        lost = [text for text in one.changes.lost if text.startswith(tuple(f"{kind} " for kind in _HOLDERS))]
        if lost:
            tables = _original(one, map(_table_of, lost))
            severity: Severity | None = "note" if context.trace.script_run.operation == "rollback" else None
            yield Occurrence(
                statement=one.statement.number,
                seen=f"dropped with all its data: {briefly(lost, _SHOWN)}",
                relations=tables,
                rewrite=None,
                severity=severity,
            )


def _original(one: Traced, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names that relations had before the script, as the target has them."""
    return tuple(one.step.known[name].name if name in one.step.known else name for name in names)


def _table_of(text: str) -> str:
    name = text.partition(" ")[2].removeprefix("view ")
    return name.rpartition(".")[0] if text.startswith("column ") else name


def _used_dropped(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        lost = [
            text for text in one.changes.lost if _is_used(one.step.before, text) and not comes_back(context.after, text)
        ]
        if lost:
            severity: Severity | None = "note" if context.trace.script_run.operation == "rollback" else None
            yield Occurrence(
                statement=one.statement.number,
                seen=f"dropped: {briefly(lost, _SHOWN)}",
                relations=(),
                rewrite=None,
                severity=severity,
            )


def _is_used(before: State, text: str) -> bool:
    """Whether something is used by its own name: a sequence that a column owns goes with it."""
    return text.startswith(tuple(f"{kind} " for kind in _CALLED)) and not before.get(text, {}).get("owned by")


def comes_back(after: State, text: str) -> bool:
    """Whether something is there behind the script that answers to the name; of a relation, any kind of relation."""
    kind, name = parted(text)
    return any(f"{other} {name}" in after for other in (_RELATIONS if kind in _RELATIONS else (kind,)))


def parted(text: str) -> tuple[str, str]:
    """Take an object in words apart: its kind, and its name."""
    kind = next((kind for kind in _KNOWN_BY_NAME if text.startswith(f"{kind} ")), text.partition(" ")[0])
    return kind, text[len(kind) + 1 :]


def _cascade(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if one.plain or not says_cascade(one.statement.text) or not one.command.startswith(("DROP", "ALTER", "DO")):
            continue
        words = set(re.findall(r"[\w$]+", one.statement.text.lower()))
        along = _along(one, {text for text in one.changes.dropped if _is_named(text, words)})
        victims = [text for text in one.changes.dropped if text not in along]
        if victims:
            remedy = by_name(one, victims) if one.command.startswith("DROP") else None
            rewrite = (remedy,) if remedy else ()
            yield Occurrence(one.statement.number, f"CASCADE also drops {briefly(victims, _SHOWN)}", (), rewrite)


def _is_named(text: str, words: set[str]) -> bool:
    """Whether a statement that has these words names a dropped object itself."""
    name = text.partition(" ")[2].partition(" on ")[0].partition("(")[0]
    return name.rpartition(".")[2].strip('"').lower() in words


def _along(one: Traced, named: set[str]) -> set[str]:
    """Add what goes with the named objects without any CASCADE: parts, owned sequences, partitions, their parts."""
    before, along = one.step.before, set(named)
    tables = {str(before.get(text, {}).get("table")) for text in named}  # a part's: what else of it goes, goes with it
    while True:
        more = {text for text in one.changes.dropped if text not in along and _owner(before, text, tables) in along}
        more |= {
            text for text in one.changes.dropped if text not in along and before.get(text, {}).get("table") in tables
        }
        if not more:
            return along
        along |= more


def _owner(before: State, text: str, tables: set[str]) -> str | None:
    """Return what an object goes with, as far as there is something."""
    properties = before.get(text, {})
    if owner := properties.get("owned by"):
        column = f"column {owner}"
        table = str(owner).rpartition(".")[0]
        return column if table in tables else f"table {table}"
    if text.startswith("index ") and (whole := properties.get("partition of")):
        return f"index {whole}"
    if whole := properties.get("partition of"):
        return f"table {whole[0]}" if isinstance(whole, tuple) else f"table {whole}"
    return f"table {properties['table']}" if "table" in properties else None


def _renamed(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        for text in one.changes.changed:
            match = NOW.match(text)
            if match is None or not _was_there(context, one, f"{match[1]} {match[2]}"):
                continue
            old, new = f"{match[1]} {match[2]}", match[3]
            if _is_called_by_name(old, new) and not (match[1] in _RELATIONS and comes_back(context.after, old)):
                tables = _inside(one, new) if match[1] == "schema" else _original(one, [_table_of(old)])
                yield Occurrence(one.statement.number, f"{old} is renamed to {new}", tables)
        change = enum_change(one.statement.text)
        if change is not None and change.old:
            yield Occurrence(one.statement.number, f"value {change.old!r} of an enum is called {change.new!r} now")


def _inside(one: Traced, schema: str) -> tuple[str, ...]:
    """Return the relations of a schema, by the names that they had before the script."""
    return tuple(item.name for name, item in one.step.known.items() if name.startswith(f"{schema}."))


def _was_there(context: Context, one: Traced, text: str) -> bool:
    """Whether something was there before the script, perhaps by another name; of a column, its table was."""
    kind = parted(text)[0]
    return text in context.before or (kind in (*_RELATIONS, "column") and _table_of(text) in one.step.known)


def _is_called_by_name(old: str, new: str) -> bool:
    """Whether a renamed object is one that applications name, and not one of whose arguments a type was renamed."""
    kinds = tuple(f"{kind} " for kind in _KNOWN_BY_NAME)
    return old.startswith(kinds) and old.partition("(")[0].partition(" ")[2] != new.partition("(")[0]


def _fails_on_rows(context: Context) -> Iterator[Occurrence]:
    yield from may_fail(context)
    yield from ids_by_hand(context)
    for one, name, properties in context.made("column"):
        table = str(properties.get("table"))
        relation = one.step.known.get(table)
        if relation is None or relation.oid in one.emptied or not properties.get("not null") or _fills(one):
            continue
        if any(properties.get(key) for key in ("default", "identity", "generated")) or _has_default_type(
            one, properties
        ):
            continue
        seen = f"{name} is NOT NULL and has no default: this fails if {table} has a row"
        yield Occurrence(one.statement.number, seen, (relation.name,), online(one))


def _fills(one: Traced) -> bool:
    """Whether a statement that runs others inside sets NOT NULL, or takes the default away, behind the column."""
    return one.command in HIDING and changes_columns_later(one.statement.text)


def _has_default_type(one: Traced, properties: Mapping[str, Value]) -> bool:
    """Whether the type of a column is a domain with a default."""
    return bool(one.step.after.get(f"domain {properties.get('type')}", {}).get("default"))


def _enum_values(context: Context) -> Iterator[Occurrence]:
    """Take PostgreSQL's word for it: only it knows whether a word is meant as a value of that enum."""
    error = context.trace.error
    if not isinstance(error, ExecutionError) or error.server is None or error.server.sqlstate != _UNSAFE_NEW_VALUE:
        return
    number = error.statement or len(context.statements) + 1
    for statement in context.all_statements:
        change = enum_change(statement.text) if statement.number < number else None
        if change is not None and change.new and f'"{change.new}"' in error.message:
            seen = f"the value {change.new!r}, which statement {statement.number} adds to an enum, is used"
            yield Occurrence(number, f"{seen} in the same transaction")
            return
    yield Occurrence(number, error.message)


def _json(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        for text in one.changes.made:
            for name, properties in _columns(one.step.after, text):
                if properties.get("type") == "json":
                    table = str(properties.get("table"))
                    column = name.removeprefix(f"{table}.")
                    sql, undo = (
                        f"ALTER TABLE {table} ADD COLUMN {column} jsonb;",
                        f"ALTER TABLE {table} DROP COLUMN {column};",
                    )
                    rewrite = (one_file(sql, undo),) if text.startswith("column ") else None
                    yield Occurrence(one.statement.number, f"{name} is of type json", (table,), rewrite)


def _columns(after: State, text: str) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Yield the column that was made, or those of the table that was."""
    if text.startswith("column ") and text in after:
        yield text.removeprefix("column "), after[text]
    elif text.startswith("table "):
        start = f"column {text.removeprefix('table ')}."
        for name in after:
            if name.startswith(start):
                yield name.removeprefix("column "), after[name]


RULES = (
    Rule(
        "H20",
        "all-rows-written",
        "all rows, or very many, are written at once",
        "warning",
        "A statement writes every row of a table that existed before: UPDATE or DELETE without WHERE, also in a DO "
        "block, or TRUNCATE. Or it writes very many that it chooses, as far as the target or its figures tell.",
        "whoever writes one of these rows waits until COMMIT; an UPDATE can double the size of the table, and "
        "TRUNCATE blocks reads too",
        "select the rows that need it with WHERE, and change a large table in batches, outside this "
        "transaction: see docs/backfilling.md",
        _all_rows,
        scale="work",
    ),
    Rule(
        "H21",
        "data-dropped",
        "a table or column is dropped with its data",
        "warning",
        "A table, column or materialized view that existed before is dropped.",
        "the application as it runs now, if it still uses the object; and no rollback brings the rows back, unless "
        "they were kept elsewhere",
        "stop using it first, keep its rows where the rollback can find them, and drop it in a later migration",
        _dropped,
        scale="use",
    ),
    Rule(
        "H27",
        "used-object-dropped",
        "a view, function, type or the like is dropped",
        "warning",
        "A view, foreign table, function, procedure, aggregate, sequence, type, domain, schema or extension that "
        "existed before is dropped, and nothing has its name afterwards.",
        "the application as it runs now, if it still uses the object",
        "stop using it first, and drop it in a later migration",
        _used_dropped,
    ),
    Rule(
        "H22",
        "cascade",
        "CASCADE drops more than is named",
        "danger",
        "A DROP with CASCADE also drops objects that the statement does not name.",
        "whatever uses those objects; which ones they are depends on the database",
        "drop each object by name in a statement of its own, without CASCADE",
        _cascade,
    ),
    Rule(
        "H23",
        "renamed",
        "something that the application uses is renamed",
        "warning",
        "A table, column, view, schema, function, sequence, type or value of an enum gets another name.",
        "the application as it runs now fails from COMMIT on, until its new version runs everywhere",
        "keep the old name working (a view for a table, a second column that a trigger keeps equal), and rename in "
        "steps",
        _renamed,
        scale="use",
    ),
    Rule(
        "H24",
        "fails-on-rows",
        "rows that are there make it fail",
        "danger",
        "An existing table gets a column that is NOT NULL and has no default, which works only on an empty table. Or a "
        "unique index, a primary key or NOT NULL is added where the statistics of the target (pg_stats) show "
        "duplicates or NULL: then it may fail, which is a warning. So is an INSERT with ids of its own beside a "
        "sequence.",
        "the migration itself, or with ids of its own the application's next INSERT: PostgreSQL refuses it",
        "give a default, or add the column without NOT NULL, fill it, and set NOT NULL afterwards",
        _fails_on_rows,
        scale="rows",
    ),
    Rule(
        "H25",
        "enum-value-in-the-same-transaction",
        "a new enum value is used in the transaction that adds it",
        "danger",
        "ALTER TYPE ... ADD VALUE is followed, in the same transaction, by a statement that uses the new value of "
        "that enum. PostgreSQL refused it on the throwaway database.",
        "the migration itself: PostgreSQL refuses to use a value before it is committed (55P04), and up to version "
        "16 even if the type was created in the same transaction and the value was added to it later",
        "add the value in a migration of its own, before this one",
        _enum_values,
    ),
    Rule(
        "H26",
        "json-column",
        "a column of type json",
        "note",
        "A new column has type json, which keeps the text as it came and has no equality operator.",
        "SELECT DISTINCT, GROUP BY and UNION over that column fail",
        "use jsonb",
        _json,
        is_design=True,
    ),
)
