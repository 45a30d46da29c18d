"""Constraints without reading or building anything under a strong lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies.names import last_part
from sqlmigrate.review.hazards.remedies.phases import Command

if TYPE_CHECKING:
    from sqlmigrate.review.hazards.remedies.place import Place

_INDEX = re.compile(r"\bINDEX\b", re.IGNORECASE)
_NOT_NULL = re.compile(r"NOT NULL (.+?)(?: NO INHERIT)?$")
_KEY_COLUMNS = re.compile(r"PRIMARY KEY \(([^()]*)\)")
_WHEN_CHECKED = re.compile(r"(?: DEFERRABLE)?(?: INITIALLY DEFERRED)?$")
_NAME = re.compile(r'"(?:[^"]|"")+"|[^",\s]+')


def concurrently(definition: str) -> str:
    """Write CONCURRENTLY into the definition of an index."""
    return _INDEX.sub("INDEX CONCURRENTLY", definition, count=1)


def not_null_column(definition: str) -> str | None:
    """Return the column of a NOT NULL constraint, which has a name of its own since PostgreSQL 18."""
    return match[1] if (match := _NOT_NULL.match(definition)) else None


def add(place: Place, name: str, definition: str) -> bool:
    """Add a constraint as the statement does; False where there is no way but to do it in one go."""
    if definition.startswith("EXCLUDE"):
        return False
    if definition.startswith(("PRIMARY KEY", "UNIQUE")):
        return _by_index(place, name, definition)
    if definition.startswith("FOREIGN KEY") and place.is_partitioned():
        place.phases.has_older_form = True
        if place.older:
            _key_by_partition(place, place.table, name, definition)
            place.phases.contract.append(_added(place.table, name, definition))
            return True
    not_valid(place, name, definition)
    return True


def _added(table: str, name: str, definition: str) -> Command:
    return Command(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}",
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}",
    )


def not_valid(place: Place, name: str, definition: str) -> None:
    """Add a constraint NOT VALID, which reads nothing, and validate it under a weak lock."""
    place.phases.checks.append(_added(place.table, name, f"{definition.removesuffix(' NOT VALID')} NOT VALID"))
    if not definition.endswith(" NOT VALID"):
        place.phases.online.append(validated(place.table, name, definition))


def validated(table: str, name: str, definition: str) -> Command:
    """Validate a constraint; what undoes it adds it NOT VALID again."""
    again = f"DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition.removesuffix(' NOT VALID')} NOT VALID"
    return Command(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}", f"ALTER TABLE {table} {again}")


def not_null(place: Place, column: str) -> None:
    """Set NOT NULL behind a check that proves it, so that nothing is read then."""
    table, check = place.table, place.free(column, "_set")
    alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
    added = _added(table, check, f"CHECK ({column} IS NOT NULL) NOT VALID")
    place.phases.checks.append(added)
    place.phases.online += [
        Command(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check}"),
        Command(f"{alter} SET NOT NULL", f"{alter} DROP NOT NULL"),
        Command(f"ALTER TABLE {table} DROP CONSTRAINT {check}", added.sql),
    ]


def key_columns(definition: str) -> list[str]:
    """Return the columns of a primary key."""
    match = _KEY_COLUMNS.match(definition)
    return _NAME.findall(match[1]) if match else []


def _by_index(place: Place, name: str, definition: str) -> bool:
    for column in key_columns(definition):
        before = place.before("column", f"{place.table}.{column}")
        if before and not before.get("not null"):  # a new column has its own NOT NULL
            not_null(place, column)
    if place.is_partitioned():
        return _index_by_partition(place, place.table, name, definition)
    index = str(place.after("constraint", f"{name} on {place.table}").get("index"))
    built = str(place.after("index", index).get("definition", ""))
    if not built:
        return False
    drop = f"DROP INDEX CONCURRENTLY IF EXISTS {index}"
    place.phases.online.append(Command(concurrently(built), drop))
    place.phases.contract.append(using(place.table, name, definition))
    return True


def using(table: str, name: str, definition: str, index: str | None = None) -> Command:
    """Make a constraint of an index that is there, by default of its name."""
    kind = "PRIMARY KEY" if definition.startswith("PRIMARY") else "UNIQUE"
    when = _WHEN_CHECKED.search(definition)
    return Command(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {kind} USING INDEX {index or name}{when[0] if when else ''}",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def _index_by_partition(place: Place, table: str, name: str, definition: str, *, inner: bool = False) -> bool:
    """Add it to the partitioned table alone; build, add and attach the index of each partition."""
    state = place.one.step.after
    whole = str(state.get(f"constraint {name} on {table}", {}).get("index"))
    undo = "" if inner else f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}"
    place.phases.contract.append(Command(f"ALTER TABLE ONLY {table} ADD CONSTRAINT {name} {definition}", undo))
    for text, properties in state.of("constraint").items():
        if properties.get("parent") != f"{name} on {table}":
            continue
        part, below = str(properties.get("table")), text.removesuffix(f" on {properties.get('table')}")
        index = str(properties.get("index"))
        own = str(properties.get("definition"))
        if state.get(f"table {part}", {}).get("partition key"):
            if not _index_by_partition(place, part, below, own, inner=True):
                return False
        elif not (built := str(state.get(f"index {index}", {}).get("definition", ""))):
            return False
        else:
            place.phases.online.append(Command(concurrently(built), f"DROP INDEX CONCURRENTLY IF EXISTS {index}"))
            place.phases.contract.append(Command(using(part, below, own, last_part(index)).sql))
        place.phases.contract.append(Command(f"ALTER INDEX {whole} ATTACH PARTITION {index}"))
    return True


def _key_by_partition(place: Place, table: str, name: str, definition: str) -> None:
    """Add a foreign key to each partition and validate it there; the partitioned table then takes them as its own."""
    for part, properties in place.one.step.before.of("table").items():
        if properties.get("partition of") != (table,):
            continue
        if properties.get("partition key"):
            _key_by_partition(place, part, name, definition)
            continue
        place.phases.checks.append(_added(part, name, f"{definition} NOT VALID"))
        place.phases.online.append(validated(part, name, definition))
