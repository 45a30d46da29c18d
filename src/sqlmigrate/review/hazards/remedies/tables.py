"""A whole ALTER TABLE, made online: each of its actions in the phase where it stops nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies import columns, constraints, retyping
from sqlmigrate.review.hazards.remedies.phases import Command, Phases
from sqlmigrate.review.hazards.remedies.place import Place

if TYPE_CHECKING:
    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Traced

_KINDS = ("column", "constraint", "index")


def online(one: Traced) -> tuple[Remedy, ...]:
    """Return remedies for all that a statement does to tables, best first; none where a part of it has no way."""
    first, has_older = _made(one, older=False)
    second = _made(one, older=True)[0] if has_older else None
    return tuple(remedy for remedy in (first, second) if remedy is not None)


def _made(one: Traced, *, older: bool) -> tuple[Remedy | None, bool]:
    phases = Phases()
    for table in _altered(one):
        if not _alter(Place(one, table, older, phases)):
            return None, phases.has_older_form
    return phases.remedy(), phases.has_older_form


def _altered(one: Traced) -> list[str]:
    """Return the tables of which a statement changes parts; a partition goes with the one that it is of."""
    after, found = one.step.after, {}
    for text in (*one.changes.made, *one.changes.changed):
        properties = after.get(text.partition(" (now ")[0], {})
        if text.startswith(_KINDS) and "table" in properties:
            found[str(properties["table"])] = True
    return [table for table in found if not _belongs(one, table, found)]


def _belongs(one: Traced, table: str, found: dict[str, bool]) -> bool:
    whole = one.step.after.get(f"table {table}", {}).get("partition of")
    return isinstance(whole, tuple) and (whole[0] in found or _belongs(one, whole[0], found))


def _alter(place: Place) -> bool:
    """Put all that happens to one table into its phases."""
    table = place.table
    made = [text.removeprefix(f"column {table}.") for text in place.one.changes.made if _is_column(text, table)]
    changed = [text.removeprefix(f"column {table}.") for text in place.one.changes.changed if _is_column(text, table)]
    keys: set[str] = set()
    added = dict(_constraints(place))
    for definition in added.values():
        keys.update(constraints.key_columns(definition))
    if not all(columns.add(place, column, rewrites=_rewrites(place)) for column in made):
        return False
    if not all(_change(place, column, is_key=column in keys) for column in changed if column not in made):
        return False
    return all(constraints.add(place, name, definition) for name, definition in added.items())


def _is_column(text: str, table: str) -> bool:
    return text.startswith(f"column {table}.") and " (now " not in text


def _rewrites(place: Place) -> bool:
    """Whether the statement writes the table, or a partition of it, anew; an empty one is written without a word."""
    return bool(place.one.step.rewrites)


def _constraints(place: Place) -> list[tuple[str, str]]:
    """Return the constraints that the statement adds to the table, without those of NOT NULL."""
    found = []
    for text in place.one.changes.made:
        name = text.removeprefix("constraint ").removesuffix(f" on {place.table}")
        properties = place.after("constraint", f"{name} on {place.table}")
        if text == f"constraint {name} on {place.table}" and not properties.get("parent"):
            definition = str(properties.get("definition"))
            if constraints.not_null_column(definition) is None:
                found.append((name, definition))
    return found


def _change(place: Place, column: str, *, is_key: bool) -> bool:
    before, after = place.before("column", f"{place.table}.{column}"), place.column(column)
    if any(before.get(key) != after.get(key) for key in ("type", "collation")):
        return retyping.retype(place, column)
    if after.get("not null") and not before.get("not null") and not is_key:
        constraints.not_null(place, column)
    if (new := after.get("default")) != (old := before.get("default")):
        alter = f"ALTER TABLE {place.table} ALTER COLUMN {column}"
        words = [f"SET DEFAULT {value}" if value else "DROP DEFAULT" for value in (new, old)]
        place.phases.expand.append(Command(f"{alter} {words[0]}", f"{alter} {words[1]}"))
    return True
