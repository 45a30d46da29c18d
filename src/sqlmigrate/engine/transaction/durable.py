"""Durable once for a run: which COMMIT leaves the flush of the WAL to a later one, and how that is made up for.

WAL is sequential: where one COMMIT is durable, all before it are. So in a run of several migrations a COMMIT need not
wait as long as a later one does. `synchronous_commit` decides that, of each COMMIT by itself.
https://www.postgresql.org/docs/current/wal-async-commit.html
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlmigrate import queries
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.connection.committing import flush
from sqlmigrate.errors import ExecutionError
from sqlmigrate.events import MadeDurable, ScriptFinished
from sqlmigrate.sql.statement.reach import may_reach_out, may_set_synchronous_commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.transaction.commit import Turn
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer, Ran
    from sqlmigrate.history import History
    from sqlmigrate.migrations import ScriptRun

AT_MOST_SECONDS = 1.0
"""How long a run, or one script, goes on before a COMMIT waits again: about so much can be lost."""

_OFF = "off"


@dataclass(slots=True)
class Durability:
    """What a run has committed: `told` is all of it, `pending` what of it is not durable for sure, both in their order.

    `gone` is what was lost of it, `unanswered` what a COMMIT without an answer has done: nobody has been told of it.

    `at_risk` says that there may be such a thing, told or not: a COMMIT whose answer is still to come counts. Where the
    login's synchronous_commit is off, nobody wants to wait; where it may not write into the WAL, every COMMIT waits.
    """

    info: ServerInfo
    options: Options
    observer: Observer
    at_risk: bool = False
    told: list[str] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)
    gone: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    _flushed: float = field(default_factory=time.monotonic)

    def command(self, script: ScriptRun, following: ScriptRun | None, *, several: bool) -> Command | None:
        """Return what is sent behind a script: what leaves its flush, or looks whether the script has; None for one.

        The flush is left to a later COMMIT only where no effect outside could be ahead of it: neither the script's own
        nor, before it is durable, that of the one that follows. Where every COMMIT waits, a script may still say that
        its own does not.
        """
        asked, own = queries.load("durable"), self.info.synchronous_commit
        if not self.info.may_flush or own == _OFF:
            return None
        sets_it = may_set_synchronous_commit(script.script)
        keep = Command(asked["keep"], (own,), Purpose.FLUSH)
        if not several or self.options.durable != "end":
            return keep if sets_it else None
        late = time.monotonic() - self._flushed > AT_MOST_SECONDS
        may = not late and _is_plain(script) and following is not None and _is_plain(following)
        may = may and not sets_it
        self.at_risk = self.at_risk or may
        return Command(asked["leave"], (own, str(AT_MOST_SECONDS)), Purpose.FLUSH) if may else keep

    def must_be_made_before(self, job: Job, before: Turn | None) -> bool:
        """Tell whether what was committed must be made durable before a job begins; the COMMIT of `before` may do."""
        open_until_then = self.at_risk if before is None else not before.flushes
        return open_until_then and not _is_plain(job.script_run)

    def committed(self, ran: Ran, *, flushes: bool) -> None:
        """Tell of a script that is committed, and where its COMMIT has waited, of all that is durable with it."""
        self.told.append(ran.migration_id)
        if flushes:
            self.made()
        else:
            self.owe(ran.migration_id)
        self.observer(ScriptFinished(ran.migration_id, ran.operation, ran.seconds, durable=flushes))

    def owe(self, *ids: str) -> None:
        """Note that migrations are committed, and not durable for sure."""
        self.at_risk = True
        self.pending.extend(ids)

    def doubt(self, *ids: str) -> None:
        """Note that the history says what a COMMIT without an answer has done, which need not be durable.

        Where its session is ended while it waits for a synchronous standby, it has happened, too.
        """
        if self.info.may_flush and self.info.synchronous_commit != _OFF:
            self.at_risk, self.unanswered = True, ids

    def made(self) -> None:
        """Note that everything up to now is durable."""
        told, self.pending = tuple(self.pending), []
        self.unanswered = ()
        self.at_risk, self._flushed = False, time.monotonic()
        if told:
            self.observer(MadeDurable(told))

    def flush(self, connection: Connection) -> None:
        """Make everything durable that was committed, in any session; raises psycopg.Error where that fails.

        It waits as the login's synchronous_commit says, for standbys as well. The session must be in no transaction.
        """
        flush(connection)

    def found(self, history: History, operation: str) -> None:
        """Take over what the history says of what was committed, after a flush in the same session.

        What was durable on a server that is lost need not have reached the standby that has taken its place.
        """
        committed = dict.fromkeys([*self.told, *self.pending])
        kept = {name for name in committed if (history.get(name) is not None) is (operation == "apply")}
        self.gone = tuple(name for name in committed if name not in kept)
        self.pending = [name for name in self.pending if name in kept]
        self.made()


def _is_plain(script: ScriptRun) -> bool:
    """Tell whether a script does nothing that a crash would not take back together with its COMMIT."""
    return script.transactional and not may_reach_out(script.script)


def left_open(durability: Durability) -> str | None:
    """Say which of the migrations that were told as committed are lost, or may be; None where none is."""
    if durability.gone:
        how = "the server crashed, or another one took its place"
        return f"lost is what was committed before of {_names(durability.gone)}: {how}"
    if durability.at_risk and (left := [*durability.pending, *durability.unanswered]):
        return f"whether the server has kept {_names(left)}, which it had committed before, is not known"
    return None


def require_kept(durability: Durability) -> None:
    """Raise ExecutionError where a migration that was told as committed is lost, or may be."""
    if left := left_open(durability):
        raise ExecutionError(left, hint="`sqlmigrate status` tells")


def _names(ids: Sequence[str]) -> str:
    *others, last = ids
    return f"{', '.join(others)} and {last}" if others else last
