"""Compare two schemas, and say what differs in PostgreSQL's words."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from sqlmigrate.schema.layered import may_differ
from sqlmigrate.schema.model import POSITION, TABLE, Name, Schema, Value
from sqlmigrate.sql.difference import same_routine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Objects = Mapping[Name, Mapping[str, Value]]

SIGNS = {"added": "+", "removed": "-", "changed": "~"}
FLAGS = ("invalid", "not ready", "not live", "clustered", "replica identity", "inherited")
"""What the definition of an index or a trigger does not say."""
ROUTINES = ("function", "procedure")
ROW_POSITION = "position in the row type"
"""What the position of a column is called where columns have the row type of its table."""
USES = "uses"
"""The functions and operators behind a definition, which need not name them."""
TEXT_LINES = 40
"""Lines of one definition that are shown."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: an object that came or went with all its parts, or one property that is another."""

    kind: Literal["added", "removed", "changed"]
    object: Name
    property: str | None = None
    before: Value = None
    after: Value = None
    properties: Mapping[str, Value] = field(default_factory=dict, hash=False)
    """All of an object that came or went."""
    parts: tuple[Change, ...] = ()
    """The columns, indexes and so on that came or went with it."""


def compare(before: Schema, after: Schema) -> tuple[Change, ...]:
    """Return all differences in a stable order; none where the schemas are equal."""
    old, new = before.objects, after.objects
    names = may_differ(old, new)
    touched = [name for name in names if name in old and new.get(name) is not old[name]]
    common = [name for name in touched if name in new]
    moved = _moved_columns(old, new, common)
    changes = [
        *_whole("removed", old, (name for name in touched if name not in new)),
        *_whole("added", new, (name for name in names if name in new and name not in old)),
        *(
            change
            for name in common
            for change in _properties(name, old[name], new[name])
            if change.property != POSITION or name in moved
        ),
    ]
    if moved:
        changes = _with_row_types(changes, new)
    return tuple(sorted(changes, key=_order))


def _with_row_types(changes: Iterable[Change], objects: Objects) -> list[Change]:
    """Call the position of a column otherwise where values of its table's row type are stored: they go by place."""
    stored = {
        str(found["type"]).removesuffix("[]")
        for name, found in objects.items()
        if name.kind in ("column", "attribute") and "type" in found
    }
    return [
        replace(change, property=ROW_POSITION)
        if is_order(change) and objects[change.object].get(TABLE) in stored
        else change
        for change in changes
    ]


def is_order(change: Change) -> bool:
    """Tell whether a change is of the physical order of columns; of a composite type's attributes it is no such thing.

    Rows of a table are written by column; values of a composite type by place, in text and by ROW().
    """
    return change.kind == "changed" and change.object.kind == "column" and change.property == POSITION


def is_text(change: Change) -> bool:
    """Tell whether a change is of white space and comments in the body of a routine."""
    return (
        change.kind == "changed"
        and change.object.kind in ROUTINES
        and change.property == "definition"
        and same_routine(str(change.before), str(change.after))
    )


def as_text(changes: Iterable[Change]) -> list[str]:
    """Write the changes as lines that read like a diff."""
    return [line for change in changes for line in _lines(change)]


def as_json(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Write the changes as plain data for JSON."""
    return [_json(change) for change in changes]


def _order(change: Change) -> tuple[str, str, str, str]:
    """Put together what belongs to one table, the table first."""
    about = change.properties.get(TABLE) or _table(change.object)
    return (str(about), change.object.name, change.object.kind, f"{change.kind[0] != 'r'}{change.property}")


def _table(name: Name) -> str:
    if name.kind in ("column", "attribute"):
        return name.name.rpartition(".")[0]
    return name.name.rpartition(" on ")[2] if " on " in name.name else name.name


def _whole(kind: Literal["added", "removed"], objects: Objects, names: Iterable[Name]) -> Iterator[Change]:
    """Yield the objects that came or went; parts of one that did, too, stand under it."""
    names = sorted(names)
    owners = {name.name for name in names if TABLE not in objects[name]}
    parts: dict[str, list[Change]] = {}
    tops = []
    for name in names:
        properties = objects[name]
        owner = properties.get(TABLE)
        if isinstance(owner, str) and owner in owners:
            parts.setdefault(owner, []).append(Change(kind, name, properties=properties))
        else:
            tops.append(name)
    for name in tops:
        mine = () if TABLE in objects[name] else tuple(parts.get(name.name, ()))
        yield Change(kind, name, properties=objects[name], parts=mine)


def _properties(name: Name, before: Mapping[str, Value], after: Mapping[str, Value]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield Change(kind="changed", object=name, property=key, before=before.get(key), after=after.get(key))


def _moved_columns(old: Objects, new: Objects, common: Iterable[Name]) -> set[Name]:
    """Return the columns that stand elsewhere among those that both have: as few as explain the new order.

    A column that came or went in the middle moves no other.
    """
    tables: dict[Value, list[Name]] = {}
    for name in common:
        if POSITION in old[name]:
            tables.setdefault(old[name].get(TABLE), []).append(name)
    moved: set[Name] = set()
    for columns in tables.values():
        columns.sort(key=lambda name: _position(old[name]))
        moved.update(_out_of_order(columns, [_position(new[name]) for name in columns]))
    return moved


def _position(properties: Mapping[str, Value]) -> int:
    position = properties[POSITION]
    return position if isinstance(position, int) else 0


def _out_of_order(columns: list[Name], ranks: list[int]) -> Iterator[Name]:
    """Yield the columns outside of one longest run of rising ranks."""
    ends: list[int] = []
    lengths = []
    for rank in ranks:
        place = bisect_left(ends, rank)
        ends[place : place + 1] = [rank]
        lengths.append(place + 1)
    wanted = len(ends)
    for name, length in zip(reversed(columns), reversed(lengths), strict=True):
        if length == wanted:
            wanted -= 1
        else:
            yield name


def _lines(change: Change) -> Iterator[str]:
    start = f"{SIGNS[change.kind]} {change.object}"
    if change.kind == "changed":
        yield from _changed(start, change)
        return
    definition = change.properties.get("definition")
    if isinstance(definition, str) and "\n" not in definition:
        yield f"{start}: {definition}{_flags(change)}"
        return
    summary = _summary(change)
    yield f"{start}: {summary}" if summary else start
    if isinstance(definition, str):
        yield from _cut(f"    {SIGNS[change.kind]}{line}" for line in definition.splitlines())


def _summary(change: Change) -> str:
    """Say what an object without a definition is: the type of a column, the parts of a table."""
    counts = Counter(part.object.kind for part in change.parts)
    parts = [f"{count} {kind if count == 1 else _plural(kind)}" for kind, count in sorted(counts.items())]
    if change.parts or "definition" in change.properties:
        return ", ".join(parts)
    elsewhere = (TABLE, POSITION, "owner", "acl", USES)
    left = {key: value for key, value in change.properties.items() if key not in elsewhere}
    words = [str(left.pop("type"))] if "type" in left else []
    words += [key if value is True else f"{key} {_word(value)}" for key, value in left.items()]
    if "type" not in change.properties and not words:
        words = [f"{key} {_word(value)}" for key, value in change.properties.items() if key == "acl"]
    return ", ".join(words)


def _flags(change: Change) -> str:
    """Name what is unusual about an object and is not in its definition."""
    flags = [key for key in FLAGS if change.properties.get(key) is True]
    flags += [str(word) for key in ("enabled",) if (word := change.properties.get(key))]
    return f" ({', '.join(flags)})" if flags else ""


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("x") else f"{kind}s"


def _changed(start: str, change: Change) -> Iterator[str]:
    before, after = change.before, change.after
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"{start}: {change.property}"
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=1)
        yield from _cut(f"    {line}" for line in list(lines)[2:])
    elif set(old := _items(before)) != set(new := _items(after)):
        gone = [f"- {item}" for item in old if item not in new]
        came = [f"+ {item}" for item in new if item not in old]
        yield f"{start}: {change.property} {' '.join(gone + came)}"
    else:
        yield f"{start}: {change.property} {_word(before, like=after)} -> {_word(after, like=before)}"


def _items(value: Value) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()


def _word(value: Value, like: Value = None) -> str:
    if isinstance(value, bool) or (value is None and isinstance(like, bool)):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _cut(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == TEXT_LINES:
            yield "    ..."
            return
        yield line


def _json(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": change.kind,
        "object": {"kind": change.object.kind, "name": change.object.name},
        "property": change.property,
        "before": change.before,
        "after": change.after,
    }
    if change.kind != "changed":
        found["properties"] = dict(change.properties)
        found["parts"] = as_json(change.parts)
    return found
