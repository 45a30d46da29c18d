"""What may fail on the rows that are there, by what ANALYZE has found of them on the target."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from sqlmigrate.review.figures import in_words
from sqlmigrate.review.hazards.records import Context, Occurrence
from sqlmigrate.review.work import is_called
from sqlmigrate.sql.statement.names import index_columns
from sqlmigrate.sql.statement.rows import inserted_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.columns import ColumnFigures
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.readings import Relation
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

_SETS_SEQUENCE = re.compile(r"\bsetval\b|\brestart\b", re.IGNORECASE)
_EXACT = 0.999  # n_distinct is a float of four bytes


@dataclass(frozen=True, slots=True)
class Check:
    """A check of all rows of a table that a statement makes: that `columns` are unique, or that one is not null.

    `against` says what speaks against it; None where nothing does, and `known` whether anybody could tell.
    """

    statement: int
    table: Relation
    what: str
    columns: tuple[str, ...]
    known: bool = False
    against: str | None = None


def checks(context: Context) -> Iterator[Check]:
    """Yield what statements check of rows that were there and that the script does not change itself before."""
    written: set[str] = set()
    for one in context.statements:
        for relation in one.scans:
            table = one.step.name_of(relation)
            if relation.name not in written and context.asked.size(relation.name) != 0:
                yield from _unique(context, one, relation, table)
                yield from _not_null(context, one, relation, table)
        work = context.work.get(one.statement.number)
        written.update(work.writes if work else ())


def may_fail(context: Context) -> Iterator[Occurrence]:
    """Report the checks that the rows of the target are likely to fail."""
    for check in checks(context):
        if check.against is not None:
            columns = ", ".join(check.columns)
            look = f"WHERE {columns} IS NULL" if check.what == "NOT NULL" else f"GROUP BY {columns} HAVING count(*) > 1"
            yield Occurrence(
                statement=check.statement,
                seen=f"may fail: {check.what} ({columns}) on {check.table.name}, where {check.against}",
                relations=(check.table.name,),
                severity="warning",
                instead=f"look at the rows first ({look}), and mend them in an earlier migration",
            )


def ids_by_hand(context: Context) -> Iterator[Occurrence]:
    """Report, once for each table, an INSERT that gives ids itself and leaves the sequence that gives them behind."""
    numbered = _numbered(context.after)
    told: set[str] = set()
    for one in context.statements:
        found = inserted_columns(one.statement.text) if numbered and one.command == "INSERT" else None
        if found is None or _sequence_is_set(context, one):
            continue
        named, names, left_out = found
        for table in (name for name in numbered if name not in told and is_called(name, named)):
            given = {name for at, name in enumerate(names or _in_order(context.after, table)) if at not in left_out}
            for column in sorted(given & numbered[table]):
                told.add(table)
                yield _by_hand(one.statement.number, table, column)


def _by_hand(number: int, table: str, column: str) -> Occurrence:
    sequence = f"pg_get_serial_sequence({_literal(table)}, {_literal(column.strip(chr(34)))})"
    return Occurrence(
        statement=number,
        seen=f"{table}.{column} is given by hand, and the sequence that numbers it does not know of it: a later INSERT "
        "that takes its number there fails when it comes to one of these",
        rewrite=f"SELECT setval({sequence}, (SELECT max({column}) FROM {table}));",  # noqa: S608  advice to read
        severity="warning",
        instead="leave the column to its sequence, or set the sequence afterwards in the same script",
        behind=True,
    )


def _sequence_is_set(context: Context, one: Traced) -> bool:
    """Whether a later statement of the script sets a sequence, as far as its words tell."""
    later = (other.text for other in context.all_statements if other.number > one.statement.number)
    return any(_SETS_SEQUENCE.search(text) for text in later)


def _in_order(state: State, table: str) -> list[str]:
    columns = [found for found in state.of("column").items() if found[1].get("table") == table]
    columns.sort(key=lambda item: int(str(item[1].get("position", 0))))
    return [name.removeprefix(f"{table}.") for name, _ in columns]


def _numbered(state: State) -> dict[str, set[str]]:
    """Return, by table, the columns whose values a sequence gives and that must differ."""
    unique = {
        (str(index.get("table")), *index_columns(str(index.get("definition"))))
        for index in state.of("index").values()
        if str(index.get("definition")).startswith("CREATE UNIQUE")
    }
    found: dict[str, set[str]] = {}
    for name, properties in state.of("column").items():
        table = str(properties.get("table"))
        numbered = properties.get("identity") or str(properties.get("default", "")).startswith("nextval(")
        if numbered and (table, column := name.removeprefix(f"{table}.")) in unique:
            found.setdefault(table, set()).add(column)
    return found


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _unique(context: Context, one: Traced, relation: Relation, table: str) -> Iterator[Check]:
    for index in _new_unique(one, table):
        definition = str(index.get("definition", ""))
        columns = tuple(index_columns(definition))
        if " WHERE " in definition:
            continue
        figures = _figures(context, relation, columns)
        why = None if figures is None else _duplicates(figures, context.asked.size(relation.name))
        what = "PRIMARY KEY" if index.get("primary") else "UNIQUE"
        yield Check(one.statement.number, relation, what, columns, figures is not None, why)


def _new_unique(one: Traced, table: str) -> Iterator[Mapping[str, Value]]:
    """Yield the unique indexes of a table that a statement has made, also for constraints."""
    old = one.step.before.of("index")
    for name, index in one.step.after.of("index").items():
        if index.get("table") == table and name not in old and str(index.get("definition")).startswith("CREATE UNIQUE"):
            yield index


def _not_null(context: Context, one: Traced, relation: Relation, table: str) -> Iterator[Check]:
    for text in one.changes.changed:
        column = text.removeprefix(f"column {table}.")
        if not text.startswith(f"column {table}.") or " (now " in text:
            continue
        before, after = one.step.before.get(text, {}), one.step.after.get(text, {})
        if after.get("not null") and not before.get("not null"):
            figures = _figures(context, relation, (column,))
            nulls = figures[0].nulls if figures else 0
            why = f"pg_stats shows {nulls:.2%} of NULL" if nulls else None
            yield Check(one.statement.number, relation, "NOT NULL", (column,), figures is not None, why)


def _figures(context: Context, relation: Relation, columns: tuple[str, ...]) -> list[ColumnFigures] | None:
    of_table = context.asked.columns.get(relation.name, {})
    found = [of_table[column] for column in columns if column in of_table]
    return found if found and len(found) == len(columns) else None


def _duplicates(columns: list[ColumnFigures], rows: int | None) -> str | None:
    """Say what shows that values come more than once; None where nothing does.

    ANALYZE notes -(1 - null_frac) where all values of its sample differ, and a number above zero only where that is
    less than a tenth of the rows (compute_scalar_stats in analyze.c).
    """
    [first, *others] = columns
    filled = prod(1 - column.nulls for column in columns)
    if not others and first.distinct < 0:
        return None if -first.distinct >= filled * _EXACT else f"pg_stats shows {-first.distinct:.1%} different values"
    if not others and rows is None:
        return f"pg_stats shows only {in_words(round(first.distinct))} different values" if first.distinct else None
    if rows is None or not all(column.distinct for column in columns):
        return None
    distinct = prod(column.distinct if column.distinct > 0 else -column.distinct * rows for column in columns)
    if distinct >= rows * filled * _EXACT:
        return None
    return f"pg_stats shows n_distinct of {in_words(round(distinct))} in {in_words(rows)} rows"
