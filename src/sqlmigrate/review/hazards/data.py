"""Hazards for rows, and for the application that runs meanwhile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from sqlmigrate.review.hazards.records import Context, Found, Rule, listed
from sqlmigrate.sql.bodies import done
from sqlmigrate.sql.parse import parse_tree
from sqlmigrate.sql.subject import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.tracer import Traced

_HOLDERS = ("table", "column", "materialized view")
_KNOWN_BY_NAME = ("table", "column", "view", "materialized view", "schema", "function", "procedure", "sequence", "type")
_CASCADE = re.compile(r"\bCASCADE\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(?:UPDATE|DELETE|TRUNCATE)\b", re.IGNORECASE)
_NOW = re.compile(r"(.+) \(now (.+)\)$")


def _all_rows(context: Context) -> Iterator[Found]:
    for one in context.statements:
        number = one.statement.number
        if one.command == "TRUNCATE":
            tables = tuple(lock.name for lock in one.locks if lock.level == 8)  # noqa: PLR2004  ACCESS EXCLUSIVE
            if tables:
                yield Found(number, f"TRUNCATE empties {listed(tables)} under ACCESS EXCLUSIVE", tables)
            continue
        for kind, node in (context.nodes[number], *_in_block(one)) if number in context.nodes else ():
            word, relations = _written_whole(kind, node)
            for relation in relations:
                if target := existing(context, one, quoted(relation.schemaname, relation.relname)):
                    yield Found(number, f"{word} {target} is written", (target,))


def _in_block(one: Traced) -> Iterator[tuple[str, Any]]:
    """Give the kind and node of what a DO block writes, as far as it stands there."""
    for text in done(one.statement.text, _WRITES):
        tree = parse_tree(text)
        if tree is not None and tree.stmts and (kind := tree.stmts[0].stmt.WhichOneof("node")):
            yield kind, getattr(tree.stmts[0].stmt, kind)


def _written_whole(kind: str, node: Any) -> tuple[str, list[Any]]:
    """Say which relations a statement writes whole, and how; none where it chooses rows."""
    if kind == "truncate_stmt":
        return "TRUNCATE in a DO block: every row of", [item.range_var for item in node.relations]
    joined = {"update_stmt": "from_clause", "delete_stmt": "using_clause"}.get(kind)
    if joined is None or node.HasField("where_clause") or getattr(node, joined):
        return "", []
    return f"{kind.partition('_')[0].upper()} without WHERE: every row of", [node.relation]


def quoted(schema: str, name: str) -> str:
    """Write a name as the catalogs' quote_ident would where it needs no quotes, else quoted."""
    return ".".join(
        part if re.fullmatch(r"[a-z_][a-z0-9_$]*", part) else quote(part) for part in (schema, name) if part
    )


def existing(context: Context, one: Traced, name: str) -> str | None:
    """Find the relation of a name as a statement uses it: among those that it locks, or by its full name."""
    if name in context.existing:
        return name
    locked = (lock.name for lock in (*one.locks, *one.held))
    return next((found for found in locked if found.rpartition(".")[2] == name), None)


def _dropped(context: Context) -> Iterator[Found]:
    for one in context.statements:
        lost = [text for text in one.touched.dropped if _was_there(context, text)]
        if lost:
            tables = tuple(_table_of(text) for text in lost)
            severity: Severity | None = "note" if context.trace.operation == "rollback" else None
            yield Found(one.statement.number, f"dropped with all that it holds: {listed(lost)}", tables, None, severity)


def _was_there(context: Context, text: str) -> bool:
    return text in context.before and text.startswith(tuple(f"{kind} " for kind in _HOLDERS))


def _table_of(text: str) -> str:
    name = text.partition(" ")[2].removeprefix("view ")
    return name.rpartition(".")[0] if text.startswith("column ") else name


def _cascade(context: Context) -> Iterator[Found]:
    for one in context.statements:
        if not _CASCADE.search(one.statement.text) or not one.command.startswith(("DROP", "ALTER", "DO", "TRUNCATE")):
            continue
        words = set(re.findall(r"[\w$]+", one.statement.text.lower()))
        named = [text for text in one.touched.dropped if _is_named(text, words)]
        tables = {context.before.get(text, {}).get("table") for text in named}
        victims = [
            text
            for text in one.touched.dropped
            if text not in named and context.before.get(text, {}).get("table", text) not in tables
        ]
        if victims:
            yield Found(one.statement.number, f"CASCADE also drops {listed(victims)}")


def _is_named(text: str, words: set[str]) -> bool:
    """Whether a statement that has these words names a dropped object itself."""
    name = text.partition(" ")[2].partition(" on ")[0].partition("(")[0]
    return name.rpartition(".")[2].strip('"').lower() in words


def _renamed(context: Context) -> Iterator[Found]:
    for one in context.statements:
        for text in one.touched.changed:
            match = _NOW.match(text)
            if match and match[1] in context.before and _is_called_by_name(match[1], match[2]):
                yield Found(one.statement.number, f"{match[1]} is called {match[2]} now", (_table_of(match[1]),))
        node = context.node(one.statement.number, "alter_enum_stmt")
        if node is not None and node.old_val:
            yield Found(one.statement.number, f"value {node.old_val!r} of an enum is called {node.new_val!r} now")


def _is_called_by_name(old: str, new: str) -> bool:
    """Whether a renamed object is one that applications name, and not one of whose arguments a type was renamed."""
    kinds = tuple(f"{kind} " for kind in _KNOWN_BY_NAME)
    return old.startswith(kinds) and old.partition("(")[0].partition(" ")[2] != new.partition("(")[0]


def _fails_on_rows(context: Context) -> Iterator[Found]:
    for one, name, properties in context.made("column"):
        table = str(properties.get("table"))
        if table not in context.existing or not properties.get("not null"):
            continue
        if any(properties.get(key) for key in ("default", "identity", "generated")) or _has_default_type(
            context, properties
        ):
            continue
        column = name.rpartition(".")[2]
        rewrite = (
            f"ALTER TABLE {table} ADD COLUMN {column} {properties.get('type')} NOT NULL DEFAULT ...;\n"
            f"-- or without NOT NULL first, and SET NOT NULL when all rows are filled"
        )
        seen = f"{name} is NOT NULL and has no default: this fails as soon as {table} has a row"
        yield Found(one.statement.number, seen, (table,), rewrite)


def _has_default_type(context: Context, properties: object) -> bool:
    """Whether the type of a column is a domain with a default."""
    kind = properties.get("type")  # type: ignore[attr-defined]
    return bool(context.after.get(f"domain {kind}", {}).get("default"))


def _enum_values(context: Context) -> Iterator[Found]:
    if not context.trace.transactional:
        return
    added: dict[str, int] = {}
    for statement in context.all_statements:
        for value, number in added.items():
            if "'" + value.replace("'", "''") + "'" in statement.text:
                seen = f"the value {value!r}, which statement {number} adds to an enum, is used in the same transaction"
                yield Found(statement.number, seen)
        node = context.node(statement.number, "alter_enum_stmt")
        if node is not None and node.new_val and not node.old_val:
            added[node.new_val] = statement.number


def _json(context: Context) -> Iterator[Found]:
    for one in context.statements:
        for text in one.touched.made:
            table = text.removeprefix("table ")
            for column, properties in _columns(context, text):
                if properties.get("type") == "json":
                    yield Found(
                        one.statement.number,
                        f"{column} is of type json",
                        (str(properties.get("table", table)),),
                        f"{column.rpartition('.')[2]} jsonb",
                    )


def _columns(context: Context, text: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Give the column that was made, or those of the table that was."""
    if text.startswith("column ") and text in context.after:
        yield text.removeprefix("column "), dict(context.after[text])
    elif text.startswith("table "):
        for name, properties in context.after.items():
            if name.startswith("column ") and properties.get("table") == text.removeprefix("table "):
                yield name.removeprefix("column "), dict(properties)


RULES = (
    Rule(
        "H20",
        "all-rows-written",
        "UPDATE or DELETE without WHERE, or TRUNCATE",
        "warning",
        "A statement, also one that stands in a DO block, writes every row of a table that was there before.",
        "whoever writes one of these rows waits until COMMIT; an UPDATE makes the table twice as large, and TRUNCATE "
        "stops reads too",
        "say in WHERE which rows need it, and go through a large table in batches, outside of this transaction",
        _all_rows,
    ),
    Rule(
        "H21",
        "data-dropped",
        "a table or column is dropped with what it holds",
        "warning",
        "A table, column or materialized view that was there before is dropped.",
        "the application as it runs now, if it still uses it; and no rollback brings the rows back, unless they were "
        "kept elsewhere",
        "stop using it first, keep its rows where the rollback finds them, and drop it in a later migration",
        _dropped,
    ),
    Rule(
        "H22",
        "cascade",
        "CASCADE drops more than is named",
        "danger",
        "A drop with CASCADE takes along objects that the statement does not name.",
        "whatever used those objects; which ones they are depends on the database in which it runs",
        "name each object that goes in a DROP of its own, without CASCADE",
        _cascade,
    ),
    Rule(
        "H23",
        "renamed",
        "something that the application uses is renamed",
        "warning",
        "A table, column, view, schema, function, sequence, type or value of an enum gets another name.",
        "the application as it runs now fails from COMMIT on, until the new version of it is everywhere",
        "keep the old name alive: a view for a table, a second column kept equal by a trigger; rename in steps",
        _renamed,
    ),
    Rule(
        "H24",
        "fails-on-rows",
        "a column is added NOT NULL without a default",
        "danger",
        "An existing table gets a column that must be filled and has no default. On an empty table that works.",
        "the migration itself: PostgreSQL refuses it as soon as there is one row",
        "give a default, or add the column without NOT NULL, fill it, and set NOT NULL afterwards",
        _fails_on_rows,
    ),
    Rule(
        "H25",
        "enum-value-in-the-same-transaction",
        "a new enum value is used in the transaction that adds it",
        "danger",
        "ALTER TYPE ... ADD VALUE, and a later statement of the same transaction that names the value.",
        "the migration itself: PostgreSQL refuses to use a value before it is committed (55P04), and up to version 16 "
        "even that of a type made in the same transaction with values added later",
        "add the value in a migration of its own, before this one",
        _enum_values,
    ),
    Rule(
        "H26",
        "json-column",
        "a column of type json",
        "note",
        "A new column has type json, which keeps the text as it came and has no equality.",
        "SELECT DISTINCT, GROUP BY and UNION over that column fail",
        "use jsonb",
        _json,
    ),
)
