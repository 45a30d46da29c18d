"""Leave out what the user does not want to hear of: objects whose name matches a pattern, with all their parts."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sqlmigrate.schema import TABLE, Schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlmigrate.schema import Name, Value

YOYO = tuple(f"table *.{name}" for name in ("_yoyo_log", "_yoyo_migration", "_yoyo_version", "yoyo_lock"))
"""The tables in which yoyo keeps its own history."""
_OWNED_BY = "owned by"


def without(schemas: Sequence[Schema], patterns: Collection[str]) -> tuple[list[Schema], list[str]]:
    """Give the schemas without what matches a pattern, and the patterns that match nothing in any of them.

    A pattern is `kind name` or a name alone, with the wildcards of a shell; a column, index or another part goes with
    its table, and a sequence with the column that owns it.
    """
    matched: set[str] = set()
    ignored: set[Name] = set()
    for schema in schemas:
        for name in schema.objects:
            found = [pattern for pattern in patterns if _matches(pattern, name)]
            matched.update(found)
            if found:
                ignored.add(name)
    whole = {name.name for name in ignored if any(_is_whole(name, schema) for schema in schemas)}
    kept = [
        Schema(
            {
                name: found
                for name, found in schema.objects.items()
                if name not in ignored and not any(part in whole for part in _wholes(found))
            }
        )
        for schema in schemas
    ]
    return kept, [pattern for pattern in patterns if pattern not in matched]


def _matches(pattern: str, name: Name) -> bool:
    return any(text == pattern or fnmatchcase(text, pattern) for text in (str(name), name.name))


def _is_whole(name: Name, schema: Schema) -> bool:
    return name in schema.objects and TABLE not in schema.objects[name]


def _wholes(found: Mapping[str, Value]) -> Iterator[str]:
    """Give what an object is a part of."""
    if isinstance(whole := found.get(TABLE), str):
        yield whole
    if isinstance(column := found.get(_OWNED_BY), str):
        yield column.rpartition(".")[0]
