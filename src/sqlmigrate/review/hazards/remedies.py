"""What to do instead of a rewrite or a scan under a lock, as SQL for the very table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.review.tracer import Traced
    from sqlmigrate.schema import Value

    After = Mapping[str, Mapping[str, Value]]

Remedy = tuple[str | None, str | None]
"""What to do, in words and in SQL; None where the rule's own words are all that there is to say."""

_OWN_MIGRATION = "-- in a migration of its own, where reads and writes go on:"


def without_rewriting(after: After, one: Traced, table: str) -> Remedy:
    """Say what to do instead of the kind of rewrite that a statement is."""
    made = _column(one.touched.made, table)
    if made is not None:
        return _default_later(table, made, str(after.get(f"column {table}.{made}", {}).get("type", "...")))
    changed = _column(one.touched.changed, table)
    if changed is not None:
        return _second_column(table, changed, str(after.get(f"column {table}.{changed}", {}).get("type", "...")))
    if one.command in ("VACUUM", "CLUSTER"):
        return "use pg_repack or pg_squeeze, which lock the table only at the very end", None
    return None, None


def without_scanning(after: After, one: Traced, table: str) -> Remedy:
    """Say what to do instead of reading a whole table under a lock."""
    for text in one.touched.made:
        definition = after.get(text, {}).get("definition")
        if text.startswith("constraint ") and after[text].get("table") == table and definition:
            return _not_valid(table, text.removeprefix("constraint ").partition(" on ")[0], str(definition))
    column = _column(one.touched.changed, table)
    if column is not None and after.get(f"column {table}.{column}", {}).get("not null"):
        return _proven_by_check(table, column)
    if "PARTITION" in one.statement.text.upper().split():
        return _proven_bounds(table)
    return None, None


def _column(texts: tuple[str, ...], table: str) -> str | None:
    """Give the first column of a table among objects in words."""
    start = f"column {table}."
    return next((text.removeprefix(start).partition(" (now ")[0] for text in texts if text.startswith(start)), None)


def _lines(*lines: str) -> str:
    return "\n".join(lines)


def _default_later(table: str, column: str, kind: str) -> Remedy:
    batch = f"SELECT id FROM {table} WHERE {column} IS NULL LIMIT 1000"  # noqa: S608  advice to read, never run
    return (
        "add the column without its default, set the default for new rows, and fill the old ones in batches",
        _lines(
            f"ALTER TABLE {table} ADD COLUMN {column} {kind};",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT ...;",
            "-- outside of this transaction, again and again until no row is left:",
            f"UPDATE {table} SET {column} = DEFAULT WHERE id IN ({batch});",  # noqa: S608  same
        ),
    )


def _second_column(table: str, column: str, kind: str) -> Remedy:
    return (
        "add a second column of the new type, keep both equal by a trigger, fill it in batches, then switch over",
        _lines(
            f"ALTER TABLE {table} ADD COLUMN {column}_new {kind};",
            f"-- a trigger that writes {column}_new, then the old rows in batches; and in a later migration:",
            f"ALTER TABLE {table} DROP COLUMN {column};",
            f"ALTER TABLE {table} RENAME COLUMN {column}_new TO {column};",
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
    return (
        "prove it by a check first: SET NOT NULL then reads nothing",
        _lines(
            f"ALTER TABLE {table} ADD CONSTRAINT {column}_set CHECK ({column} IS NOT NULL) NOT VALID;",
            _OWN_MIGRATION,
            f"ALTER TABLE {table} VALIDATE CONSTRAINT {column}_set;",
            "-- and then, which is quick:",
            f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;",
            f"ALTER TABLE {table} DROP CONSTRAINT {column}_set;",
        ),
    )


def _proven_bounds(table: str) -> Remedy:
    words = (
        "prove beforehand, by a check, that the rows lie within the bounds, or of a default partition, that none "
        "belongs to the new one: nothing is read then"
    )
    return (
        words,
        _lines(
            f"ALTER TABLE {table} ADD CONSTRAINT bounds CHECK (...) NOT VALID;",
            _OWN_MIGRATION,
            f"ALTER TABLE {table} VALIDATE CONSTRAINT bounds;",
        ),
    )
