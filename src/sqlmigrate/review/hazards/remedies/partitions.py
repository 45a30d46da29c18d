"""Partitions that come and go without their rows, or those of the default partition, being read under a lock."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies import constraints
from sqlmigrate.review.hazards.remedies.names import last_part
from sqlmigrate.review.hazards.remedies.phases import Command, Phases
from sqlmigrate.review.hazards.remedies.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Traced

_KEY = re.compile(r'(RANGE|LIST) \(("(?:[^"]|"")+"|\w+)\)')
_RANGE = re.compile(r"FOR VALUES FROM \((.*)\) TO \((.*)\)", re.DOTALL)
_LIST = re.compile(r"FOR VALUES IN \((.*)\)", re.DOTALL)
_DEFAULT = "DEFAULT"
_NO_BOUND = {"MINVALUE", "MAXVALUE"}


def joined(one: Traced) -> Iterator[tuple[str, str, str]]:
    """Yield the partitions that a statement attaches or makes: their names, the tables that they are of, the bounds."""
    before, after = one.step.before, one.step.after
    for text in (*one.changes.changed, *one.changes.made):
        whole = after.get(text, {}).get("partition of")
        if text.startswith("table ") and isinstance(whole, tuple) and not before.get(text, {}).get("partition of"):
            yield text.removeprefix("table "), whole[0], str(after[text].get("partition bound"))


def attached(one: Traced) -> Remedy | None:
    """Prove by checks that are validated beforehand which rows lie where, then attach or make the one partition."""
    found = list(joined(one))
    if len(found) != 1:
        return None
    name, whole, bound = found[0]
    within = _within(str(one.step.after.get(f"table {whole}", {}).get("partition key")), bound)
    phases, exists = Phases(), f"table {name}" in one.step.before
    if within is None:
        return None
    proven = [_proof(Place(one, name, older=False, phases=phases), within, "_bounds")] if exists else []
    proven += [
        _proof(Place(one, other, older=False, phases=phases), f"NOT ({within})", "_without")
        for other in Place(one, whole, older=False, phases=phases).partitions()
        if one.step.before.get(f"table {other}", {}).get("partition bound") == _DEFAULT and other != name
    ]
    if exists:
        detach = f"ALTER TABLE {whole} DETACH PARTITION {name}"
        phases.contract.append(Command(f"ALTER TABLE {whole} ATTACH PARTITION {name} {bound}", detach))
    else:
        phases.contract.append(Command(f"CREATE TABLE {name} PARTITION OF {whole} {bound}", f"DROP TABLE {name}"))
    phases.contract += [_gone(*item) for item in proven]
    return phases.remedy() if proven else None


def _proof(place: Place, check: str, ending: str) -> tuple[str, str, str]:
    name = place.free(last_part(place.table), ending)
    constraints.not_valid(place, name, f"CHECK ({check})")
    return place.table, name, check


def _gone(table: str, name: str, check: str) -> Command:
    undo = f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK ({check}) NOT VALID"
    return Command(f"ALTER TABLE {table} DROP CONSTRAINT {name}", undo)


def _within(key: str, bound: str) -> str | None:
    """Write the bounds of a partition as PostgreSQL means them, for a key of one column."""
    if (match := _KEY.fullmatch(key)) is None:
        return None
    column, found = match[2], (_RANGE if match[1] == "RANGE" else _LIST).fullmatch(bound)
    if found is None:
        return None
    known = f"{column} IS NOT NULL"
    if match[1] == "LIST":
        return f"{known} AND {column} IN ({found[1]})" if "NULL" not in found[1] else None
    low, high = found[1], found[2]
    words = [known]
    words += [f"{column} >= {low}"] if low not in _NO_BOUND else []
    words += [f"{column} < {high}"] if high not in _NO_BOUND else []
    return " AND ".join(words)
