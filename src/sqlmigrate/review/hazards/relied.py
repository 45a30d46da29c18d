"""Hazards of what the application that runs now relies on, and what is weaker or gone behind a statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.data import comes_back
from sqlmigrate.review.hazards.records import NEEDS_INDEX, NOW, Context, Occurrence, Rule, briefly, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.model import Severity
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

_VIEWS = ("view ", "materialized view ", "foreign table ")
_ROUTINES = ("function ", "procedure ", "aggregate ")
_KEY = re.compile(r"(?:PRIMARY KEY|UNIQUE(?: NULLS NOT DISTINCT)?) \((.*?)\)")
_UNIQUE_INDEX = re.compile(r"CREATE UNIQUE INDEX .*? USING \w+ \((.*?)\)(?: INCLUDE .*)?(?: NULLS NOT DISTINCT)?$")
_RETURNS = re.compile(r"^ RETURNS (.*)$", re.MULTILINE)
_FILLS = ("default", "identity", "generated")


def _severity(context: Context, severity: Severity | None = None) -> Severity | None:
    """Return a severity; what a rollback takes back is a note, since the application of then does not rely on it."""
    return "note" if context.trace.script_run.operation == "rollback" else severity


def _otherwise(context: Context) -> Iterator[Occurrence]:
    """Report views that are created again without a column, and functions that return another type."""
    for one in context.statements:
        for text in one.changes.lost:
            if text.startswith((*_VIEWS, *_ROUTINES)) and comes_back(context.after, text):
                words = list(_lacks(one.step.before, context.after, text))
                if words:
                    seen = f"{text} is created again {listed(words)}"
                    yield Occurrence(one.statement.number, seen, severity=_severity(context))


def _lacks(before: State, after: State, text: str) -> Iterator[str]:
    if text.startswith(_ROUTINES):
        was, returned = (_returned(state.get(text, {})) for state in (before, after))
        if was != returned:
            yield f"and returns {returned}, not {was}"
        return
    name = next(text.removeprefix(kind) for kind in _VIEWS if text.startswith(kind))
    for column, properties in _columns(before, name).items():
        if (now := after.get(column)) is None:
            yield f"without {column}"
        elif now.get("type") != properties.get("type"):
            yield f"and {column} is of type {now.get('type')}, not {properties.get('type')}"


def _columns(state: State, table: str) -> dict[str, Mapping[str, Value]]:
    return {f"column {name}": found for name, found in state.of("column").items() if found.get("table") == table}


def _returned(properties: Mapping[str, Value]) -> str | None:
    found = _RETURNS.search(str(properties.get("definition", "")))
    return found[1] if found else str(properties.get("result")) if "result" in properties else None


def _not_unique(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        if any(text.startswith(("column ", "table ")) for text in one.changes.lost):
            continue  # which is another hazard, whatever goes with it
        for text in one.changes.lost:
            table, columns = _unique(one.step.before, text)
            relation = one.step.known.get(table)
            if relation is None or context.goes(relation, one) or _is_unique(context, one, table, columns):
                continue
            seen = f"{text} is dropped, so nothing keeps {table} from having the same {columns} twice"
            yield Occurrence(one.statement.number, seen, (relation.name,), severity=_severity(context))


def _unique(state: State, text: str) -> tuple[str, str]:
    """Return the table and the columns of a unique constraint or index; empty where it is none, or a partition's."""
    properties = state.get(text, {})
    definition = str(properties.get("definition", ""))
    if text.startswith("constraint ") and NEEDS_INDEX.match(definition) and not properties.get("parent"):
        found = _KEY.match(definition)
        return str(properties.get("table")), found[1] if found else definition
    if text.startswith("index ") and (found := _UNIQUE_INDEX.match(definition)) and not properties.get("partition of"):
        return str(properties.get("table")), found[1]
    return "", ""


def _is_unique(context: Context, one: Traced, table: str, columns: str) -> bool:
    """Whether something keeps the same columns unique in the end."""
    now = context.at_end(one, f"table {table}").removeprefix("table ")
    wanted = set(columns.split(", "))
    texts = (f"{kind} {name}" for kind in ("constraint", "index") for name in context.after.of(kind))
    found = (_unique(context.after, text) for text in texts)
    return any(of == now and set(others.split(", ")) <= wanted for of, others in found if others)


def _may_be_null(context: Context) -> Iterator[Occurrence]:
    for one, text, before, _ in _columns_changed(context):
        now = context.after.get(_column_at_end(context, one, text))
        if before.get("not null") and not one.step.after[text].get("not null") and not (now or {}).get("not null"):
            table = str(before.get("table"))
            seen = f"{text} may be NULL from now on"
            yield Occurrence(one.statement.number, seen, (one.step.known[table].name,), severity=_severity(context))


def _unfilled(context: Context) -> Iterator[Occurrence]:
    for one, text, before, after in _columns_changed(context):
        kind = next((kind for kind in _FILLS if before.get(kind)), None)
        now = context.after.get(_column_at_end(context, one, text), {})
        if kind is None or any(after.get(fill) or now.get(fill) for fill in _FILLS) or not now:
            continue
        refused = bool(now.get("not null"))
        what = {"default": "default", "identity": "identity", "generated": "expression"}[kind]
        then = "fails" if refused else "leaves it NULL"
        seen = f"{text} has no {what} from now on: an INSERT that does not name it {then}"
        table = str(before.get("table"))
        severity: Severity = "danger" if refused else "warning"
        yield Occurrence(
            one.statement.number, seen, (one.step.known[table].name,), severity=_severity(context, severity)
        )


def _stored(context: Context) -> Iterator[Occurrence]:
    """Report functions whose results are stored, in an index or a column, and that compute something else now."""
    for one in context.statements:
        for text in one.changes.changed:
            was, now = (state.get(text, {}).get("definition") for state in (one.step.before, one.step.after))
            if not text.startswith("function ") or not was or not now or was == now:
                continue
            name = text.removeprefix("function ").partition("(")[0]
            users = dict(_users(context, one, name))
            if users:
                seen = f"{text} is changed, and these hold what it gave until now: {briefly(users)}"
                indexes = [user.removeprefix("index ") for user in users if user.startswith("index ")]
                sql = "".join(f"\nREINDEX INDEX CONCURRENTLY {index};" for index in indexes)
                rewrite = f"-- transactional: false{sql}" if indexes else None
                tables = tuple(dict.fromkeys(users.values()))
                yield Occurrence(one.statement.number, seen, tables, rewrite, behind=True)


def _users(context: Context, one: Traced, name: str) -> Iterator[tuple[str, str]]:
    """Yield the indexes, generated columns and checks that call a function, each with its table's name of before."""
    called = re.compile(rf"(?<![\w$.\"]){re.escape(name)}\(")
    for text, properties in one.step.before.items():
        stored = properties.get("generated") if text.startswith("column ") else properties.get("definition")
        if not text.startswith(("index ", "column ", "constraint ")) or properties.get("virtual"):
            continue
        relation = one.step.known.get(str(properties.get("table")))
        if stored and relation and called.search(str(stored)) and not context.goes(relation, one):
            yield text, relation.name


def _columns_changed(context: Context) -> Iterator[tuple[Traced, str, Mapping[str, Value], Mapping[str, Value]]]:
    """Yield the columns that were there before the script and that a statement has changed in place."""
    own: set[str] = set()
    for one in context.statements:
        for text in one.changes.changed:
            if match := NOW.match(text):
                own |= {f"{match[1]} {match[3]}"} if f"{match[1]} {match[2]}" in own else set()
                continue
            before, after = one.step.before.get(text), one.step.after.get(text)
            if not text.startswith("column ") or text in own or before is None or after is None:
                continue
            relation = one.step.known.get(str(before.get("table")))
            if relation is not None and not context.goes(relation, one) and not before.get("inherited"):
                yield one, text, before, after
        own |= {text for text in one.changes.made if text.startswith("column ")}


def _column_at_end(context: Context, one: Traced, text: str) -> str:
    """Follow a column through later renames of its own and of its table."""
    table = str(one.step.after[text].get("table"))
    now = context.at_end(one, text)
    there = context.at_end(one, f"table {table}").removeprefix("table ")
    return f"column {there}.{now.removeprefix(f'column {table}.')}" if now.startswith(f"column {table}.") else now


RULES = (
    Rule(
        "H60",
        "recreated-otherwise",
        "something is created again, and is not what it was",
        "warning",
        "A view, foreign table or function that existed before is dropped and created again under its name, but a "
        "column is missing or has another type, or the function returns another type.",
        "the application as it runs now, if it uses what is missing",
        "keep what is used now, with the same names and types, and take it away in a later migration",
        _otherwise,
    ),
    Rule(
        "H61",
        "uniqueness-dropped",
        "a primary key, unique constraint or unique index is dropped",
        "warning",
        "What kept the rows of an existing table apart is dropped, and nothing keeps the same columns unique "
        "afterwards.",
        "INSERT ... ON CONFLICT on these columns fails from COMMIT on; and rows that are there twice keep you from "
        "coming back",
        "create what replaces it first, and drop this one when no version of the application relies on it",
        _not_unique,
        scale="use",
    ),
    Rule(
        "H62",
        "not-null-dropped",
        "a column may be NULL from now on",
        "warning",
        "NOT NULL of an existing column is dropped.",
        "the application as it runs now, if it reads a NULL that it does not expect",
        "first deploy a version that can read NULL, and let nobody write one before",
        _may_be_null,
        scale="rows",
    ),
    Rule(
        "H63",
        "default-dropped",
        "a column is not filled any more",
        "warning",
        "The default, identity or generation expression of an existing column is dropped.",
        "INSERT statements that do not name the column: they fail if it is NOT NULL, and leave it NULL otherwise",
        "first deploy a version that names the column in each INSERT",
        _unfilled,
        scale="use",
    ),
    Rule(
        "H64",
        "stored-function-changed",
        "a function changes whose results are stored",
        "danger",
        "A function that an index, a generated column or a CHECK uses gets another body. PostgreSQL computes nothing "
        "again that it has stored.",
        "queries that use the index miss rows or find wrong ones, a unique index lets the same value in twice, and "
        "rows stay that the CHECK would refuse now",
        "give the new function another name and build a new index with it; or rebuild the index right afterwards, and "
        "allow this if the function gives the same for every row",
        _stored,
        scale="rows",
    ),
)
