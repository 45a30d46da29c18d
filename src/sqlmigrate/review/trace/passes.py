"""One run of a script on a shadow database, with everything that is read around each of its statements."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.pq import TransactionStatus

from sqlmigrate import connection as connections
from sqlmigrate.engine.stepwise.outside import LOCK_TIMEOUT_BACK, NO_LOCK_TIMEOUT
from sqlmigrate.engine.unrecorded import run_script
from sqlmigrate.errors import Error, ExecutionError
from sqlmigrate.review.trace.batches import look_at_batches
from sqlmigrate.review.trace.follow import Follower, Step, aside
from sqlmigrate.review.trace.readings import Key, folded, read_locks, read_named, read_scans, scanned
from sqlmigrate.review.trace.waiting import from_table, made_to_wait, obstacles
from sqlmigrate.sql.statement.command import DATA, HIDING, changes_catalog, command_of
from sqlmigrate.sql.statement.effect import WANTS_OUT, Kind, classify, drops_with_cascade, with_restrict
from sqlmigrate.sql.statement.session import set_locally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.backfill.prepared import Prepared
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.measured import Batching
    from sqlmigrate.review.model import Source
    from sqlmigrate.review.trace.follow import Catalog
    from sqlmigrate.review.trace.readings import Relation, Relations, TypeOrSchema
    from sqlmigrate.review.trace.waiting import Obstacle
    from sqlmigrate.shadow import ShadowDatabase
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement

    Run = Callable[[], None]

APPLICATION = "sqlmigrate: review"
_LOCKS_NOTHING = frozenset({"SET", "RESET"})
_TAKING_BACK = frozenset({"ROLLBACK", "ABORT"})
_MAY_DROP = ("DROP", "ALTER", "DO")


@dataclass(slots=True)
class Seen:
    """What was read at one statement; levels of locks are folded.

    `block` numbers the transactions of the script: statements with the same number share one. `plain` says that the
    same statement without its CASCADE would have done as well; None where it has none, or could not be tried. `blind`
    says that its locks could not be read.
    """

    statement: Statement
    command: str
    locks: dict[Key, int]
    held: dict[Key, int]
    block: int = 0
    step: Step = field(default_factory=Step)
    scans: list[Relation] = field(default_factory=list)
    plain: bool | None = None
    blind: bool = False
    notes: list[str] = field(default_factory=list)
    source: Source = "seen"
    batching: Batching | None = None


@dataclass(slots=True)
class Pass:
    """One run of a script; `seen` grows statement by statement.

    It has `found` this catalog. `apart` gives each statement a transaction of its own, also in a block from BEGIN to
    COMMIT. `follow` reads the catalog too. `measure` looks at statements in batches before they run.
    """

    database: ShadowDatabase
    script_run: ScriptRun
    options: Options
    info: ServerInfo
    found: Catalog
    apart: bool = False
    follow: bool = False
    measure: bool = False
    leave_out: tuple[str, ...] = ()
    seen: list[Seen] = field(default_factory=list)
    named: dict[Key, TypeOrSchema] = field(default_factory=dict)
    follower: Follower | None = None
    _held: dict[Key, int] = field(default_factory=dict)
    _scans: dict[int, int] | None = field(default_factory=dict)
    _block: int = 0
    _followed: int = -1
    _batching: Batching | None = None

    @property
    def relations(self) -> Relations:
        """The relations that were there before, by oid."""
        return self.found.relations

    def run(self) -> Error | None:
        """Run the script to its end or to its first error."""
        with connections.session(self.database.conninfo, application_name=APPLICATION) as connection:
            if self.follow:
                self.follower = Follower(connection, self.found, self.leave_out)
            self.named = read_named(connection)
            try:
                run_script(
                    connection,
                    self.script_run,
                    options=self.options,
                    info=self.info,
                    around=lambda statement, run: self._around(connection, statement, run),
                    look=self._look_at_batches if self.measure else None,
                )
            except Error as error:
                return error
        return None

    def followed(self) -> Follower:
        """Return what followed the catalog; only behind a run that was asked to `follow`."""
        if self.follower is None:  # pragma: no cover  the caller's mistake
            raise Error("this run did not follow the catalog")
        return self.follower

    def _around(self, connection: Connection, statement: Statement, run: Run) -> None:
        kind = classify(statement.text)
        in_block = connection.info.transaction_status == TransactionStatus.INTRANS
        if not in_block:
            self._block += 1
            self._scans = None
        seen = Seen(
            statement=statement, command=command_of(statement.text), locks={}, held=dict(self._held), block=self._block
        )
        seen.step = self.follower.standing() if self.follower else seen.step
        if kind is Kind.TRANSACTION_CONTROL:
            run()
        elif in_block:
            self._inside(connection, seen, run)
            if self.apart and not self.script_run.transactional:
                self._end(connection, statement)
                connection.execute("BEGIN")
        elif kind is Kind.NOT_IN_TRANSACTION:
            self._outside(connection, seen, run)
        else:
            self._wrapped(connection, seen, run)
        if connection.info.transaction_status == TransactionStatus.IDLE:
            self._held = {}
        self._look(connection, seen)
        if self.follower and seen.command == "CREATE INDEX" and not seen.step.changes.made:
            seen.scans = []  # IF NOT EXISTS found one, so nothing was built
        seen.batching, self._batching = self._batching, None
        self.seen.append(seen)

    def _look_at_batches(self, prepared: Prepared, batched: Batched) -> None:
        self._batching = look_at_batches(prepared, batched)

    def _wrapped(self, connection: Connection, seen: Seen, run: Run) -> None:
        """Run a statement in a transaction for it alone, or outside of any where it turns out to end it itself."""
        connection.execute("BEGIN")
        try:
            self._inside(connection, seen, run)
        except ExecutionError as error:
            if error.server is None or error.server.sqlstate not in WANTS_OUT:
                raise
            connection.execute("ROLLBACK")
            self._outside(connection, seen, run)
            return
        self._end(connection, seen.statement)

    def _end(self, connection: Connection, statement: Statement) -> None:
        """End the transaction of one statement; a deferred constraint may refuse it."""
        _keep_setting(connection, statement)
        self._held, self._scans = {}, None
        try:
            connection.execute("COMMIT")
        except psycopg.Error as error:
            message = f"{error.diag.message_primary or error} (found at COMMIT)"
            raise Error(message, place=self.script_run.script.place(statement)) from None

    def _inside(self, connection: Connection, seen: Seen, run: Run) -> None:
        """Run a statement in the open transaction, and read what it locks and scans there."""
        quiet = seen.command in _LOCKS_NOTHING
        if self.follow and not quiet:
            self._begin(connection, seen)
        run()
        if connection.info.transaction_status != TransactionStatus.INTRANS:
            return
        if quiet:
            seen.locks = seen.held = self._held
            return
        with connections.undisturbed(connection):
            all_locks = read_locks(connection)
            locks = folded(all_locks, self.relations, self.named)
            seen.locks, seen.held, self._held = locks, self._held, locks
            if self.follow:
                # whatever was read is locked until the transaction ends
                scans = read_scans(connection, {key.oid for key in all_locks if not key.catalog})
                before = self._scans or {}
                if seen.command not in DATA or seen.command in HIDING:
                    seen.scans = scanned(before, scans, self.relations)
                self._scans = {**before, **scans}

    def _begin(self, connection: Connection, seen: Seen) -> None:
        """Try a CASCADE without it, and read the counters that the transactions before have left in the session.

        The server passes them on only once a second, so a new transaction does not begin at zero.
        """
        if self.follower and self._followed != self._block:
            self._followed = self._block
            with connections.undisturbed(connection):
                self.follower.begin(connection)
        cascades = seen.command.startswith(_MAY_DROP) and drops_with_cascade(seen.statement.text)
        if cascades:
            seen.plain = _runs_plain(connection, seen.statement.text)
        if self._scans is None or cascades:
            with connections.undisturbed(connection):
                self._scans = read_scans(connection)

    def _outside(self, connection: Connection, seen: Seen, run: Run) -> None:
        """Run a statement outside a transaction, made to wait so that its locks can be read meanwhile."""
        text = seen.statement.text
        wanted = [item for item in obstacles(connection, text) if item.oid in self.relations]
        names = {item.oid: self.relations[item.oid].name for item in wanted}
        pid = connection.info.backend_pid
        with _patient(connection, wanted), made_to_wait(self.database.tester_conninfo, pid, names, wanted) as waited:
            run()
        found = waited.seen
        if seen.command in HIDING:
            seen.blind = True
            seen.notes.append("it ends transactions itself, so its locks and scans could not be seen")
        elif not found and (found := from_table(text, self.relations, wanted)):
            seen.source = "table"
            seen.notes.append("its locks are taken from PostgreSQL's documentation, since it could not be made to wait")
        seen.locks = folded(found, self.relations, self.named)
        if seen.command in ("CREATE INDEX", "REINDEX"):
            seen.scans = [self.relations[item.oid] for item in wanted]

    def _look(self, connection: Connection, seen: Seen) -> None:
        back = seen.command in _TAKING_BACK
        if self.follower is None or not (back or changes_catalog(seen.command)):
            return
        with connections.undisturbed(connection), aside(connection):
            step = self.follower.look(connection, taken_back=back)
        if back:  # what it takes back is no change of its own
            seen.step = Step(step.before, step.after, step.known)
        else:
            seen.step = replace(step, rewrites=()) if seen.command == "TRUNCATE" else step


@contextmanager
def _patient(connection: Connection, wanted: Sequence[Obstacle]) -> Iterator[None]:
    """Let no lock_timeout count while it is we who make a statement wait: a busy machine lets go late."""
    if not wanted:
        yield
        return
    for command in NO_LOCK_TIMEOUT:
        connection.execute(command.sql.encode())
    yield
    connection.execute(LOCK_TIMEOUT_BACK.sql.encode())


def _runs_plain(connection: Connection, text: str) -> bool:
    """Tell whether a statement would do the same without CASCADE: RESTRICT refuses where anything else would go."""
    with suppress(psycopg.Error), aside(connection):
        connection.execute(with_restrict(text).encode())
        return True
    return False


def _keep_setting(connection: Connection, statement: Statement) -> None:
    """Keep what SET LOCAL sets for the statements after it, each of which has a transaction of its own here."""
    if name := set_locally(statement.text):
        row = connection.execute("SELECT pg_catalog.current_setting(%s, true)", [name]).fetchone()
        if row and row[0] is not None:
            connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", [name, row[0]])
