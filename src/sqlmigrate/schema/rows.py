"""Run the queries of a schema and put their rows together to objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from psycopg.rows import tuple_row

from sqlmigrate.schema.blocks import BLOCKS, UNSTAMPED, block
from sqlmigrate.schema.model import Name
from sqlmigrate.schema.session import pipelined
from sqlmigrate.schema.units import CATALOG_BITS, by_catalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import psycopg

    from sqlmigrate.schema.model import Value

    Cursor = psycopg.Cursor[tuple[Any, ...]]
    Units = dict[int, dict[Name, dict[str, Value]]]
    """The objects of each unit, the one that it is named after first."""

# Columns of every row that are no properties.
_KEYS = ("kind", "name", "class", "object", "sub", "unit")
# Lists whose order means nothing.
_UNORDERED = {
    *("acl", "row type acl", "multirange type acl"),
    *("options", "toast options", "foreign options", "settings", "publications", "tags"),
}
ALWAYS = 0
"""The unit of what is cheaper to read than to stamp: the database itself, roles."""


class Reader:
    """Reads blocks into units, and remembers which row of which catalog became which object."""

    def __init__(self, connection: psycopg.Connection[Any], major: int, catalogs: Mapping[str, int]) -> None:
        self.units: Units = {}
        self._connection = connection
        self._major = major
        self._catalogs = catalogs
        self._places: dict[tuple[int, int, int], dict[str, Value]] = {}

    def read(self, units: Iterable[int], unstamped: Iterable[str]) -> None:
        """Read these units with all their parts, and files of queries that are asked for nothing in particular."""
        wanted = by_catalog(units)
        with pipelined(self._connection):
            asked = [
                (catalog, self._ask(file, name, {catalog: as_array(oids)}))
                for file, names in BLOCKS.items()
                for name, catalog in names.items()
                if (oids := wanted.get(self._catalogs[catalog]))
            ]
            asked += [
                ("", self._ask(file, name, {}))
                for file in unstamped
                for name in UNSTAMPED[file]
                if block(file, name, self._major)
            ]
        for catalog, cursor in asked:
            self._take(self._catalogs.get(catalog, ALWAYS), cursor)
        self._take_remarks(self._ask("remarks", "remarks", {"objects": as_array({key[1] for key in self._places})}))

    def _ask(self, file: str, name: str, arguments: dict[str, str]) -> Cursor:
        cursor = self._connection.cursor(row_factory=tuple_row)
        return cursor.execute(block(file, name, self._major), arguments)

    def _take_remarks(self, cursor: Cursor) -> None:
        """Put comments, security labels and dependencies on extensions to their objects."""
        for catalog, object_, sub, name, text in cursor:
            if (properties := self._places.get((catalog, object_, sub))) is not None:
                properties[name] = text

    def _take(self, catalog: int, cursor: Cursor) -> None:
        columns = [column.name for column in cursor.description or ()]
        at = {key: columns.index(key) for key in _KEYS if key in columns}
        properties = [(place, column) for place, column in enumerate(columns) if column not in at]
        for row in cursor:
            unit = self.units.setdefault((catalog << CATALOG_BITS) | row[at["unit"]], {})
            found = unit.setdefault(Name(row[at["kind"]], row[at["name"]]), {})
            for place, column in properties:
                if (value := row[place]) is not None and value is not False and value != []:
                    found[column] = _tuple(column, value) if isinstance(value, list) else value
            self._places[row[at["class"]], row[at["object"]], row[at["sub"]] if "sub" in at else 0] = found


def as_array(oids: Iterable[int]) -> str:
    """Write oids as PostgreSQL writes an array: the shortest way for thousands of them."""
    return "{" + ",".join(map(str, oids)) + "}"


def _tuple(column: str, values: list[str]) -> tuple[str, ...]:
    return tuple(sorted(values)) if column in _UNORDERED else tuple(values)
