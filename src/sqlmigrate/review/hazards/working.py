"""Hazards of work that takes long: under strong locks, with rows locked, or in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.locking import strong_locks
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule, briefly, ranges
from sqlmigrate.review.hazards.remedies.batching import batched
from sqlmigrate.review.locks import STOPS_WRITES
from sqlmigrate.sql.statement.command import HIDING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.model import Lock
    from sqlmigrate.review.trace.tracer import Traced
    from sqlmigrate.review.work import Work


def _under_lock(context: Context) -> Iterator[Occurrence]:
    """Report, at the longest of them, statements that take their time while strong locks of others are held."""
    for together in context.transactions:
        busy = [(one, work) for one in together if (work := _long(context, one)) is not None]
        if not busy:
            continue
        one, work = max(busy, key=lambda item: (item[1].rows or 0, not item[1].only_reads, -item[0].statement.number))
        held = _held(context, one)
        reads = all(item.only_reads and not item.whole for _, item in busy)
        known = work.rows is not None and not work.at_most
        yield Occurrence(
            statement=one.statement.number,
            seen=_seen(busy, briefly(f"{lock.name} ({lock.mode})" for lock in held.values())),
            relations=tuple(held),
            rewrite=batched(one),
            severity="note" if reads and not (known or work.is_large(context.asked.known.limits)) else None,
            rows=work.rows,
            at_most=work.at_most,
        )


def _long(context: Context, one: Traced) -> Work | None:
    """Return the work of a statement that others wait for; a rewrite or scan of the locked table is said elsewhere."""
    work, held = context.work.get(one.statement.number), _held(context, one)
    if work is None or not held or work.is_small(context.asked.known.limits):
        return None
    own = set(strong_locks(one.locks))
    if work.only_reads and (one.scans or one.rewrites) and not held.keys() - own - set(work.reads):
        return None
    return work


def _held(context: Context, one: Traced) -> dict[str, Lock]:
    """Return the strong locks that a statement finds, but for those on tables that the target does not have yet."""
    return {name: lock for name, lock in strong_locks(one.held).items() if name not in context.new}


def _seen(busy: list[tuple[Traced, Work]], held: str) -> str:
    numbers = ranges(one.statement.number for one, _ in busy)
    several = len(busy) > 1
    kinds = [
        *(["write" if several else "writes"] if any(work.writes or work.stores for _, work in busy) else []),
        *(["lock" if several else "locks"] if any(work.locks for _, work in busy) else []),
        *(["read" if several else "reads"] if all(work.only_reads for _, work in busy) else []),
    ]
    tables = briefly(name for _, work in busy for name in (work.writes or work.locks or work.reads))
    amounts = briefly(work.in_words for _, work in busy if work.rows is not None)
    return (
        f"{numbers} {' and '.join(kinds)} rows of {tables}{f' ({amounts})' if amounts else ''} while these are "
        f"locked: {held}"
    )


def _rows_first(context: Context) -> Iterator[Occurrence]:
    """Report statements that want a strong lock while earlier ones of their transaction hold locks on rows."""
    for together in context.transactions:
        rows: dict[str, int] = {}
        for one in together:
            new = {
                name: lock
                for name, lock in strong_locks(one.taken).items()
                if name in context.existing and name not in context.new
            }
            if rows and new:
                earlier = briefly(f"{name} (statement {number})" for name, number in rows.items())
                wanted = briefly(f"{lock.mode} on {name}" for name, lock in new.items())
                seen = f"rows of {earlier} stay locked while the script waits for {wanted}"
                yield Occurrence(one.statement.number, seen, tuple(dict.fromkeys((*rows, *new))))
                break
            for name in _rows_locked(context, one):
                rows.setdefault(name, one.statement.number)


def _rows_locked(context: Context, one: Traced) -> tuple[str, ...]:
    """Return the tables of which a statement locks rows that were there, and more than a few."""
    work = context.work.get(one.statement.number)
    if work is None or work.is_small(context.asked.known.limits):
        return ()
    free = {name for name in work.writes if _is_kept_from_others(one, name)}
    changes = () if one.command == "INSERT" else work.writes
    return tuple(name for name in (*changes, *work.locks) if name not in free)


def _is_kept_from_others(one: Traced, table: str) -> bool:
    """Whether nobody can write the rows of a table anyway, since it is locked as a whole already."""
    return any(lock.name == table and lock.level >= STOPS_WRITES for lock in one.held)


def many_rows(context: Context, one: Traced) -> Iterator[Occurrence]:
    """Report a statement that writes very many rows that it chooses, as far as that is known."""
    work, limits = context.work.get(one.statement.number), context.asked.known.limits
    if work is None or not work.writes or work.is_small(limits) or (work.at_most and not work.is_large(limits)):
        return
    hidden = " inside of it" if one.command in HIDING else ""
    if work.rows is not None:
        yield Occurrence(
            statement=one.statement.number,
            seen=f"{one.command} writes rows of {briefly(work.writes)}{hidden} in one transaction: {work.in_words}",
            relations=work.writes,
            rewrite=batched(one),
            severity=None if work.is_large(limits) else "note",
            rows=work.rows,
            at_most=work.at_most,
        )


RULES = (
    Rule(
        "H05",
        "data-change-under-lock",
        "long work while strong locks are held",
        "warning",
        "The transaction copies, changes or reads rows after it has taken a lock that stops others: by UPDATE, DELETE, "
        "MERGE or INSERT ... SELECT, in a function or a DO block, by a long query, or by building an index or checking "
        "a constraint of another table.",
        "the locks are held until all rows are done, which depends on how many there are",
        "do it in an earlier migration, or in batches outside this transaction: see docs/backfilling.md",
        _under_lock,
        scale="work",
    ),
    Rule(
        "H65",
        "rows-locked-first",
        "rows are locked, and then the script waits for a table",
        "warning",
        "The transaction changes or locks rows (UPDATE, DELETE, MERGE, SELECT FOR UPDATE, or a function that does it), "
        "and then a later statement needs a strong lock on a table.",
        "whoever wants one of these rows waits until COMMIT, and that can only come when everybody who uses the table "
        "has let go; if they wait for one of the rows, it is a deadlock",
        "change the rows in a migration of its own, before or after; or take the strong lock first, if there are few "
        "rows",
        _rows_first,
        scale="lock",
    ),
)
