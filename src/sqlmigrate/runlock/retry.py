"""Run a transaction again when a lock was not granted in time."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

from sqlmigrate.errors import ExecutionError, LockBudgetSpent, SeedError
from sqlmigrate.events import LockRetry

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.events import Blocker, Observer

T = TypeVar("T")

RETRIED = frozenset({"55P03", "40P01"})
"""lock_not_available and deadlock_detected: the same transaction may well succeed a moment later."""

CANCELED = "57014"
"""query_canceled: by a guard of ours, or by somebody."""
# those who waited behind an attempt are served before the next one; two stalls in a row would be felt as one
_LEAST, _FIRST, _LONGEST = 0.5, 0.5, 30.0


def with_retry(
    work: Callable[[], T],
    *,
    budget: float,
    observer: Observer,
    blockers: Callable[[], tuple[Blocker, ...]] = tuple,
    guarded: Callable[[], str | None] = lambda: None,
) -> T:
    """Do the work, again and again with growing random pauses ("full jitter"), until `budget` seconds are used up.

    The work must be a whole transaction, of scripts or of seed data, that has been rolled back when it fails. `guarded`
    says why its statement was cancelled, if a guard has done that. Raises LockBudgetSpent at the end: never is a lock
    waited for without limit.
    """
    deadline = time.monotonic() + budget
    attempt = 0
    while True:
        attempt += 1
        try:
            return work()
        except (ExecutionError, SeedError) as error:
            failed, said = _script_of(error), error.server
            guard = guarded() if said is not None and said.sqlstate == CANCELED else None
            is_whole = failed is not None or isinstance(error, SeedError)
            if not is_whole or said is None or (said.sqlstate not in RETRIED and guard is None):
                raise
            left = deadline - time.monotonic()
            if left <= 0:
                raise _spent(error, attempt, blockers(), guard) from None
            pause = min(random.uniform(_LEAST, min(_LONGEST, _FIRST * 2**attempt)), left)  # noqa: S311  no secret
            observer(LockRetry(failed, attempt, pause, left, said, error.place, blockers(), guard))
            time.sleep(pause)


def _script_of(error: ExecutionError | SeedError) -> str | None:
    return error.migration_id if isinstance(error, ExecutionError) else None


def _first(blockers: tuple[Blocker, ...]) -> list[Blocker]:
    """Return the sessions at the end of the chain: those that wait for nobody, if there are some."""
    sessions = [blocker for blocker in blockers if blocker.pid]
    return [blocker for blocker in sessions if not blocker.waits_for] or sessions


def _spent(
    error: ExecutionError | SeedError, attempts: int, blockers: tuple[Blocker, ...], guard: str | None
) -> LockBudgetSpent:
    said = f"stopped, since {guard}" if guard else error.message
    who = "".join(f"; {'blocked by' if blocker.direct else 'behind that,'} {blocker}" for blocker in blockers)
    tried = "1 attempt" if attempts == 1 else f"{attempts} attempts"
    hint = "run it again when the database is less busy, or give more time with lock_timeout and lock_budget"
    if ends := [f"SELECT pg_terminate_backend({blocker.pid})" for blocker in _first(blockers)]:
        hint += f"; or end what blocks it, if you may: {'; '.join(ends)}"
    if guard:
        hint = "run it again when the database is less busy, make the work shorter, or set max_waiters and max_block"
    return LockBudgetSpent(
        f"{said} ({tried}; the lock budget is used up){who}",
        migration_id=_script_of(error),
        server=error.server,
        statement=error.statement if isinstance(error, ExecutionError) else None,
        place=error.place,
        hint=hint,
    )
