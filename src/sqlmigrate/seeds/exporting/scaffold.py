"""Make the JSON Schema and the mapping of seed rows from a table of a database."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING, Any

from sqlmigrate.errors import SeedError
from sqlmigrate.seeds.exporting import checks, live
from sqlmigrate.seeds.reading.schema import DIALECT, KEYWORD

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import psycopg

    from sqlmigrate.seeds.exporting.live import Foreign, LiveColumn, LiveTable
    from sqlmigrate.seeds.model import TableName

_WHOLE = {"int2": 15, "int4": 31, "int8": 63}
_NUMBER = r"^(NaN|-?Infinity|-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?)$"
_SAFE_DIGITS = 15  # that a float holds whatever they are
_OUT_OF_NAMES = re.compile(r"[^\w.-]")
_HEADER = 4  # bytes that PostgreSQL counts with the length of a type


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A schema, with what a reader should know of it; `stem` names files of the table."""

    table: TableName
    stem: str
    schema: dict[str, Any]
    notes: list[str]


def scaffold(
    conn: psycopg.Connection[Any], table: LiveTable, *, key: Sequence[str] = (), without: Collection[str] = ()
) -> Scaffold:
    """Make the schema of a table; raises SeedError where its rows have no key, or hold what no file can.

    `key` names the columns that say which row is which, where that is not to be chosen; `without` what is left out.
    """
    made = _Scaffold(conn, table, list(key) or _key(table), without)
    made.require_possible()
    return Scaffold(table.name, stem(table.name), made.schema(), made.notes)


def stem(table: TableName) -> str:
    """Return the name of a table's files without their endings: one that every system takes."""
    name = table.name if table.schema == "public" else f"{table.schema}.{table.name}"
    return re.sub(r"^[.-]", "_", _OUT_OF_NAMES.sub("_", name))


def _key(table: LiveTable) -> list[str]:
    if found := table.natural_key():
        return found
    keys = table.candidates()
    if not keys:
        message = f"{table.name} has no unique constraint that says which row is which"
        hint = (
            "add one in a migration, over columns that are NOT NULL; one that is partial or deferrable cannot be used"
        )
        raise SeedError(message, hint=hint)
    made_up = ", ".join(keys[0])
    raise SeedError(
        f"{table.name} has no natural key: the values of ({made_up}) are made up by the database",
        hint="add a unique constraint over what people know a row by in a migration, or take that key all the same: "
        + " ".join(f"--key {quote(name)}" for name in keys[0]),
    )


@dataclass
class _Scaffold:
    """The schema of one table as it is made."""

    conn: psycopg.Connection[Any]
    table: LiveTable
    key: Sequence[str]
    without: Collection[str]
    notes: list[str] = field(default_factory=list)

    def require_possible(self) -> None:
        """Raise SeedError for columns that are not there or cannot be written, and for a key that is none."""
        for name in (*self.key, *self.without):
            if name not in self.table.columns:
                known = ", ".join(self.table.columns)
                raise SeedError(f"{self.table.name} has no column {name}", hint=f"it has {known}")
        if set(self.key) not in [set(unique) for unique, _ in self.table.unique]:
            keys = " or ".join(f"({', '.join(unique)})" for unique in self.table.candidates())
            raise SeedError(
                f"{self.table.name} has no unique constraint on ({', '.join(self.key)}) that can be used",
                hint=f"it has one on {keys}" if keys else "add one in a migration",
            )
        if left := set(self.key).intersection(self.without):
            raise SeedError(f"{', '.join(sorted(left))} cannot be left out: the key needs it")
        columns = [column for column in self._columns() if not column.refused]
        incomparable = live.incomparable(self.conn, self.table, columns)
        for column in self._columns():
            reason = column.refused
            if column.name in incomparable:
                reason = "PostgreSQL cannot tell whether two values are equal"
            if reason:
                message = f"column {column.name} of {self.table.name} ({column.type}) cannot be seeded: {reason}"
                raise SeedError(message, hint=f"leave it out: --without {quote(column.name)}")

        for name in self.without:
            column = self.table.columns[name]
            if column.required and column.default is None and not (column.identity or column.generated):
                self.notes.append(f"{name} is NOT NULL and has no default: no new row can be inserted without it")

    def schema(self) -> dict[str, Any]:
        """Return the schema with the mapping."""
        name = self.table.name.name
        sources, columns = self._mapping()
        properties = {sources[column.name]: self._property(column, columns) for column in self._columns()}
        items = {
            "type": "object",
            "additionalProperties": False,
            "required": [sources[column.name] for column in self._columns() if self._is_required(column)],
            "properties": properties,
        }
        mapping = {"list": name, "table": str(self.table.name), "conflict": list(self.key)}
        return {
            "$schema": DIALECT,
            "title": self.table.comment or f"Rows of {self.table.name}",
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"type": "array", "items": items}},
            KEYWORD: {**mapping, "columns": columns} if columns else mapping,
        }

    def _columns(self) -> list[LiveColumn]:
        """Return the columns that rows have."""
        return [
            column
            for column in self.table.columns.values()
            if column.name not in self.without
            and not column.generated
            and (column.name in self.key or not self._is_surrogate(column))
        ]

    def _is_surrogate(self, column: LiveColumn) -> bool:
        """Tell whether a column only numbers the rows; a random UUID does if it is a key."""
        if column.identity or "nextval(" in (column.default or ""):
            return True
        return column.is_made_up and any(column.name in unique for unique, _ in self.table.unique)

    def _is_required(self, column: LiveColumn) -> bool:
        return column.name in self.key or (column.required and column.default is None and not column.identity)

    def _mapping(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return the key of a row that fills each column, and what the mapping says of columns that refer to others."""
        sources = {column.name: column.name for column in self._columns()}
        said: dict[str, Any] = {}
        for foreign in self.table.foreign:
            if foreign.column not in sources or foreign.column in said:
                continue
            if foreign.width > 1:
                self._note_plain(foreign.column, f"the foreign key to {foreign.table} has {foreign.width} columns")
            elif match := self._match(foreign):
                source = self._source(foreign, match, {*sources.values(), *self.table.columns})
                sources[foreign.column] = source
                reference = {"table": str(foreign.table), "match": match, "select": foreign.referenced}
                said[foreign.column] = {"from": source, "references": reference}
        return sources, said

    def _match(self, foreign: Foreign) -> str | None:
        """Return the column by which people know the row that is referred to."""
        if "." in foreign.table.schema or "." in foreign.table.name:
            self._note_plain(foreign.column, f"{foreign.table} has a dot in its name")
            return None
        other = self.table if foreign.table == self.table.name else live.read(self.conn, foreign.table)
        natural = list(self.key) if other is self.table else other.natural_key()
        if natural and len(natural) == 1 and natural[0] not in [one.column for one in other.foreign]:
            return natural[0]
        if other.columns[foreign.referenced].is_made_up:
            self._note_plain(foreign.column, f"{foreign.table} has no natural key of one column")
        return foreign.referenced

    def _note_plain(self, column: str, reason: str) -> None:
        self.notes.append(f"{column} has the value of the table as it is: {reason}")

    def _source(self, foreign: Foreign, match: str, taken: Collection[str]) -> str:
        """Return the name of the key that refers to a row: `currency_code` for `currency_id` that looks up `code`."""
        if match == foreign.referenced:
            return foreign.column
        base = foreign.column.removesuffix(f"_{foreign.referenced}")
        name = match if match.startswith(f"{base}_") else f"{base}_{match}"
        while name in taken:
            name += "_"
        return name

    def _property(self, column: LiveColumn, mapped: dict[str, Any]) -> dict[str, Any]:
        """Describe the values of a column, or those that the row it refers to is known by."""
        described, own = column, self.table
        if column.name in mapped and (reference := mapped[column.name]["references"]):
            foreign = next(one for one in self.table.foreign if one.column == column.name)
            if foreign.table != self.table.name:
                own = live.read(self.conn, foreign.table)
            described = own.columns[reference["match"]]
        said = self._type(described, own)
        said = checks.with_rules(said, described, own.checks)
        if not (column.required or column.name in self.key):
            said = _or_null(said)
        words = column.type if described is column else f"{reference['match']} of {reference['table']}"
        return {"description": column.comment or words, **said}

    def _type(self, column: LiveColumn, table: LiveTable) -> dict[str, Any]:
        if column.own in {"json", "jsonb"}:
            types = {"object", "array"} | live.types_of_json(self.conn, table, column) - {"null"}
            return {"type": sorted(types)}
        if column.element:
            items = _simple(column.element, column.element_kind, -1, column.labels)
            return {"type": ["array", "string"], "items": _or_null(items)}
        return _simple(column.own, column.kind, column.modifier, column.labels)


def _simple(own: str, kind: str, modifier: int, labels: Sequence[str]) -> dict[str, Any]:
    """Describe the values of a type that is neither an array nor JSON."""
    if kind == "e":
        return {"enum": list(labels)}
    match own:
        case "bool":
            return {"type": "boolean"}
        case "int2" | "int4" | "int8":
            return {"type": "integer", "minimum": -(2 ** _WHOLE[own]), "maximum": 2 ** _WHOLE[own] - 1}
        case "numeric":
            return {"type": ["number", "string"], **dict(_scaled(modifier)), "pattern": _NUMBER}
        case "float4" | "float8":
            return {"type": ["number", "string"], "pattern": _NUMBER}
        case "varchar" | "bpchar" if modifier >= _HEADER:
            return {"type": "string", "maxLength": modifier - _HEADER}
        case "varbit" | "bit":
            length = {"maxLength": modifier} if modifier > 0 else {}
            exactly = {"minLength": modifier} if own == "bit" and modifier > 0 else {}
            return {"type": "string", **exactly, **length, "pattern": "^[01]*$"}
        case "bytea":
            return {"type": "string", "pattern": r"^\\x([0-9A-Fa-f]{2})*$"}
    return {"type": "string"}


def _scaled(modifier: int) -> Iterator[tuple[str, Any]]:
    """Yield what numeric(precision, scale) demands of numbers, as far as a float can say it."""
    if modifier < _HEADER:
        return
    precision = (modifier - _HEADER >> 16) & 0xFFFF
    scale = ((modifier - _HEADER) & 0x7FF ^ 1024) - 1024
    if 0 <= scale <= precision <= _SAFE_DIGITS:
        yield "multipleOf", float(f"1e-{scale}") if scale else 1
        yield "exclusiveMinimum", -(10 ** (precision - scale))
        yield "exclusiveMaximum", 10 ** (precision - scale)


def _or_null(said: dict[str, Any]) -> dict[str, Any]:
    """Let a value be null, too."""
    found = dict(said)
    if isinstance(kind := found.get("type"), str | list):
        found["type"] = [*([kind] if isinstance(kind, str) else kind), "null"]
    if "enum" in found:
        found["enum"] = [*found["enum"], None]
    return found
