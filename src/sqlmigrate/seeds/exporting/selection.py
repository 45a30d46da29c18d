"""Compose the query of the rows that a seed file is to have, and make its rows of what comes back.

Values are printed by their types, not cast: a cast to text may be anybody's. The query runs under the search_path of
the login, since a condition of the user's is a part of it; so each name and operator here says its schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sqlmigrate.errors import Place, SeedError
from sqlmigrate.seeds import parts
from sqlmigrate.seeds.exporting import live, outgoing
from sqlmigrate.seeds.exporting.outgoing import NoFileError
from sqlmigrate.seeds.model import quoted
from sqlmigrate.seeds.reading.schema import row_types
from sqlmigrate.seeds.tables import read_named

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import psycopg

    from sqlmigrate.seeds.exporting.live import LiveColumn, LiveTable
    from sqlmigrate.seeds.model import Column, Reference, TableMapping
    from sqlmigrate.seeds.reading.schema import Schema
    from sqlmigrate.seeds.tables import Table

_SELECT = "SELECT {outputs} FROM ({rows}) AS present ORDER BY {key}"
_ROWS = "SELECT {columns} FROM {table}"
_PRINTED = "CASE WHEN {value} IS DISTINCT FROM NULL THEN pg_catalog.format('%%s', {value}) END"
_KNOWN_BY = "ARRAY(SELECT {known} FROM {table} AS found WHERE {same} LIMIT 2)"
_CAST = {"xml", "bpchar"}  # xml prints without its encoding, and text of a fixed length with blanks
_HINT = "leave such rows out with --where, or the column with --without"


@dataclass(frozen=True, slots=True)
class Field:
    """A key of a row with the column that it is taken from; `read` makes its value of what PostgreSQL prints.

    A `reference` says by which column of another table, `printed`, the value is known.
    """

    key: str
    column: LiveColumn
    printed: LiveColumn
    read: Callable[[str], Any]
    reference: Reference | None
    is_json: bool
    types: Collection[str]
    as_text: bool

    def value(self, text: str | None, found: Sequence[str | None] | None) -> Any:
        """Return the value of a row; raises NoFileError."""
        if text is None:
            return None
        if self.reference is not None:
            text = self._known_by(text, found or ())
        if self.as_text:
            return text
        return outgoing.fitting(self.read(text), text, self.types, is_json=self.is_json)

    def _known_by(self, text: str, found: Sequence[str | None]) -> str:
        assert self.reference is not None  # noqa: S101  for mypy
        match found:
            case [str(known)]:
                return known
            case []:
                reason = f"no row of {self.reference.table} that this role sees has it as {self.reference.select}"
            case [None]:
                reason = f"the row of {self.reference.table} has no {self.reference.match}"
            case _:
                reason = f"several rows of {self.reference.table} have it as {self.reference.select}"
        raise NoFileError(f"{quoted(text)} has no {self.reference.match}: {reason}")


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows of a table: the query before, within and behind the condition, and the fields of what it gives."""

    table: LiveTable
    mapping: TableMapping
    fields: Sequence[Field]
    head: str
    tail: str

    def query(self, where: str | None) -> tuple[str, int]:
        """Return the query, and where in it the condition begins."""
        if where is None:
            return f"{self.head}{self.tail}", 0
        before = f"{self.head} WHERE (\n"
        return f"{before}{where}\n){self.tail}", len(before)

    def row(self, answer: Sequence[Any]) -> dict[str, Any]:
        """Return the values of a row by their keys; raises SeedError for what no file can hold."""
        values: dict[str, Any] = {}
        for field, text, found in self._parts(answer):
            try:
                value = field.value(text, found)
            except NoFileError as error:
                raise self._refused(answer, field, str(error)) from None
            if field.key in values and values[field.key] != value:
                raise self._refused(answer, field, f"another column that '{field.key}' fills has another value")
            values[field.key] = value
        return values

    def _parts(self, answer: Sequence[Any]) -> Iterator[tuple[Field, str | None, Sequence[str | None] | None]]:
        rest = iter(answer)
        for field in self.fields:
            yield field, next(rest), next(rest) if field.reference else None

    def _refused(self, answer: Sequence[Any], field: Field, reason: str) -> SeedError:
        keys = {one.column.name: text for one, text, _ in self._parts(answer)}
        label = ", ".join(f"{name} {quoted(keys.get(name))}" for name in self.mapping.conflict)
        return SeedError(f"{field.column.name} of {label} in {self.table.name}: {reason}", hint=_HINT)


def selection(conn: psycopg.Connection[Any], table: LiveTable, schema: Schema, *, csv: bool) -> Selection:
    """Compose the reading of the rows that a schema describes; raises SeedError where the table has other columns."""
    mapping = schema.mapping
    tables = read_named(conn, {reference.table for reference in mapping.references})
    fields = list(_fields(conn, table, schema, csv=csv))
    if csv and not mapping.csv.header and list(row_types(schema)) != list(dict.fromkeys(field.key for field in fields)):
        message = "without a header, each key of a row has its cell, and no row can have some of these keys"
        raise SeedError(message, place=Place(schema.path), hint="let the mapping say a header")
    outputs = (output for field in fields for output in _outputs(field, tables))
    columns = dict.fromkeys([*(field.column.name for field in fields), *mapping.conflict])
    rows = sql.SQL(_ROWS).format(columns=parts.names(columns), table=parts.relation(table.name))
    whole = sql.SQL(_SELECT).format(
        outputs=sql.SQL(", ").join(outputs),
        rows=sql.SQL("\0"),
        key=sql.SQL(", ").join(_ordered(table, name) for name in mapping.conflict),
    )
    head, _, tail = whole.as_string(conn).partition("\0")
    return Selection(table, mapping, fields, _sent(head + rows.as_string(conn)), _sent(tail))


def _sent(text: str) -> str:
    """Return a text as it is sent where nothing stands for a parameter."""
    return text.replace("%%", "%")


def _fields(conn: psycopg.Connection[Any], table: LiveTable, schema: Schema, *, csv: bool) -> Iterator[Field]:
    mapping, types = schema.mapping, row_types(schema)
    for key in types or _all_keys(table, mapping):
        for column in mapping.columns_of(key):
            known = table.columns.get(column.name)
            if known is None:
                raise SeedError(f"table {table.name} has no column {column.name}", place=Place(schema.path))
            if _may_be_written(known, mapping):
                yield _field(conn, column, key, known, types.get(key, ()), csv=csv)


def _all_keys(table: LiveTable, mapping: TableMapping) -> list[str]:
    kept = (name for name, column in table.columns.items() if name in mapping.conflict or not column.is_made_up)
    return list(dict.fromkeys(mapping.source_of(name) for name in kept))


def _may_be_written(column: LiveColumn, mapping: TableMapping) -> bool:
    return not column.generated and column.name not in mapping.default_on_update


def _field(
    conn: psycopg.Connection[Any],
    column: Column,
    key: str,
    known: LiveColumn,
    types: Collection[str],
    *,
    csv: bool,
) -> Field:
    reference, printed = column.reference, known
    if reference is not None:
        columns = live.read(conn, reference.table).columns
        for name in (reference.match, reference.select):
            if name not in columns:
                raise SeedError(f"table {reference.table}, which {key} refers to, has no column {name}")
        printed = columns[reference.match]
    is_json = printed.own in {"json", "jsonb"}
    as_text = csv and not is_json and (not types or "string" in types)
    if csv and is_json and (not types or "string" in types):
        message = f"column {known.name} ({known.type}) cannot be a cell of CSV: its JSON may be text"
        raise SeedError(message, hint="write YAML, or let the schema say which other types it has")
    if (reason := known.refused) is not None:
        raise SeedError(f"column {known.name} ({known.type}) cannot be seeded: {reason}", hint=_HINT)
    return Field(key, known, printed, outgoing.reader(printed), reference, is_json, types, as_text)


def _outputs(field: Field, tables: dict[Any, Table]) -> Iterator[sql.Composable]:
    yield _printed(field.column, "present")
    if (reference := field.reference) is not None:
        other = tables[reference.table]
        yield sql.SQL(_KNOWN_BY).format(
            known=_printed(field.printed, "found"),
            table=parts.relation(reference.table),
            same=parts.same_as(reference.select, other, "found", field.column.name, "present"),
        )


def _printed(column: LiveColumn, of: str) -> sql.Composable:
    if column.own in _CAST:
        return parts.as_text(column.name, of)
    return sql.SQL(_PRINTED).format(value=parts.name(column.name, of))


def _ordered(table: LiveTable, name: str) -> sql.Composable:
    """Compose a part of an order that is the same everywhere."""
    found = parts.name(name, "present")
    return found + sql.SQL(' COLLATE pg_catalog."C"') if table.columns[name].collatable else found
