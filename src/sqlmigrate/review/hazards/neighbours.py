"""Hazards of locks on another table than the one that a statement is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.locking import strong_locks
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, briefly
from sqlmigrate.review.locks import STOPS_READS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.review.model import Lock, Severity
    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced

_REFERENCES = re.compile(r"FOREIGN KEY .*? REFERENCES ((?:\"(?:[^\"]|\"\")*\"|[^\s(\"])+)\(")
_LIKE = "INCLUDING ALL EXCLUDING IDENTITY EXCLUDING INDEXES EXCLUDING STATISTICS EXCLUDING COMMENTS"
_ATTACH = "create the table by itself, and attach it: ATTACH PARTITION lets reads and writes of the whole table go on"
_DROPPED = "drop each foreign key in a migration of its own, which does nothing else, so that its locks are short"


def _of_neighbours(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        locks = strong_locks(one.locks)
        if not locks or one.step.before is one.step.after:
            continue
        yield from _of_whole(context, one, locks)
        yield from _of_new_keys(context, one, locks)
        yield from _of_dropped_keys(context, one, locks)


def _of_whole(context: Context, one: Traced, locks: dict[str, Lock]) -> Iterator[Occurrence]:
    """Report partitions that are made at once, by PARTITION OF, under ACCESS EXCLUSIVE on the partitioned table."""
    for text in one.changes.made:
        properties = one.step.after.get(text, {})
        whole = properties.get("partition of")
        relation = one.step.known.get(str(whole[0])) if isinstance(whole, tuple) and text.startswith("table ") else None
        if relation is None or relation.name not in locks or locks[relation.name].level < STOPS_READS:
            continue
        table, above, key = text.removeprefix("table "), relation.name, properties.get("partition key")
        sql = (
            f"CREATE TABLE {table} (LIKE {above} {_LIKE}){f' PARTITION BY {key}' if key else ''};\n"
            f"ALTER TABLE {above} ATTACH PARTITION {table} {properties.get('partition bound')};"
        )
        seen = f"{table} is made as a partition of {above}, which is locked in mode ACCESS EXCLUSIVE"
        yield Occurrence(
            one.statement.number, seen, (above,), sql, severity=_severity(context, [above], "warning"), instead=_ATTACH
        )


def _of_new_keys(context: Context, one: Traced, locks: dict[str, Lock]) -> Iterator[Occurrence]:
    """Report the tables that new tables reference."""
    made = {text.removeprefix("table ") for text in one.changes.made if text.startswith("table ")}
    found: dict[str, str] = {}
    for _, table, referenced in _keys(one.step.after) if made else ():
        relation = one.step.known.get(referenced)
        if table in made and relation is not None and relation.name in locks:
            found[relation.name] = table
    if found:
        words = briefly(f"{locks[name].mode} on {name}" for name in found)
        seen = f"the foreign keys of {briefly(found.values())}, which is new, take {words}"
        yield Occurrence(one.statement.number, seen, tuple(found), severity=_severity(context, found, "note"))


def _of_dropped_keys(context: Context, one: Traced, locks: dict[str, Lock]) -> Iterator[Occurrence]:
    """Report the foreign keys that a statement drops, by itself or with their table, and both tables."""
    if not one.changes.dropped:
        return
    left = {key for key, _, _ in _keys(one.step.after)}
    keys: list[str] = []
    tables: list[str] = []
    others: list[str] = []
    for key, table, referenced in _keys(one.step.before):
        here, other = one.step.known.get(table), one.step.known.get(referenced)
        if key in left or here is None or other is None or here.oid == other.oid or other.name not in locks:
            continue
        if other.oid not in one.step.gone and not context.goes(other, one):
            keys.append(f"{key.removeprefix('constraint ').partition(' on ')[0]} of {table}")
            tables.append(here.name)
            others.append(other.name)
    if keys:
        several = len(keys) > 1
        seen = f"foreign key{'s' * several} {briefly(keys)} {'are' if several else 'is'} dropped under "
        seen += f"{briefly(f'{locks[name].mode} on {name}' for name in others)} too"
        names = tuple(dict.fromkeys((*tables, *others)))
        severity = _severity(context, names, "warning")
        yield Occurrence(one.statement.number, seen, names, severity=severity, instead=_DROPPED)


def _severity(context: Context, tables: Iterable[str], unknown: Severity) -> Severity:
    """Judge short locks by the traffic on the tables; of a lock that lets reads go on, only writes count."""
    known = context.asked.known
    sizes = [known.sizes[name] for name in tables if name in known.sizes]
    if context.trace.script_run.operation == "rollback":
        return "note"
    if not sizes:
        return "note" if all(name in known.new for name in tables) else unknown
    only_writes = unknown == "note"
    busy = any(known.limits.is_written(size) if only_writes else known.limits.is_busy(size) for size in sizes)
    return "warning" if busy else "note"


def _keys(state: State) -> Iterator[tuple[str, str, str]]:
    """Yield the foreign keys of a state: each in words, its table, and the table that it references."""
    for name, properties in state.of("constraint").items():
        if match := _REFERENCES.match(str(properties.get("definition", ""))):
            yield f"constraint {name}", str(properties.get("table")), match[1]


RULES = (
    Rule(
        "H66",
        "another-table-locked",
        "a lock on another table than the statement is about",
        "note",
        "A new table with a foreign key locks the table that it references, a foreign key that is dropped (also with "
        "its table) locks both tables, and CREATE TABLE ... PARTITION OF locks the partitioned table.",
        "writes to the other table, and under ACCESS EXCLUSIVE reads too, while the statement waits for its lock, and "
        "then until COMMIT",
        "let the transaction do nothing else after it, so that the lock is short, and choose a quiet moment if the "
        "other table is busy",
        _of_neighbours,
    ),
)
