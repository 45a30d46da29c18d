"""The parts that statements of seeding are made of: names and comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlmigrate.seeds.model import TableName
    from sqlmigrate.seeds.tables import Table


def differs(columns: Sequence[str], table: Table, other: str) -> sql.Composable:
    """Compose the comparison of a row that is there with another, where NULL is a value like any other.

    The function compares each column by its type's own operator class. As an operator between rows, PostgreSQL would
    look one up by name for each pair of columns.
    """
    if not columns:
        return sql.SQL("false")

    def side(of: str) -> sql.Composed:
        compared = ((table.compared_as.get(column, "{}"), name(column, of)) for column in columns)
        return sql.SQL(", ").join(sql.SQL(how).format(named) for how, named in compared)

    return sql.SQL("pg_catalog.record_ne(ROW({}), ROW({}))").format(side("present"), side(other))


def same(columns: Iterable[str], table: Table, left: str, right: str) -> sql.Composed:
    """Compose that two rows have the same values in these columns."""
    return sql.SQL(" AND ").join(same_as(column, table, left, column, right) for column in columns)


def same_as(column: str, table: Table, left: str, other: str, right: str) -> sql.Composed:
    """Compose that a column equals one of another row, by the operator that a unique index of its type asks."""
    equality = table.equality.get(column)
    operator = equality.operator if equality else ("pg_catalog", "=")
    cast = _cast(equality.type if equality else None)
    words = sql.SQL(" OPERATOR({}.{}) ").format(name(operator[0]), sql.SQL(operator[1].replace("%", "%%")))
    return name(column, left) + cast + words + name(other, right) + cast


def _cast(type_: tuple[str, str] | None) -> sql.Composable:
    return sql.SQL("") if type_ is None else sql.SQL("::{}").format(name(type_[1], type_[0]))


def as_text(column: str, of: str) -> sql.Composed:
    """Compose a column as its type prints it."""
    return sql.SQL("{}::pg_catalog.text").format(name(column, of))


def array(values: Iterable[sql.Composable], type_: str) -> sql.Composed:
    """Compose an array of one of PostgreSQL's own types."""
    return sql.SQL("ARRAY[{}]::pg_catalog.{}[]").format(sql.SQL(", ").join(values), sql.SQL(type_))


def relation(table: TableName) -> sql.Identifier:
    """Compose the name of a table."""
    return name(table.name, table.schema)


def names(columns: Iterable[str], of: str | None = None) -> sql.Composed:
    """Compose the names of columns, of a relation where one is given."""
    return sql.SQL(", ").join(name(column, of) for column in columns)


def name(text: str, qualifier: str | None = None) -> sql.Identifier:
    """Quote a name; psycopg takes a percent sign in it for a placeholder unless it is doubled."""
    return sql.Identifier(*(part.replace("%", "%%") for part in (qualifier, text) if part is not None))
