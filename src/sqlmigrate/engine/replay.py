"""Bring a database to where many scripts lead, without history: on one session, at the speed of `apply`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, NoReturn

from sqlmigrate import queries
from sqlmigrate.connection import Command, Purpose
from sqlmigrate.engine.transaction.commit import State, Turn, commit
from sqlmigrate.engine.transaction.job import Job
from sqlmigrate.engine.transaction.run import opening, run_in_transaction, undo
from sqlmigrate.engine.unrecorded import NO_CLAIM
from sqlmigrate.engine.wire.execute import Listener
from sqlmigrate.engine.wire.session import back_to_script
from sqlmigrate.errors import Error, ExecutionError
from sqlmigrate.events import ignore
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.sql.statement.needs import cluster_wide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.wire.pipeline import Step
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import ScriptRun


@dataclass(frozen=True, slots=True)
class Part:
    """One script of a replay, and how it runs."""

    script_run: ScriptRun
    options: Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Runs scripts one after the other; what each leaves is what it leaves in a session of its own.

    `connect` opens a session where they are to run, which may be another database behind a part that went alone;
    `probe` says what is on the other side. `alone` runs a part that cannot share a session, as if there were no others,
    and does what is to be done where it fails. `again` does so with one that has failed in a shared session, where what
    others left may be why; nothing of it is in the database, but that sequences have moved. `failed` is for one that
    cannot run again, since something of it may be in the database. `asked` are the settings for which scripts ask, None
    where they share no session: see `settings_asked`. `begins` hears of each part of a shared session.
    """

    connect: Callable[[], AbstractContextManager[Connection]]
    probe: Callable[[Connection], ServerInfo]
    alone: Callable[[Part], object]
    again: Callable[[Part], object]
    failed: Callable[[Part, ExecutionError], object]
    asked: frozenset[str] | None
    begins: Callable[[Part], object] = lambda _: None
    observer: Observer = ignore

    def run(self, parts: Sequence[Part]) -> None:
        """Bring the database behind these parts; begin with the first that it does not hold yet."""
        sharing = [self.asked is not None and may_share(part.script_run) for part in parts]
        at = 0
        while at < len(parts):
            several = sum(1 for _ in takewhile(bool, sharing[at:]))
            done, error = self._together(parts[at : at + several]) if several > 1 else (0, None)
            at += done
            if isinstance(error, ExecutionError) and error.kept:
                self.failed(parts[at], error)
                at += 1
            elif error is not None or not done:
                (self.alone if error is None else self.again)(parts[at])
                at += 1

    def _together(self, parts: Sequence[Part]) -> tuple[int, Error | None]:
        """Run parts on one session; see `_Shared.run`."""
        with self.connect() as connection:
            info = self.probe(connection)
            return _Shared(self, connection, info).run(parts) if not info.pooled else (0, None)


def stop(error: Error) -> NoReturn:
    """Raise an error, where nothing can go on without the part that failed."""
    raise error


def may_share(script_run: ScriptRun) -> bool:
    """Tell whether a script may share its session with others, and the COMMIT before it go along with it.

    Not one that reads as it runs, sets an isolation level, runs outside a transaction, must not run at all, or changes
    the cluster, and with it what a new session finds.
    """
    script = script_run.script
    if not script_run.transactional or script.text is None or script.directives.isolation is not None:
        return False
    return not preflight(script_run) and not cluster_wide(script, blocks=True)


def _changed(unknown: Sequence[str]) -> Command:
    """Return what tells at the end of a script, by a row, that a new session would find something else."""
    known = (f"\n    OR pg_catalog.current_setting(${at}, true) IS NOT NULL" for at in range(1, len(unknown) + 1))
    return Command(queries.load("replay")["changed"] + "".join(known), tuple(unknown), Purpose.CHANGED)


@dataclass(slots=True, eq=False)
class _Turn(Turn):
    begins: Callable[[], object] = lambda: None

    def on_begin(self) -> None:
        """Say that it begins."""
        self.begins()


@dataclass(slots=True)
class _Listener(Listener):
    """Hears also whether a new session would find something else from here on."""

    changed: bool = False

    def rows(self, step: Step) -> None:
        """Take note of the row that says so."""
        self.changed = self.changed or (step.purpose is Purpose.CHANGED and step.rows > 0)
        Listener.rows(self, step)


@dataclass(slots=True)
class _Shared:
    """One session that scripts share."""

    replay: Replay
    connection: Connection
    info: ServerInfo
    turns: list[Turn] = field(default_factory=list)

    def run(self, parts: Sequence[Part]) -> tuple[int, Error | None]:
        """Run parts, and give how many are committed, and the error of the one behind them.

        It ends behind a script after which a new session would find something else, which is behind each one where
        there is a trigger on login.
        """
        unknown = self._unknown()
        changed = _changed(unknown or ())
        try:
            for part in parts if unknown is not None else parts[:1]:
                if self._through(part, changed):
                    break
            commit(self.connection, self.turns[-1])
        except Error as error:
            undo(self.connection)
            return self._committed(), error
        return self._committed(), None

    def _unknown(self) -> list[str] | None:
        """Return the settings that a new session does not know, None where each script should have one of its own."""
        names = {"names": sorted(self.replay.asked or ())}
        row = self.connection.execute(queries.load("replay")["unknown"], names).fetchone()
        return row[0] if row else None

    def _committed(self) -> int:
        return sum(turn.state is State.CONFIRMED for turn in self.turns)

    def _through(self, part: Part, changed: Command) -> bool:
        """Run a part, all but its COMMIT; gives whether a new session would find something else behind it."""
        run, options = part.script_run, part.options
        before = self.turns[-1] if self.turns else None
        job = Job(run, claim=NO_CLAIM, finish=(changed,), versions=options.versions)
        listener = _Listener(run, self.replay.observer)
        turn = _Turn((job,), listener, before, begins=lambda: self.replay.begins(part))
        self.turns.append(turn)
        if before is None:
            turn.begin()
        first = opening(job, options, self.info, before=before)
        back = back_to_script(job.script, options)
        run_in_transaction(self.connection, turn, job, first, listener, back=back)
        turn.ran_through()
        return listener.changed
