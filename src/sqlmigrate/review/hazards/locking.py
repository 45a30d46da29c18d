"""Hazards of strong locks: what is rewritten or read under them, and for how long they are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.records import Context, Found, Rule, listed
from sqlmigrate.review.hazards.remedies import without_rewriting, without_scanning
from sqlmigrate.review.locks import STOPS_READS, STOPS_WRITES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.model import Lock, Severity
    from sqlmigrate.review.tracer import Traced

_WRITES = frozenset({"UPDATE", "DELETE", "INSERT", "MERGE", "COPY"})
_OBJECTS = ("type", "schema")


def tables_stopped(locks: tuple[Lock, ...], level: int = STOPS_WRITES) -> dict[str, Lock]:
    """Give the strong locks on relations, by name."""
    return {lock.name: lock for lock in locks if lock.level >= level and lock.kind not in _OBJECTS}


def _all_locks(one: Traced) -> dict[str, Lock]:
    """Give the strong locks that are held while a statement runs, those from before too."""
    found = tables_stopped(one.held)
    for lock in (*one.taken, *one.locks):
        if lock.level >= STOPS_WRITES and lock.kind not in _OBJECTS:
            known = found.get(lock.name)
            if known is None or known.level < lock.level:
                found[lock.name] = lock
    return found


def _rewrites(context: Context) -> Iterator[Found]:
    for one in context.statements:
        tables = [item.name for item in one.rewrites if item.kind in ("table", "partitioned table")]
        for name in tables:
            indexes = sum(1 for item in one.rewrites if item.kind == "index" and _belongs(context, item.table, name))
            beside = f" with {indexes} index{'' if indexes == 1 else 'es'}" if indexes else ""
            lock = _all_locks(one).get(name)
            under = f" under {lock.mode}" if lock else ""
            instead, rewrite = without_rewriting(context.after, one, name)
            yield Found(
                one.statement.number, f"{name} is written anew{beside}{under}", (name,), rewrite, instead=instead
            )


def _belongs(context: Context, table: int, name: str) -> bool:
    relation = context.trace.relations.get(table)
    return relation is not None and relation.name == name


def _scans(context: Context) -> Iterator[Found]:
    for one in context.statements:
        rewritten = {item.name for item in one.rewrites}
        if one.command in ("CREATE INDEX", "REINDEX", "CLUSTER") or _builds_index(one):
            continue
        for relation in one.scans:
            lock = _all_locks(one).get(relation.name)
            if lock is None or relation.name in rewritten:
                continue
            severity: Severity = "danger" if lock.level >= STOPS_READS else "warning"
            seen = f"{relation.name} is read from end to end under {lock.mode}, which blocks {lock.blocks}"
            instead, rewrite = without_scanning(context.after, one, relation.name)
            yield Found(one.statement.number, seen, (relation.name,), rewrite, severity, instead)


def _builds_index(one: Traced) -> bool:
    """Whether a statement makes a constraint that needs an index, which is a hazard of its own."""
    return any(text.startswith("index ") for text in one.touched.made)


def _validated(context: Context) -> Iterator[Found]:
    if not context.trace.transactional:
        return
    added: dict[str, int] = {}
    for one in context.statements:
        for text in one.touched.made:
            if text.startswith("constraint "):
                added[text] = one.statement.number
        for text in one.touched.changed:
            if text in added and "VALIDATE" in one.statement.text.upper():
                name = text.removeprefix("constraint ")
                table = name.rpartition(" on ")[2]
                if table in context.existing:
                    seen = (
                        f"constraint {name} is added by statement {added[text]} and validated in the same transaction"
                    )
                    yield Found(one.statement.number, seen, (table,))


def _held(context: Context) -> Iterator[Found]:
    """Report, where it begins, a lock that stops reads and is held while other strong locks are waited for."""
    if not context.trace.transactional:
        return
    begun: dict[str, int] = {}
    waits: dict[str, set[str]] = {}
    for one in context.statements:
        new = tables_stopped(one.taken)
        for name in begun:
            waits.setdefault(name, set()).update(other for other in new if other != name)
        for name, lock in new.items():
            if lock.level >= STOPS_READS:
                begun.setdefault(name, one.statement.number)
    by_statement: dict[int, list[str]] = {}
    for name, number in begun.items():
        if waits.get(name):
            by_statement.setdefault(number, []).append(name)
    last = context.statements[-1].statement.number if context.statements else 0
    for number, names in by_statement.items():
        others = listed(sorted(set().union(*(waits[name] for name in names))))
        seen = (
            f"{listed(names)} can be neither read nor written from statement {number} to the end of the transaction, "
            f"{last - number + 1} statements, while later ones wait for {others}"
        )
        yield Found(number, seen, tuple(names))


def _data(context: Context) -> Iterator[Found]:
    for one in context.statements:
        held = tables_stopped(one.held)
        if one.command not in _WRITES or not held or (one.command == "INSERT" and _of_values(context, one)):
            continue
        strong = listed(f"{lock.name} ({lock.mode})" for lock in held.values())
        yield Found(one.statement.number, f"rows are written while these are locked: {strong}", tuple(held))


def _of_values(context: Context, one: Traced) -> bool:
    """Whether an INSERT writes the few rows that stand in it."""
    node = context.node(one.statement.number, "insert_stmt")
    return node is not None and bool(node.select_stmt.select_stmt.values_lists)


def _explicit(context: Context) -> Iterator[Found]:
    for one in context.statements:
        if one.command == "LOCK":
            for name, lock in tables_stopped(one.locks).items():
                yield Found(one.statement.number, f"{name} is locked in mode {lock.mode} by LOCK TABLE", (name,))


def _of_others(context: Context) -> Iterator[Found]:
    seen: set[str] = set()
    for one in context.statements:
        for name, lock in tables_stopped(one.locks).items():
            relation = context.existing.get(name)
            if relation is None or relation.owner == context.role or name in seen:
                continue
            seen.add(name)
            text = f"{lock.mode} on {name}, which belongs to {relation.owner}, not to {context.role}"
            yield Found(one.statement.number, text, (name,))


RULES = (
    Rule(
        "H01",
        "table-rewrite",
        "a whole table is written anew",
        "danger",
        "PostgreSQL writes a new copy of the table and of all its indexes: for a new column with a default that is "
        "not the same for all rows, a serial or a stored generated column, another type, SET UNLOGGED or LOGGED, "
        "another tablespace, VACUUM FULL or CLUSTER.",
        "nobody reads or writes the table until it is done, which takes time by size, and twice the space; replicas "
        "get all of it as WAL",
        "make a change that touches no old row, and fill the old rows in batches",
        _rewrites,
    ),
    Rule(
        "H02",
        "scan-under-lock",
        "a table is read from end to end under a lock",
        "danger",
        "PostgreSQL checks every row that is there: for a CHECK, a foreign key, SET NOT NULL, an attached partition "
        "or the default partition beside it, or a constraint of a domain.",
        "writes of the table, and under ACCESS EXCLUSIVE reads too, wait until all of it was read, which takes time "
        "by size",
        "let the check be made later, under a weaker lock, or prove beforehand that it holds",
        _scans,
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
    ),
    Rule(
        "H04",
        "lock-held-while-waiting",
        "a table stays locked while other locks are waited for",
        "warning",
        "The transaction holds ACCESS EXCLUSIVE on one table, and goes on to lock others.",
        "all reads and writes of the first table wait as long as the transaction waits for the next one, and locks "
        "taken in another order than elsewhere end in a deadlock",
        "take all strong locks at once at the beginning, in the order in which the application takes them, or split "
        "the migration",
        _held,
    ),
    Rule(
        "H05",
        "data-change-under-lock",
        "rows are changed while strong locks are held",
        "warning",
        "The transaction writes rows of an existing table after it has taken a lock that stops others.",
        "the locks are held for as long as the rows take, which depends on how many there are",
        "change the rows in a migration before, or in batches outside of this transaction",
        _data,
    ),
    Rule(
        "H11",
        "explicit-lock",
        "LOCK TABLE",
        "note",
        "The script locks a table by hand.",
        "what the mode says, until COMMIT",
        "say in a comment what it is for; take the strongest mode that the transaction will need at once",
        _explicit,
    ),
    Rule(
        "H13",
        "table-of-another-owner",
        "a strong lock on another owner's table",
        "warning",
        "The script locks a table that belongs to another role: a foreign key to it, a trigger on it, or a drop of "
        "either.",
        "another team's application, or the platform itself, such as sign-ins that read auth.users",
        "agree on a moment with its owner, and let this be the last thing that the transaction does",
        _of_others,
    ),
)
