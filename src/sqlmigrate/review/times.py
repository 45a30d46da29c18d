"""How long statements take on the target, and who waits meanwhile: ranges from the sizes and the traffic of its tables.

A range is honest where a number would not be: the rates below are those of ordinary servers, slow disk to fast, for one
process. What is not known (rows that a condition chooses, what a block or a function does) is named and not guessed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from sqlmigrate.review.figures import in_bytes, in_range, in_time, in_words
from sqlmigrate.review.locks import STOPS_CHANGES, STOPS_READS, STOPS_WRITES
from sqlmigrate.review.measured import BatchEstimate, Batching, Duration, Harm, LockWait
from sqlmigrate.review.model import TableSize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlmigrate.review.model import Direction, Hazard, Hold, Lock, ReviewedStatement, Target

_MB = 10**6
_REWRITES, _READS, _BUILDS = (25, 60), (100, 500), (25, 150)
"""MB/s, from the slowest: of a table with its indexes that is written anew, of one that is read, of one that an index
is built for. Measured in memory on PostgreSQL 18: 55 for ALTER TYPE, 470 for CHECK, 230 for an index of integers and 67
for one of text; the lower ends are what slow disks leave of it."""
_ROWS_WRITTEN = (10_000, 80_000)
"""Rows a second of UPDATE and DELETE, with the row's indexes and WAL, from the slowest."""
_WAL_OF = 1_000  # rows whose WAL is measured
_TABLES = ("partitioned table", "table", "materialized view", "foreign table")
_CHANGES_ROWS = frozenset({"UPDATE", "DELETE", "INSERT", "MERGE", "COPY"})
_UNKNOWN = frozenset({"DO", "CALL", "SELECT", "EXECUTE", "VACUUM", "ANALYZE", "CLUSTER"})
_ALL_ROWS, _CONCURRENTLY = "H20", "CONCURRENTLY"
_WRITES_ROWS = 3  # the level of ROW EXCLUSIVE
_SHORT = 1.0  # seconds: less is a moment, and nobody's harm
_LONG_OPEN = 2.0  # seconds: what a lock is waited for by default
_FEW = 3  # relations whose basis is said


def timed(
    direction: Direction, target: Target | None, known: Mapping[str, TableSize], new: Iterable[str] = ()
) -> Direction:
    """Say of a script how long its statements and its locks take on the target; without figures, nothing.

    `known` are the target's tables by the names that they have when the script begins, `new` those that it does not
    have yet.
    """
    if target is None or not known:
        return direction
    sizes = {**known, **{name: TableSize(name, 0, 0) for name in new}}
    statements = tuple(_with_times(one, sizes) for one in direction.statements)
    holds = tuple(replace(hold, takes=_during(hold, statements)) for hold in direction.holds)
    harms = tuple(_harms(holds, sizes))
    waits = _lock_wait(direction, target)
    return replace(
        direction,
        statements=tuple(_with_harm(one, harms, holds) for one in statements),
        holds=holds,
        longest=next((hold for hold in holds if _is_same(hold, direction.longest)), direction.longest),
        harms=harms,
        lock_wait=waits,
    )


def _with_times(one: ReviewedStatement, sizes: Mapping[str, TableSize]) -> ReviewedStatement:
    estimate = estimated(one.batching, sizes.get(one.batching.table)) if one.batching else None
    if one.batching is None or estimate is None:
        return replace(one, takes=_of_statement(one, sizes))
    return replace(one, takes=estimate.takes, batching=replace(one.batching, estimate=estimate))


def estimated(batching: Batching, size: TableSize | None) -> BatchEstimate | None:
    """Say what batches of all rows of a table take; None where nobody has counted them.

    Their size follows the time that one should take, at the rates at which rows are written.
    """
    if size is None or size.rows is None:
        return None
    slow, fast = (rate * batching.time // 1000 for rate in _ROWS_WRITTEN)
    least, most = (min(max(rows, batching.least_rows, 1), batching.most_rows) for rows in (slow, fast))
    wal = None if batching.wal is None else batching.wal * size.rows // _WAL_OF
    return BatchEstimate(
        size.rows,
        -(-size.rows // most),
        -(-size.rows // least),
        _by_number(size.rows),
        wal,
        None if wal is None else wal + size.size,
    )


def _is_same(hold: Hold, other: Hold | None) -> bool:
    return other is not None and (hold.lock, hold.first) == (other.lock, other.first)


def _of_statement(one: ReviewedStatement, sizes: Mapping[str, TableSize]) -> Duration:
    """Add up what a statement reads and writes; a catalog change alone takes a moment."""
    nothing, unknown = Duration(0.0, 0.0), Duration(0.0, 0.0, unknown=(one.number,))
    if one.kind in _CHANGES_ROWS or one.kind in _UNKNOWN:
        return _of_rows(one, sizes) or (unknown if _may_take_long(one) else nothing)
    rewritten = _tables(one.rewrites)
    if one.rewrites and not rewritten:  # an index alone, which belongs to a table that is locked
        rewritten = [lock.name for lock in _locked(one) if lock.kind in _TABLES and lock.level >= STOPS_CHANGES]
    read = [name for name in _tables(one.scans) if name not in rewritten]
    if any(name not in sizes for name in (*rewritten, *read)):
        return unknown
    builds = any(made.startswith("index ") for made in one.made) or one.kind in ("CREATE INDEX", "REINDEX")
    times = 2 if builds and not _stops(one) else 1  # CONCURRENTLY reads a table twice
    rate, word = (_BUILDS, "indexed") if builds else (_READS, "read")
    parts = [_part(sizes[name].size, _REWRITES, "rewritten") for name in rewritten]
    parts += [_part(sizes[name].size, rate, word, times=times) for name in read]
    return _sum(parts)


def _stops(one: ReviewedStatement) -> bool:
    return any(lock.level >= STOPS_WRITES for lock in _locked(one))


def _of_rows(one: ReviewedStatement, sizes: Mapping[str, TableSize]) -> Duration | None:
    """Say how long it takes to write every row of a table, where a statement does that or could do it in a moment."""
    if one.kind not in _CHANGES_ROWS:
        return None
    if (counted := next((item for item in one.hazards if item.rows is not None), None)) is not None:
        return _by_number(counted.rows or 0, at_most=counted.at_most)
    every = [name for hazard in _hazards(one) if hazard.code == _ALL_ROWS for name in hazard.relations]
    written = [lock.name for lock in _locked(one) if lock.kind in _TABLES and lock.level >= _WRITES_ROWS]
    found = _written(every or written, sizes)
    if every or found is None or one.kind not in ("UPDATE", "DELETE"):
        return found if every else None
    read = [sizes[name].size for name in _tables(one.scans) if name in sizes]
    most = found.most + sum(_part(size, _READS, "read").most for size in read)
    return Duration(0.0, most) if most < _SHORT else None


def _written(names: Iterable[str], sizes: Mapping[str, TableSize]) -> Duration | None:
    """Say how long it takes to write every row of some tables; None where one has no known number of them."""
    numbers = [sizes[name].rows if name in sizes else None for name in dict.fromkeys(names)]
    if not numbers or any(number is None for number in numbers):
        return None
    return _by_number(sum(number or 0 for number in numbers))


def _by_number(rows: int, *, at_most: bool = False) -> Duration:
    slow, fast = _ROWS_WRITTEN
    basis = (
        f"{'at most ' if at_most else ''}{in_words(rows)} rows written at {in_words(slow)} to {in_words(fast)} rows/s"
    )
    return Duration(0.0 if at_most else rows / fast, rows / slow, (basis,))


def _hazards(one: ReviewedStatement) -> tuple[Hazard, ...]:
    return (*one.hazards, *(item.hazard for item in one.suppressed))


def _may_take_long(one: ReviewedStatement) -> bool:
    """Whether a statement touches rows at all: it reads from end to end, or locks what it may write."""
    return bool(one.scans) or any(lock.level >= _WRITES_ROWS for lock in _locked(one)) or one.own is None


def _locked(one: ReviewedStatement) -> tuple[Lock, ...]:
    return one.taken if one.own is None else one.own


def _tables(relations: Iterable[str]) -> list[str]:
    """Return the names of the tables among relations with their kinds before them."""
    return [name.removeprefix(f"{kind} ") for name in relations for kind in _TABLES if name.startswith(f"{kind} ")]


def _part(size: int, rates: tuple[int, int], word: str, *, times: int = 1) -> Duration:
    slow, fast = rates
    basis = f"{in_bytes(size)} {word}{' twice' if times > 1 else ''} at {slow} to {fast} MB/s"
    return Duration(times * size / fast / _MB, times * size / slow / _MB, (basis,))


def _sum(parts: Iterable[Duration | None]) -> Duration:
    """Add durations; the longest are named as the basis, and what is too short to count is not."""
    found = [part for part in parts if part is not None]
    told = sorted((part for part in found if part.most >= _SHORT), key=lambda part: -part.most)
    basis = list(dict.fromkeys(text for part in told for text in part.basis))
    unknown = tuple(sorted({number for part in found for number in part.unknown}))
    return Duration(sum(part.least for part in found), sum(part.most for part in found), tuple(basis), unknown)


def _during(hold: Hold, statements: Sequence[ReviewedStatement]) -> Duration:
    return _sum(one.takes for one in statements if hold.first <= one.number <= hold.last)


def _harms(holds: Sequence[Hold], sizes: Mapping[str, TableSize]) -> Iterator[Harm]:
    """Say for each table what stands still for more than a moment, the longest first."""
    found = [
        hold
        for hold in holds
        if hold.takes is not None
        and hold.lock.kind in _TABLES
        and hold.lock.level >= STOPS_WRITES
        and (hold.takes.most >= _SHORT or hold.takes.unknown)
    ]
    for hold in sorted(found, key=lambda hold: (-(hold.takes or Duration(0, 0)).most, hold.lock.level < STOPS_READS)):
        yield _harm(hold, hold.takes or Duration(0, 0), sizes.get(hold.lock.name))


def _harm(hold: Hold, takes: Duration, table: TableSize | None) -> Harm:
    writes = table.writes if table is not None else None
    stops: Literal["reads", "writes"] = "reads" if hold.lock.level >= STOPS_READS else "writes"
    made = Harm(hold.lock.name, stops, takes, "", writes)
    return replace(made, said=told(made, _FEW))


def told(harm: Harm, most: int) -> str:
    """Say what stands still for how long, with at most so many reasons."""
    stops = "reads and writes" if harm.stops == "reads" else "writes"
    waiting = f"; about {harm.writes:,.0f} writes/s wait" if harm.writes is not None and harm.writes >= 1 else ""
    return f"{stops} of {harm.relation} stand for {how_long(harm.takes, most)}{waiting}"


def how_long(takes: Duration, most: int = _FEW) -> str:
    """Say a duration with its basis, `most` reasons of it, and with what is not known of it."""
    numbers = ", ".join(map(str, takes.unknown[:_FEW])) + (" and others" if len(takes.unknown) > _FEW else "")
    several = len(takes.unknown) > 1
    plus = f"statement{'s' if several else ''} {numbers} take{'' if several else 's'}"
    if takes.most < _SHORT:
        return f"as long as {plus}, which is not known" if takes.unknown else "a moment"
    basis = "; ".join(takes.basis[:most]) + (" and more" if len(takes.basis) > most else "")
    more = f", and for what {plus} on top" if takes.unknown else ""
    return f"about {in_range(takes.least, takes.most)} ({basis}){more}"


def _with_harm(one: ReviewedStatement, harms: Sequence[Harm], holds: Sequence[Hold]) -> ReviewedStatement:
    """Say with each hazard what stands still on its tables because of its statement: its own time, or its lock's."""
    begun = {hold.lock.name for hold in holds if hold.first == one.number}

    def with_harm(hazard: Hazard) -> Hazard:
        found = next((harm for harm in harms if harm.relation in hazard.relations), None)
        if found is None or one.takes is None or hazard.severity == "note":
            return hazard
        own = one.takes.most >= _SHORT or bool(one.takes.unknown)
        if not own and found.relation not in begun:
            return hazard
        return replace(hazard, harm=told(replace(found, takes=one.takes) if own else found, _FEW))

    return replace(
        one,
        hazards=tuple(map(with_harm, one.hazards)),
        suppressed=tuple(replace(item, hazard=with_harm(item.hazard)) for item in one.suppressed),
    )


def _lock_wait(direction: Direction, target: Target) -> LockWait | None:
    """Say what the oldest transaction means for the locks that a script has to wait for."""
    seconds = target.oldest_transaction
    waiting = [one.number for one in direction.statements if any(k.level >= STOPS_CHANGES for k in one.taken)]
    if seconds is None or seconds < _LONG_OPEN or not waiting:
        return None
    whose = f" ({target.oldest_transaction_of})" if target.oldest_transaction_of else ""
    end = (
        "if it uses what is locked here, each attempt waits for it up to the lock timeout, and all that comes behind "
        "it waits, too"
    )
    if any(_CONCURRENTLY in one.text.upper() for one in direction.statements if one.number in waiting):
        end = "CONCURRENTLY waits until it has ended"
    said = f"the oldest transaction had been open for {in_time(seconds)}{whose}: {end}"
    return LockWait(seconds, tuple(waiting), said, target.oldest_transaction_of)
