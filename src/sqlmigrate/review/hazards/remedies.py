"""What to do instead of a rewrite or a scan under a lock, as SQL for the very table.

The SQL is tried on the shadow before anybody sees it, so it has no gaps to fill in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.sql.statement.names import quote
from sqlmigrate.sql.statement.subject import speaks_of_partition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

Remedy = tuple[str | None, str | None]
"""What to do, in words and in SQL; None where the rule's own words are all that there is to say."""

_OWN_MIGRATION = "-- in a migration of its own, while reads and writes go on:"
_PRIMARY_KEY = re.compile(r"PRIMARY KEY \(([^()]*)\)")


def without_rewriting(one: Traced, table: str) -> Remedy:
    """Say what to do instead of the kind of rewrite that a statement is."""
    after = one.step.after
    made = _column(one.changes.made, table)
    if made is not None:
        return _default_later(one.step.before, table, made, after.get(f"column {table}.{made}", {}))
    changed = _column(one.changes.changed, table)
    kind = after.get(f"column {table}.{changed}", {}).get("type")
    if changed is not None and kind:
        return _second_column(table, changed, str(kind))
    if one.command in ("VACUUM", "CLUSTER"):
        return "use pg_repack or pg_squeeze, which hold a strong lock on the table only for a moment", None
    return None, None


def without_scanning(one: Traced, table: str) -> Remedy:
    """Say what to do instead of reading a whole table under a lock."""
    after = one.step.after
    for text in one.changes.made:
        made = after.get(text, {})
        if text.startswith("constraint ") and made.get("table") == table and (definition := made.get("definition")):
            return _not_valid(table, text.removeprefix("constraint ").partition(" on ")[0], str(definition))
    column = _column(one.changes.changed, table)
    if column is not None and after.get(f"column {table}.{column}", {}).get("not null"):
        return _proven_by_check(table, column)
    if speaks_of_partition(one.statement.text):
        words = (
            "add a check NOT VALID beforehand and validate it, so that it proves that the rows lie within the "
            "bounds (or, for a default partition, that none belongs to the new one): then nothing is read"
        )
        return words, None
    return None, None


def with_ending(name: str, ending: str) -> str:
    """Return a name with another ending, quoted if it was quoted."""
    if name.startswith('"'):
        return quote(name[1:-1].replace('""', '"') + ending)
    return name + ending


def _column(texts: tuple[str, ...], table: str) -> str | None:
    """Return the first column of a table among objects in words."""
    start = f"column {table}."
    return next((text.removeprefix(start).partition(" (now ")[0] for text in texts if text.startswith(start)), None)


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _key(before: State, table: str) -> str:
    """Return what tells the rows of a table apart: its primary key, else where a row lies."""
    for text in before:
        if text.startswith("constraint ") and text.endswith(f" on {table}"):
            match = _PRIMARY_KEY.match(str(before[text].get("definition", "")))
            if match:
                return match[1]
    return "ctid"


def _default_later(before: State, table: str, column: str, properties: Mapping[str, Value]) -> Remedy:
    words = "add the column without its default, set the default for new rows, and fill the old ones in batches"
    default, kind = properties.get("default"), properties.get("type")
    if not default or not kind:
        return words, None
    key = _key(before, table)
    batch = f"SELECT {key} FROM {table} WHERE {column} IS NULL LIMIT 1000"  # noqa: S608  advice to read
    sql = _lines(
        f"ALTER TABLE {table} ADD COLUMN {column} {kind};",
        f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT {default};",
        "-- outside this transaction, again and again until no row is left:",
        f"UPDATE {table} SET {column} = DEFAULT WHERE ({key}) IN ({batch});",  # noqa: S608  same
    )
    return words, sql


def _second_column(table: str, column: str, kind: str) -> Remedy:
    new = with_ending(column, "_new")
    return (
        "add a second column of the new type, keep both equal with a trigger, fill it in batches, then switch over",
        _lines(
            f"ALTER TABLE {table} ADD COLUMN {new} {kind};",
            f"-- add a trigger that writes {new}, fill the old rows in batches; and in a later migration:",
            f"ALTER TABLE {table} DROP COLUMN {column};",
            f"ALTER TABLE {table} RENAME COLUMN {new} TO {column};",
        ),
    )


def _not_valid(table: str, constraint: str, definition: str) -> Remedy:
    return (
        "add it NOT VALID, which reads nothing, and validate it in a migration of its own",
        _lines(
            f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {definition} NOT VALID;",
            _OWN_MIGRATION,
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint};",
        ),
    )


def _proven_by_check(table: str, column: str) -> Remedy:
    check = with_ending(column, "_set")
    return (
        "prove it with a check first: SET NOT NULL then reads nothing",
        _lines(
            f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID;",
            _OWN_MIGRATION,
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {check};",
            "-- and then, which takes no time:",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;",
            f"ALTER TABLE {table} DROP CONSTRAINT {check};",
        ),
    )
