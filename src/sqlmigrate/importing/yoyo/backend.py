"""The plug-in for people who keep the `yoyo` command: `sqlmigrate://...` instead of `postgresql://...`.

yoyo reads the files, sorts and asks; the scripts then run as ours do: each in one transaction with its history row,
under the run lock. yoyo finds this module by the entry point `sqlmigrate` of its group `yoyo.backends`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from logging import getLogger
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo
from yoyo import exceptions
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend

from sqlmigrate import config, connection, history, runlock
from sqlmigrate.connection.address import require_only_connects
from sqlmigrate.connection.committing import committed
from sqlmigrate.engine.adopting import record
from sqlmigrate.engine.apply import planned, require_conditions, with_losses
from sqlmigrate.engine.wire.session import Options
from sqlmigrate.engine.worker import Worker
from sqlmigrate.errors import (
    ConfigError,
    ConfirmationRequired,
    Error,
    HistoryError,
    MigrationsError,
    RunLockBusy,
    UsageError,
)
from sqlmigrate.events import Blocked, LockRetry, Notice, ScriptStarted, WaitingForRunLock
from sqlmigrate.history import yoyo_tables
from sqlmigrate.history.names import ours
from sqlmigrate.importing.yoyo.ordering import require_natural
from sqlmigrate.migrations import Migration, Migrations, in_order
from sqlmigrate.migrations.preflight import require_runnable
from sqlmigrate.plan import ApplyRequest, Plan, RollbackRequest
from sqlmigrate.reports.text import in_log
from sqlmigrate.runlock.blockers import watched
from sqlmigrate.sql.script import read_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.events import Event
    from sqlmigrate.history import History
    from sqlmigrate.plan import Request
    from sqlmigrate.runlock.blockers import Watcher

logger = getLogger("yoyo.migrations")

_LOCK_SECONDS = 10  # yoyo's own


class SqlmigrateBackend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo ships no types
    """A back end of yoyo that runs scripts, locks and records as sqlmigrate does."""

    def __init__(self, dburi: Any, migration_table: str) -> None:
        if migration_table != yoyo_tables.TABLE:
            raise UsageError(
                "the history of sqlmigrate has tables of its own, so --migration-table has no meaning",
                hint=f"adopt that table: sqlmigrate mark --from yoyo --migration-table {quote(migration_table)}",
            )
        found = config.load({})
        self.options = _options(found, dburi)
        self.protected = found.protected
        self.order = found.order
        self.conninfo = _conninfo(dburi)
        self._run_lock: runlock.RunLock | None = None
        super().__init__(dburi, migration_table)

    def connect(self, dburi: Any) -> connection.Connection:  # noqa: ARG002  yoyo's signature
        """Open a session as every command of ours does."""
        return connection.connect(self.conninfo)

    def init_connection(self, connection: connection.Connection) -> None:
        """Do nothing: each script finds a session of its own settings."""

    def init_database(self) -> None:
        """Do nothing: looking needs no right but to read, and our tables are made when something is written."""

    def ensure_internal_schema_updated(self) -> None:
        """Do nothing, for the same reason."""

    @contextmanager
    def lock(self, timeout: float = _LOCK_SECONDS) -> Iterator[None]:
        """Hold the run lock, which goes away with our session; raises LockTimeout, as yoyo does, naming its holder.

        What is asked meanwhile is asked under our own settings; a pooler gets the session back behind it.
        """
        if self._run_lock is not None:
            yield
            return
        try:
            held = runlock.held(self.conninfo, self.options.schema, wait=timeout, observer=_log, worker=self.connection)
            with held as self._run_lock, self._settled():
                yield
        except RunLockBusy as error:
            raise exceptions.LockTimeout(in_log(f"{error}; {error.hint}")) from None
        finally:
            self._run_lock = None

    @contextmanager
    def _settled(self) -> Iterator[None]:
        connection.settle(self.connection)
        try:
            yield
        finally:
            self.connection.give_back()

    def break_lock(self) -> None:
        """Break nothing: say who holds the run lock, and how it comes free where its run is dead."""
        holder = runlock.holder_of(self._reader(), runlock.lock_key(self.options.schema))
        if holder is None:
            logger.warning("the run lock of sqlmigrate is free; there is nothing to break")
        else:
            logger.warning("%s", in_log(f"the run lock is held by {holder}; {runlock.to_free(holder)}"))

    def get_applied_migration_hashes(self) -> list[str]:
        """Return the hashes of what is applied, in the order of application."""
        return [row.migration_hash for row in self._history().applied]

    def apply_migrations(self, migrations: Any, force: bool = False) -> None:  # noqa: FBT001, FBT002  yoyo's signature
        """Apply migrations; refuses hooks that yoyo would run afterwards, before anything runs."""
        if migrations and migrations.post_apply:
            names = ", ".join(hook.id for hook in migrations.post_apply)
            raise UsageError(f"sqlmigrate does not run yoyo's post-apply scripts ({names})", hint="rename them")
        self.apply_migrations_only(migrations, force=force)

    def apply_migrations_only(self, migrations: Any, force: bool = False) -> None:  # noqa: FBT001, FBT002  same
        """Apply migrations in the order given, after a look at every script."""
        self._run("apply", migrations, force=force)

    def rollback_migrations(self, migrations: Any, force: bool = False) -> None:  # noqa: FBT001, FBT002  same
        """Roll back migrations in the order given, after a look at every script."""
        self._run("rollback", migrations, force=force)

    def apply_one(self, migration: Any, force: bool = False, mark: bool = True) -> None:  # noqa: FBT001, FBT002  same
        """Apply a migration in one transaction with its history row."""
        if not mark:
            raise UsageError(f"{migration.id}: sqlmigrate runs no script without recording it")
        self._run("apply", [migration], force=force)

    def rollback_one(self, migration: Any, force: bool = False) -> None:  # noqa: FBT001, FBT002  same
        """Roll a migration back in one transaction with its history row."""
        self._run("rollback", [migration], force=force)

    def mark_migrations(self, migrations: Any) -> None:
        """Record migrations as applied without running them, all or none."""
        found = in_order((_read(item) for item in migrations), self.order)
        run = history.Run()
        self._write(command for item in found for command in record(self.options.schema, item, run))

    def mark_one(self, migration: Any, log: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002  yoyo's signature
        """Record a migration as applied without running it; the log has it in any case."""
        self.mark_migrations([migration])

    def unmark_migrations(self, migrations: Any) -> None:
        """Take migrations out of the history without running anything, all or none."""
        run, schema = history.Run(), self.options.schema
        self._write(
            command
            for item in migrations
            for command in (
                history.unclaim(schema, item.id),
                history.journal_clear(schema, item.id),
                *history.log(schema, item.id, "unmark", run),
            )
        )

    def unmark_one(self, migration: Any, log: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002  same
        """Take a migration out of the history without running anything; the log has it in any case."""
        self.unmark_migrations([migration])

    def _history(self) -> History:
        return history.read(self._reader(), self.options.schema, owners=self.options.history_owners)

    def _reader(self) -> connection.Connection:
        """Return our session to read in, under our own settings also where it was given back to a pooler."""
        if self._run_lock is None and self.connection.lent:
            connection.begin_again(self.connection)
        found: connection.Connection = self.connection
        return found

    @contextmanager
    def _writing(self) -> Iterator[tuple[connection.ServerInfo, runlock.RunLock, Watcher, History]]:
        """Hold the run lock and watch our session from it, with our tables in place."""
        if self.protected:
            hint = "use the sqlmigrate command, which asks for the database's name"
            raise ConfirmationRequired(
                "this environment is protected, and yoyo cannot ask; nothing was changed", hint=hint
            )
        info = connection.probe(self.connection)
        connection.require_writable(info)
        with self.lock():
            connection.settle(self.connection)
            if self._run_lock is None:  # pragma: no cover  it is held here
                raise HistoryError("the run lock is not held")
            with watched(self.conninfo, self._run_lock, self.connection, info.backend_pid, _log) as watcher:
                found = self._history()
                found = history.install(self.connection, self.options.schema, found, owners=self.options.history_owners)
                yield info, self._run_lock, watcher, found

    def _require_adopted(self, steps: Sequence[Migration]) -> None:
        """Refuse to apply again what yoyo has applied before us; what we rolled back since may come again."""
        schema, owners = self.options.schema, self.options.history_owners
        undone = yoyo_tables.undone(self.connection, ours(schema, owners))
        hashes = [step.migration_hash for step in steps if step.migration_hash not in undone]
        if found := yoyo_tables.not_adopted(self.connection, schema, owners, hashes):
            place, row = found
            raise HistoryError(
                f"{row} is applied, says {place}, but sqlmigrate does not know it yet; nothing was run",
                hint=f"take over yoyo's history once: sqlmigrate mark --from yoyo --schema {quote(place.schema)}",
            )

    def _require_possible(self, operation: str, step: Migration, found: History) -> None:
        """Refuse what a plan would refuse; which migrations, and in which order, is yoyo's to say."""
        name = step.migration_id
        replaced = dict.fromkeys(step.replaces, name)
        alone = Migrations(step.script.path.parent, (step,), by_id={name: step}, replaced=replaced)
        known = replace(
            found,
            applied=tuple(row for row in found.applied if row.migration_id in {name, *step.replaces}),
            half_way=tuple(item for item in found.half_way if item.migration_id == name),
        )
        request: Request = ApplyRequest(migrations=alone)
        if operation == "rollback":
            request = RollbackRequest(migrations=alone, include_marked=(name,) if known.applied else ())
        if not planned(self.connection, request, known, self.options).steps:
            state = "applied already" if operation == "apply" else "not applied"
            raise HistoryError(f"{name} is {state}; nothing was run")

    def _write(self, commands: Iterable[connection.Command]) -> None:
        try:
            with self._writing(), committed(self.connection):
                history.hold(self.connection, self.options.schema, self.options.history_owners)
                yoyo_tables.execute(self.connection, commands)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DivisionByZero):
            raise HistoryError("another run changed the history in the meantime; nothing was changed") from None

    def _run(self, operation: str, migrations: Iterable[Any], *, force: bool) -> None:
        with _explained():
            steps = [_read(item) for item in migrations]
            if steps and force:
                raise UsageError("a script runs as a whole or not at all, so --force has no meaning")
            if steps:
                self._run_steps(operation, steps)

    def _run_steps(self, operation: str, steps: Sequence[Migration]) -> None:
        with self._writing() as (info, lock, watcher, found):
            if self.order == "natural":
                require_natural(operation, steps, found)
            if operation == "apply":
                self._require_adopted(steps)
            for step in steps:
                self._require_possible(operation, step, found)
            plan = Plan(operation, tuple(steps))
            require_runnable(plan.runs())
            for note in require_conditions(self.connection, plan, self.options, "nothing was run").notes:
                logger.info("%s", in_log(note))
            for loss in with_losses(self.connection, plan, self.options).losses:
                if loss.counts:
                    logger.warning("%s", in_log(f"data is lost by {operation} {loss.migration_id}: {loss}"))
            worker = Worker(self.connection, info, self.options, _log, lock, watcher, found)
            worker.run_each(steps, operation)


def _options(found: config.Config, dburi: Any) -> Options:
    """Take the settings of the project; `?schema=` sets the search_path of scripts, as it does for yoyo."""
    return Options(
        schema=found.history_schema,
        history_owners=found.history_owners,
        role=found.role,
        search_path=dburi.args.get("schema") or found.search_path,
        lock_timeout=found.lock_timeout,
        statement_timeout=found.statement_timeout,
        lock_budget=found.lock_budget,
        max_waiters=found.max_waiters,
        max_block=found.max_block,
        max_lag=found.max_lag,
    )


def _conninfo(dburi: Any) -> str:
    """Return what libpq needs; raises ConfigError without repeating it: it may hold a password."""
    names = {"dbname": "database", "user": "username", "password": "password", "host": "hostname", "port": "port"}
    given = {key: getattr(dburi, name) for key, name in names.items() if getattr(dburi, name)}
    extra = {key: value for key, value in dburi.args.items() if key not in {"schema", "autocommit"}}
    require_only_connects({key: str(value) for key, value in extra.items()}, source="the URL")
    try:
        return make_conninfo(**(extra | given))
    except psycopg.ProgrammingError:
        raise ConfigError("the URL has parameters that libpq does not know", hint=", ".join(sorted(extra))) from None


def _read(item: Any) -> Migration:
    """Read the files of a migration of yoyo's as our own; raises MigrationsError where they cannot be ours."""
    path = Path(item.path)
    if path.suffix != ".sql":
        raise MigrationsError(f"{path}: Python migrations are not run; write it as plain SQL")
    script, problems = read_script(path)
    beside, rollback = path.with_suffix(".rollback.sql"), None
    if beside.exists():
        rollback, more = read_script(beside)
        problems += more
    if errors := [problem for problem in problems if not problem.warning]:
        raise MigrationsError(f"{item.id} is refused", errors)
    return Migration(item.id, script, rollback)


@contextmanager
def _explained() -> Iterator[None]:
    """Let the traceback that the yoyo command prints say what ours would: the problems, and what to do next."""
    try:
        yield
    except Error as error:
        problems = error.problems if isinstance(error, MigrationsError) else ()
        explained = error.replaced(message=in_log(str(error)), place=None)
        for words in (*map(str, problems), *([f"what to do: {error.hint}"] if error.hint else [])):
            explained.add_note(in_log(words))
        raise explained from None


def _log(event: Event) -> None:
    """Tell yoyo's log what happens."""
    if isinstance(event, ScriptStarted):
        doing = {"apply": "Applying", "rollback": "Rolling back"}[event.operation]
        logger.info("%s", in_log(f"{doing} {event.migration_id}"))
    elif isinstance(event, Notice):
        logger.info("%s", in_log(f"{event.message.severity}: {event.message.message}"))
    elif isinstance(event, WaitingForRunLock):
        batches = f"; {event.batches}" if event.batches else ""
        logger.warning("%s", in_log(f"waiting for the run lock, held by {event.holder}{batches}"))
    elif isinstance(event, (Blocked, LockRetry)):
        blockers = "; ".join(map(str, event.blockers))
        logger.warning("%s", in_log(f"{event.migration_id} waits for a lock: {blockers}"))
