"""Hazards of strong locks: what is rewritten or read under them, and for how long they are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.records import NEEDS_INDEX, Context, Occurrence, Rule, briefly, ranges
from sqlmigrate.review.hazards.remedies import without_rewriting, without_scanning
from sqlmigrate.review.hazards.remedies.constraints import validated
from sqlmigrate.review.hazards.remedies.phases import Phases
from sqlmigrate.review.locks import STOPS_READS, STOPS_WRITES
from sqlmigrate.sql.statement.subject import validates_constraint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.model import Lock, Severity
    from sqlmigrate.review.trace.tracer import Traced

_OBJECTS = ("type", "schema")


def strong_locks(locks: tuple[Lock, ...], level: int = STOPS_WRITES) -> dict[str, Lock]:
    """Return the strong locks on relations, by name."""
    return {lock.name: lock for lock in locks if lock.level >= level and lock.kind not in _OBJECTS}


def strongest(one: Traced) -> dict[str, Lock]:
    """Return the strong locks that are held while a statement runs, those from before too."""
    found = strong_locks(one.held)
    for lock in (*one.taken, *one.locks):
        if lock.level >= STOPS_WRITES and lock.kind not in _OBJECTS:
            known = found.get(lock.name)
            if known is None or known.level < lock.level:
                found[lock.name] = lock
    return found


def _rewrites(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        for table in (item for item in one.rewrites if item.kind in ("table", "partitioned table")):
            name = table.name
            indexes = sum(1 for item in one.rewrites if item.kind == "index" and _belongs(context, item.table, name))
            beside = f" with {indexes} index{'' if indexes == 1 else 'es'}" if indexes else ""
            lock = strongest(one).get(name)
            under = f" under {lock.mode}" if lock else ""
            instead, rewrite = without_rewriting(one)
            yield Occurrence(
                one.statement.number, f"{name} is rewritten{beside}{under}", (name,), rewrite, instead=instead
            )


def _belongs(context: Context, table: int, name: str) -> bool:
    relation = context.trace.relations.get(table)
    return relation is not None and relation.name == name


def _scans(context: Context) -> Iterator[Occurrence]:
    for one in context.statements:
        rewritten = {item.name for item in one.rewrites}
        if one.command in ("CREATE INDEX", "REINDEX", "CLUSTER") or _builds_index(one):
            continue
        for relation in one.scans:
            lock = strongest(one).get(relation.name)
            if lock is None or relation.name in rewritten:
                continue
            severity: Severity = "danger" if lock.level >= STOPS_READS else "warning"
            seen = f"{relation.name} is read from end to end under {lock.mode}, which blocks {lock.blocks}"
            instead, rewrite = without_scanning(one)
            yield Occurrence(
                statement=one.statement.number,
                seen=seen,
                relations=(relation.name,),
                rewrite=rewrite,
                severity=severity,
                instead=instead,
            )


def _builds_index(one: Traced) -> bool:
    """Whether a statement makes an index, by itself or for a constraint, which is a hazard of its own."""
    return any(
        text.startswith("index ") or NEEDS_INDEX.match(str(one.step.after.get(text, {}).get("definition", "")))
        for text in one.changes.made
    )


def _validated(context: Context) -> Iterator[Occurrence]:
    for together in context.transactions:
        added: dict[str, int] = {}
        for one in together:
            for text in one.changes.made:
                if text.startswith("constraint "):
                    added[text] = one.statement.number
            for text in one.changes.changed:
                name = text.removeprefix("constraint ")
                table = one.step.known.get(name.rpartition(" on ")[2])
                if text in added and table is not None and validates_constraint(one.statement.text):
                    seen = (
                        f"constraint {name} is added by statement {added[text]} and validated in the same transaction"
                    )
                    constraint, on = name.rpartition(" on ")[::2]
                    phases = Phases()
                    phases.online.append(validated(on, constraint, str(one.step.after[text].get("definition"))))
                    rewrite = (remedy,) if (remedy := phases.remedy()) else ()
                    yield Occurrence(one.statement.number, seen, (table.name,), rewrite)


def _held(context: Context) -> Iterator[Occurrence]:
    """Report, where the first begins, locks that stop reads and are held while other strong locks are waited for."""
    for together in context.transactions:
        yield from _held_in(together, context.new)


def _held_in(together: list[Traced], unused: frozenset[str]) -> Iterator[Occurrence]:
    begun: dict[str, int] = {}
    waits: dict[str, list[str]] = {}
    for one in together:
        new = [name for name in strong_locks(one.taken) if name not in unused]
        for name in begun:
            waits.setdefault(name, []).extend(other for other in new if other != name)
        for name in (name for name in strong_locks(one.taken, STOPS_READS) if name not in unused):
            begun.setdefault(name, one.statement.number)
    held = {name: number for name, number in begun.items() if waits.get(name)}
    if held:
        words = briefly(f"{name} (from statement {number} on)" for name, number in held.items())
        others = briefly(name for number in held for name in waits[number])
        seen = f"{words} can be neither read nor written until COMMIT, while the script still waits for {others}"
        yield Occurrence(min(held.values()), seen, tuple(held))


def _explicit(context: Context) -> Iterator[Occurrence]:
    locked = [
        (one.statement.number, lock)
        for one in context.statements
        if one.command == "LOCK"
        for lock in strong_locks(one.locks).values()
    ]
    if locked:
        words = briefly(f"{lock.name} in mode {lock.mode}" for _, lock in locked)
        numbers = ranges([number for number, _ in locked])
        yield Occurrence(
            locked[0][0], f"{numbers} lock{'s' * (len(locked) == 1)} {words}", tuple(lock.name for _, lock in locked)
        )


def _of_others(context: Context) -> Iterator[Occurrence]:
    worst: dict[str, int] = {}
    for one in context.statements:
        for name, lock in strong_locks(one.locks).items():
            relation = context.existing.get(name)
            if relation is None or relation.owner == context.role or lock.level <= worst.get(name, 0):
                continue
            worst[name] = lock.level
            text = f"{lock.mode} on {name}, which belongs to {relation.owner}, not to {context.role}"
            yield Occurrence(one.statement.number, text, (name,))


RULES = (
    Rule(
        "H01",
        "table-rewrite",
        "a whole table is rewritten",
        "danger",
        "PostgreSQL writes a new copy of the table and of all its indexes. It does so for a new column whose "
        "default differs from row to row, a serial or a stored generated column, another type, SET UNLOGGED or "
        "LOGGED, another tablespace, VACUUM FULL or CLUSTER.",
        "nobody can read or write the table until the rewrite is done. It takes time in proportion to the table's "
        "size, and twice the space; replicas get all of it as WAL",
        "make a change that touches no old row, then fill the old rows in batches",
        _rewrites,
        scale="work",
    ),
    Rule(
        "H02",
        "scan-under-lock",
        "a table is read from end to end under a lock",
        "danger",
        "PostgreSQL checks every row: for a CHECK, a foreign key, SET NOT NULL, an attached partition "
        "or the default partition beside it, or a constraint of a domain.",
        "writes to the table, and under ACCESS EXCLUSIVE reads too, wait until all of it has been read. That takes "
        "time in proportion to the table's size",
        "make the check later, under a weaker lock, or prove beforehand that it holds",
        _scans,
        scale="work",
    ),
    Rule(
        "H03",
        "validated-in-the-same-transaction",
        "NOT VALID and VALIDATE CONSTRAINT in one transaction",
        "warning",
        "A constraint is added NOT VALID and validated in the same transaction.",
        "the lock of ADD CONSTRAINT is held until COMMIT, so the rows are read under it after all",
        "put VALIDATE CONSTRAINT into a migration of its own",
        _validated,
        scale="work",
    ),
    Rule(
        "H04",
        "lock-held-while-waiting",
        "a table stays locked while the script waits for other locks",
        "warning",
        "The transaction holds ACCESS EXCLUSIVE on one table and then locks others.",
        "all reads and writes of the first table wait as long as the transaction waits for the next one; and if "
        "other code takes the same locks in another order, there can be a deadlock",
        "take all strong locks at once at the beginning, in the order in which the application takes them, or split "
        "the migration",
        _held,
        scale="lock",
    ),
    Rule(
        "H11",
        "explicit-lock",
        "LOCK TABLE",
        "note",
        "The script locks a table by hand.",
        "whatever the lock mode blocks, until COMMIT",
        "say in a comment what it is for; take the strongest mode that the transaction will need right away",
        _explicit,
        scale="lock",
    ),
    Rule(
        "H13",
        "table-of-another-owner",
        "a strong lock on another owner's table",
        "warning",
        "The script locks a table that belongs to another role: it adds or drops a foreign key to it or a trigger "
        "on it.",
        "another team's application, or the platform itself, such as sign-ins that read auth.users",
        "agree on a time with its owner, and make this the last thing that the transaction does",
        _of_others,
        scale="lock",
    ),
)
