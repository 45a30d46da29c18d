"""Leave out what is not of the migrations: histories, and what matches a pattern of the user's, with all its parts."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from typing import TYPE_CHECKING

from sqlmigrate.drift.naming import plain, schema_of
from sqlmigrate.history import foreign as other_tools
from sqlmigrate.history.names import NAMES
from sqlmigrate.schema import TABLE, Name, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlmigrate.history.foreign import Known
    from sqlmigrate.schema import Value

YOYO = tuple(f"table *.{name}" for name in ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock"))
"""The tables in which yoyo keeps its own history."""
_OWNED_BY = "owned by"
_PUBLIC = "public"


def without_ours(schemas: Sequence[Schema], space: str) -> list[Schema]:
    """Return what the files make and what is there, both without the history's tables in a schema.

    The schema goes with them unless the files make it. What else is in it stays: migrations may use it too.
    """
    kept = {*schemas[0].objects, Name("schema", _PUBLIC)}
    inside = [(name, found) for schema in schemas for name, found in schema.objects.items()]
    spaces = {name for name, _ in inside if name.kind == "schema" and plain(name.name) == space} - kept
    tables = {name for name, _ in inside if name.kind == "table" and name.name.rpartition(".")[2] in NAMES}
    tables = {name for name in tables if plain(_schema_of(name)) == space}
    return _kept(schemas, spaces | tables)


def without_histories(schemas: Sequence[Schema]) -> tuple[list[Schema], list[str]]:
    """Return the schemas without the histories of other tools, and without further ones of our own; say which.

    A schema in which nothing else is goes with them.
    """
    found = {name: item for schema in schemas for name, item in _histories(schema)}
    if not found:
        return list(schemas), []
    ours = {_schema_of(name) for name, item in found.items() if item.tool == other_tools.OURS}
    whole = {_schema_of(name) for name, item in found.items() if item.own_schema and _schema_of(name) == item.schema}
    ignored = set(found)
    for schema in schemas:
        for name, value in schema.objects.items():
            space = schema_of(name, value)
            if space in whole or (space in ours and name.kind == "table" and name.name.rpartition(".")[2] in NAMES):
                ignored.add(name)
    ignored |= _emptied(schemas, ignored)
    tools = {item.tool: name for name, item in found.items() if not item.beside and item.tool != other_tools.OURS}
    notes = [f"the history of {tool}, {name.name}, is not compared" for tool, name in sorted(tools.items())]
    notes += [f"the other history of sqlmigrate, in schema {space}, is not compared" for space in sorted(ours)]
    return _kept(schemas, ignored), notes


def _schema_of(table: Name) -> str:
    return schema_of(table, {}) or ""


def _histories(schema: Schema) -> Iterator[tuple[Name, Known]]:
    """Yield the tables that are known by their columns, but for those of yoyo that have its names."""
    columns: dict[str, list[str]] = {}
    for name, found in schema.objects.items():
        if name.kind == "column" and isinstance(table := found.get(TABLE), str):
            columns.setdefault(table, []).append(plain(name.name[len(table) + 1 :]))
    for table, own in columns.items():
        name = Name("table", table)
        space = _schema_of(name)
        item = other_tools.by_columns(plain(space), plain(table[len(space) + 1 :]), own)
        if item is not None and name in schema.objects and not any(_matches(pattern, name) for pattern in YOYO):
            yield name, item


def _emptied(schemas: Sequence[Schema], ignored: set[Name]) -> set[Name]:
    """Return the schemas in which there is nothing but what is ignored."""
    tables = {name.name for name in ignored}
    used: set[str] = set()
    left: set[str] = set()
    for schema in schemas:
        for name, found in schema.objects.items():
            space = schema_of(name, found)
            if name.kind == "schema" or space is None:
                continue
            is_ignored = name in ignored or any(part in tables for part in _wholes(found))
            (used if is_ignored else left).add(space)
    return {Name("schema", space) for space in used - left if space != _PUBLIC}


def without(schemas: Sequence[Schema], patterns: Collection[str]) -> tuple[list[Schema], list[str]]:
    """Return the schemas without what matches a pattern, and the patterns that match nothing in any of them.

    A pattern is `kind name` or a name alone, with the wildcards of a shell; a column, index or another part goes with
    its table, and a sequence with the column that owns it.
    """
    matched: set[str] = set()
    ignored: set[Name] = set()
    texts = _either(patterns)
    for name in {name for schema in schemas for name in schema.objects} if patterns else ():
        if texts(name.name) or texts(str(name)):
            ignored.add(name)
            matched.update(pattern for pattern in patterns if _matches(pattern, name))
    return _kept(schemas, ignored), [pattern for pattern in patterns if pattern not in matched]


def _either(patterns: Collection[str]) -> Callable[[str], object]:
    """Return a function that tells whether a text is one of several patterns, or matches one: there are thousands."""
    return re.compile("|".join(one for text in patterns for one in (re.escape(text) + r"\Z", translate(text)))).match


def _kept(schemas: Sequence[Schema], ignored: set[Name]) -> list[Schema]:
    if not ignored:
        return list(schemas)
    whole = {name.name for name in ignored if any(_is_whole(name, schema) for schema in schemas)}
    return [
        Schema(
            {
                name: found
                for name, found in schema.objects.items()
                if name not in ignored and not any(part in whole for part in _wholes(found))
            }
        )
        for schema in schemas
    ]


def _matches(pattern: str, name: Name) -> bool:
    return any(text == pattern or fnmatchcase(text, pattern) for text in (str(name), name.name))


def _is_whole(name: Name, schema: Schema) -> bool:
    return name in schema.objects and TABLE not in schema.objects[name]


def _wholes(found: Mapping[str, Value]) -> Iterator[str]:
    """Yield what an object is a part of."""
    if isinstance(whole := found.get(TABLE), str):
        yield whole
    if isinstance(column := found.get(_OWNED_BY), str):
        yield column.rpartition(".")[0]
