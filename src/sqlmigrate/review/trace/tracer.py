"""Run a script on a shadow database and tell what each of its statements really does there.

Pass A runs it as it will run, pass B each statement in a transaction of its own, on a copy: only so is the lock of a
statement seen that the ones before it hold already. Where there is one statement only, pass A tells both. The engine's
`run_script` runs both.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from sqlmigrate import connection as connections
from sqlmigrate.errors import Error
from sqlmigrate.review.locks import STOPS_READS, STOPS_WRITES
from sqlmigrate.review.trace.follow import Step, read_catalog
from sqlmigrate.review.trace.passes import APPLICATION, Pass
from sqlmigrate.review.trace.readings import Key, as_locks
from sqlmigrate.shadow import cluster_wide
from sqlmigrate.sql.statement.command import HIDING
from sqlmigrate.sql.statement.effect import begins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.measured import Batching
    from sqlmigrate.review.model import Lock
    from sqlmigrate.review.trace.follow import Catalog
    from sqlmigrate.review.trace.objects import ObjectChanges
    from sqlmigrate.review.trace.passes import Seen
    from sqlmigrate.review.trace.readings import Relation
    from sqlmigrate.schema.read import Snapshot
    from sqlmigrate.shadow import Shadow, ShadowDatabase
    from sqlmigrate.sql.script import Statement

_ADDS_NO_ROW = (
    "ALTER",
    "COMMENT",
    "CREATE INDEX",
    "CREATE UNIQUE INDEX",
    "CREATE TABLE",
    "DROP",
    "GRANT",
    "REVOKE",
    "SET",
)


@dataclass(frozen=True, slots=True)
class Traced:
    """What one statement did; see `model.Statement`, whose fields of the same names these become.

    `step` is what it found in the catalog and what it left there, `block` the number of the transaction that it ran in.
    `plain` says of a CASCADE that nothing goes but what goes without it, `emptied` are the oids of tables without rows.
    """

    statement: Statement
    command: str
    own: tuple[Lock, ...] | None
    taken: tuple[Lock, ...]
    held: tuple[Lock, ...]
    scans: tuple[Relation, ...] = ()
    step: Step = field(default_factory=Step)
    block: int = 0
    plain: bool | None = None
    emptied: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    batching: Batching | None = None

    @property
    def changes(self) -> ObjectChanges:
        """What it made, changed and dropped."""
        return self.step.changes

    @property
    def rewrites(self) -> tuple[Relation, ...]:
        """The relations that were there before the script, had rows, and have another file now."""
        return tuple(item for item in self.step.rewrites if self._has_rows(item))

    @property
    def locks(self) -> tuple[Lock, ...]:
        """Its own locks; where they are not known, those that it added."""
        return self.taken if self.own is None else self.own

    def _has_rows(self, relation: Relation) -> bool:
        return self.emptied.isdisjoint((relation.oid, relation.table))


@dataclass(frozen=True, slots=True)
class Trace:
    """What a script did, statement by statement, up to the one that failed, if one did.

    It `found` a catalog and `left` one, which is the same where it failed in a transaction.
    """

    script_run: ScriptRun
    statements: tuple[Traced, ...]
    found: Catalog
    left: Catalog
    error: Error | None = None
    notes: tuple[str, ...] = ()

    @property
    def before(self) -> Snapshot:
        """The schema before."""
        return self.found.snapshot

    @property
    def after(self) -> Snapshot:
        """The schema behind it."""
        return self.left.snapshot

    @property
    def relations(self) -> Mapping[int, Relation]:
        """The relations that were there before, by oid."""
        return self.found.relations


def trace(
    shadow: Shadow,
    database: ShadowDatabase,
    script_run: ScriptRun,
    *,
    options: Options,
    info: ServerInfo,
    since: Snapshot | None = None,
    found: Catalog | None = None,
    leave_out: tuple[str, ...] = (),
    apart: bool = True,
    source: ShadowDatabase | None = None,
    unchanged: bool = False,
) -> Trace:
    """Run a script in a database and keep what it did there; `database` then holds what the script leaves behind.

    No session may be open in the database, since pass B works in a copy of it, or else of the `source` that it was just
    copied from. A script that PostgreSQL refuses is no error of the trace: `error` says where, and `statements` end
    before it. Without `apart` pass B is left out, so that the locks of a statement are those that it adds, and batches
    are not measured. What it has `found` there is read, unless it is given; from any snapshot `since`, only what has
    changed, and where nothing has, it is said to be `unchanged`.
    """
    if found is None:
        with connections.session(database.conninfo, application_name=APPLICATION) as connection:
            found = read_catalog(connection, since=since, unchanged=unchanged, leave_out=leave_out)
    if not shadow.private and (shared := cluster_wide(script_run.script)):
        return _not_tried(script_run, shared[0], found)
    own: list[Seen] | None = None
    notes: list[str] = []

    def run_apart() -> list[Seen]:
        with shadow.clone(source or database) as copy:
            return _apart(Pass(copy, replace(script_run, transactional=False), options, info, found, apart=True), notes)

    if apart and has_pass_b(script_run):
        own = run_apart()
    whole = Pass(database, script_run, options, info, found, follow=True, measure=apart, leave_out=leave_out)
    error = whole.run()
    if apart and error is not None and _is_one(script_run):
        own = run_apart()
    with connections.session(database.conninfo, application_name=APPLICATION) as connection:
        left = whole.followed().left(connection)
    statements = tuple(merged(seen, own, at, whole) for at, seen in enumerate(whole.seen))
    return Trace(
        script_run=script_run,
        statements=statements,
        found=found,
        left=left,
        error=error,
        notes=tuple(notes),
    )


def has_pass_b(script_run: ScriptRun) -> bool:
    """Tell whether each statement of a script is run in a transaction of its own, too, in another copy."""
    if _is_one(script_run):
        return False
    return script_run.transactional or any(map(begins, script_run.script.statements()))


def _is_one(script_run: ScriptRun) -> bool:
    """Tell whether a script is one statement in a transaction, which sees no locks but its own in pass A either."""
    return script_run.transactional and len(list(islice(script_run.script.statements(), 2))) == 1


def _apart(run: Pass, notes: list[str]) -> list[Seen]:
    """Run each statement in a transaction of its own; the first that cannot ends it, and `notes` say so."""
    error = run.run()
    if error is not None:
        number = len(run.seen) + 1
        notes.append(
            f"from statement {number} on, locks are shown as the transaction takes them: statement {number} does not "
            f"run without those before it ({error.message})"
        )
    return run.seen


def _not_tried(script_run: ScriptRun, statement: Statement, found: Catalog) -> Trace:
    message = "was not tried: it would change the whole server; review it on a private one"
    error = Error(message, place=script_run.script.place(statement))
    return Trace(script_run, (), found=found, left=found, error=error)


def merged(seen: Seen, apart: list[Seen] | None, at: int, run: Pass) -> Traced:
    """Put what both passes saw of a statement together."""

    def words(locks: Mapping[Key, int]) -> tuple[Lock, ...]:
        return as_locks(locks, run.relations, run.named, source=seen.source)

    added = {key: level for key, level in seen.locks.items() if level > seen.held.get(key, 0)}
    if seen.blind:
        own: dict[Key, int] | None = None
    elif apart is None:
        own = added
    else:
        own = apart[at].locks if at < len(apart) else None
    known = seen.locks if own is None else own
    emptied = _emptied(run.seen[:at], seen.block)
    scans = [item for item in seen.scans if item.oid not in emptied]
    if seen.command in HIDING:
        # what a block reads in passing says nothing; a check of a constraint or a build of an index does
        scans = [item for item in scans if known.get(Key(0, item.oid), 0) >= STOPS_WRITES or item in seen.step.rewrites]
    return Traced(
        statement=seen.statement,
        command=seen.command,
        own=None if own is None else words(own),
        taken=words(added),
        held=words(seen.held),
        scans=tuple(scans),
        step=seen.step,
        block=seen.block,
        plain=seen.plain,
        emptied=emptied,
        notes=tuple(seen.notes),
        batching=seen.batching,
    )


def _emptied(earlier: Iterable[Seen], block: int) -> frozenset[int]:
    """Return the tables that a transaction has emptied by TRUNCATE, which keeps others out, and not filled since."""
    found: set[int] = set()
    for seen in earlier:
        if seen.block != block:
            continue
        if seen.command == "TRUNCATE":
            found |= {key.oid for key, level in seen.locks.items() if not key.catalog and level >= STOPS_READS}
        elif not seen.command.startswith(_ADDS_NO_ROW):
            found.clear()
    return frozenset(found)
