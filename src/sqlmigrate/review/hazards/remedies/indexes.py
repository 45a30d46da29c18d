"""Indexes, partitions and materialized views, CONCURRENTLY."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies.constraints import concurrently
from sqlmigrate.review.hazards.remedies.names import beside, last_part, with_ending
from sqlmigrate.review.hazards.remedies.phases import Command, Phases
from sqlmigrate.sql.statement import instead
from sqlmigrate.sql.statement.names import Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.schema import Value

    Indexes = Mapping[str, Mapping[str, Value]]

_KEY_COLUMN = re.compile(r"\w+ \((\w+)\)")
_ON_ONLY = re.compile(r"CREATE (?:UNIQUE )?INDEX (?:\"(?:[^\"]|\"\")+\"|\S+) ON ONLY ")


def is_partitioned(properties: Mapping[str, Value]) -> bool:
    """Whether an index is one of a partitioned table: PostgreSQL prints its definition with ON ONLY."""
    return bool(_ON_ONLY.match(str(properties.get("definition"))))


def built(names: Iterator[str], made: Indexes) -> Remedy | None:
    """Build indexes CONCURRENTLY; those of a partitioned table partition by partition."""
    phases = Phases()
    for name in names:
        _build(phases, name, made, inner=False)
    return phases.remedy()


def _build(phases: Phases, name: str, made: Indexes, *, inner: bool) -> None:
    definition = str(made[name]["definition"])
    if not is_partitioned(made[name]):
        undo = "" if inner else f"DROP INDEX CONCURRENTLY IF EXISTS {name}"  # one that is attached goes with the whole
        phases.online.append(Command(concurrently(definition), undo))
        return
    phases.online.append(Command(definition, "" if inner else f"DROP INDEX IF EXISTS {name}"))
    for part in (part for part, properties in made.items() if properties.get("partition of") == name):
        _build(phases, part, made, inner=True)
        phases.online.append(Command(f"ALTER INDEX {name} ATTACH PARTITION {part}"))


def dropped(one: Traced) -> Remedy | None:
    """Drop each index CONCURRENTLY, which takes one and no CASCADE: what goes along is dropped by its name before."""
    phases, before = Phases(), one.step.before
    for text in one.changes.dropped:
        kind, name = text.partition(" ")[::2]
        properties = before.get(text, {})
        if kind == "index":
            again = concurrently(str(properties.get("definition")))
            phases.online.append(Command(f"DROP INDEX CONCURRENTLY {name}", again))
        elif kind == "constraint":
            constraint, table = name.removesuffix(f" on {properties.get('table')}"), properties.get("table")
            undo = f"ALTER TABLE {table} ADD CONSTRAINT {constraint} {properties.get('definition')}"
            drop = f"ALTER TABLE {table} DROP CONSTRAINT {constraint}"
            phases.expand.append(Command(drop, undo))
        else:
            return None
    return phases.remedy()


def slowly(one: Traced) -> Remedy | None:
    """Write a REINDEX or a REFRESH with CONCURRENTLY."""
    sql = instead.concurrently(one.statement.text, resolver(one))
    return Phases(online=[Command(sql)]).remedy() if sql else None


def detached(one: Traced) -> tuple[Remedy, ...]:
    """Write a DETACH PARTITION with CONCURRENTLY; the check of its bounds that the partition then has is dropped."""
    sql = instead.concurrently(one.statement.text, resolver(one))
    tables = [text for text in one.changes.changed if text.startswith("table ")]
    texts = [text for text in tables if one.step.before.get(text, {}).get("partition of")]
    if sql is None or len(texts) != 1:
        return ()
    name, properties = texts[0].removeprefix("table "), one.step.before[texts[0]]
    whole = properties["partition of"][0] if isinstance(properties["partition of"], tuple) else ""
    again = f"ALTER TABLE {whole} ATTACH PARTITION {name} {properties.get('partition bound')}"
    column = _KEY_COLUMN.fullmatch(str(one.step.before.get(f"table {whole}", {}).get("partition key")))
    check = with_ending(last_part(name), f"_{column[1]}_check" if column else "_check")
    without = Phases(online=[Command(sql, again), Command(f"ALTER TABLE {name} DROP CONSTRAINT {check}")])
    found = without.remedy(), Phases(online=[Command(sql, None)], same=False).remedy()
    return tuple(remedy for remedy in found if remedy)


def refreshed(one: Traced, view: str, *, has_index: bool) -> tuple[Remedy, ...]:
    """Refresh a materialized view CONCURRENTLY, behind the unique index that this needs where there is none."""
    if (plain := slowly(one)) is None or has_index:
        return (plain,) if plain else ()
    columns = instead.grouped(str(one.step.before.get(f"materialized view {view}", {}).get("definition") or ""))
    if not columns:
        return ()
    index = with_ending(view, "_rows", lambda name: f"index {beside(view, name)}" in one.step.before)
    listed = ", ".join(Named("", column).quoted for column in columns)
    phases = Phases(same=False)
    create = f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {view} ({listed})"
    phases.online = [
        Command(create, f"DROP INDEX CONCURRENTLY IF EXISTS {beside(view, index)}"),
        Command(plain.steps[0].sql.rstrip(";")),
    ]
    return (remedy,) if (remedy := phases.remedy()) else ()


def resolver(one: Traced) -> instead.Resolve:
    """Return a function that gives the whole name of a relation that a statement names."""

    def resolve(named: Named) -> tuple[str, ...]:
        if named.schema:
            return named.schema, named.name
        locked = {lock.name for lock in (*one.locks, *one.held)}
        found = [called for called in one.step.known if instead.name_parts(called)[-1] == named.name]
        found = [called for called in found if one.step.known[called].name in locked] or found
        return instead.name_parts(found[0]) if len(found) == 1 else (named.name,)

    return resolve
