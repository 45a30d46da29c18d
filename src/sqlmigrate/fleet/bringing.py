"""The one task of a fleet: bring a target to a state under a run id.

It may be carried out twice, at the same time and on two machines: the run lock and the claim of each migration let it
happen once, and what has become of it is read from the target's history.
"""

from __future__ import annotations

import hashlib
import os
import socket
import time
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate import connection, engine, history, plan
from sqlmigrate.errors import (
    ConnectionFailed,
    Error,
    ExecutionError,
    LockBudgetSpent,
    RunLockBusy,
    UsageError,
    redact,
)
from sqlmigrate.events import Blocked, LockRetry, ScriptFinished, ScriptStarted, WaitingForRunLock
from sqlmigrate.fleet.fingerprint import fingerprint
from sqlmigrate.fleet.model import Failure, Outcome, Verdict
from sqlmigrate.fleet.tenants import options_of, require_no_paths
from sqlmigrate.plan import ApplyRequest, RollbackRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlmigrate.connection import ServerInfo
    from sqlmigrate.engine import Options, Preview, Result
    from sqlmigrate.events import Event
    from sqlmigrate.fleet.model import Wanted
    from sqlmigrate.fleet.order import Order
    from sqlmigrate.fleet.places import Place
    from sqlmigrate.history import History
    from sqlmigrate.migrations import Migrations
    from sqlmigrate.plan import Plan, Request

SHORT = 10_000
"""Milliseconds that an order which is not patient waits at most for a lock, and for another run."""
_OF_THE_ORDER = (
    "lock_timeout", "statement_timeout", "lock_budget", "wait_lock", "durable", "max_waiters", "max_block", "max_lag",
    "apart",
)  # fmt: skip
_SETTINGS = {"schema": "history_schema"}
_LOSS_HINT = "give --accept-loss to lose that in all targets"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a process needs to carry out orders: each makes its own, for none of it goes from one to another.

    `place` finds a target by its name, `files` is the digest of the migrations. `options` are those under which
    targets are looked at; an order says how long scripts may wait and run, and neither as whom nor where.
    """

    place: Callable[[str], Place]
    migrations: Migrations
    files: str
    options: Options


@dataclass(slots=True)
class _Heard:
    """What the engine has told of one run: where it led, what was begun and finished, and who was in the way."""

    where: str = ""
    begun: bool = False
    finished: list[str] = field(default_factory=list)
    blocker: str | None = None

    def __call__(self, event: Event, /) -> None:
        match event:
            case ScriptStarted():
                self.begun = True
            case ScriptFinished():
                self.finished.append(event.migration_id)
            case Blocked() | LockRetry() if event.blockers:
                self.blocker = str(event.blockers[0])
            case WaitingForRunLock() if event.holder is not None:
                self.blocker = f"the run of {event.holder}"


def digest_of(migrations: Migrations) -> str:
    """Return a digest of all files and their order, for `Wanted.files`."""
    digest = hashlib.sha256()
    for item in migrations.ordered:
        rollback = item.rollback.sha256 if item.rollback else ""
        digest.update(f"{item.migration_id}\0{item.script.sha256}\0{rollback}\0".encode())
    return digest.hexdigest()


def request_of(wanted: Wanted, migrations: Migrations) -> Request:
    """Return what the engine is asked for."""
    if wanted.operation == "rollback":
        of_run = wanted.of_run or ""  # no run has this id: without it, the last migration would go
        return RollbackRequest(migrations=migrations, of_run=of_run, recorded=wanted.recorded)
    return ApplyRequest(
        migrations=migrations,
        to=wanted.to,
        phase=wanted.phase,
        allow_out_of_order=wanted.allow_out_of_order,
        single_transaction=wanted.single_transaction,
        exact=wanted.exact,
    )


def bring(order: Order, workshop: Workshop) -> Outcome:
    """Carry out an order and say what has become of it; no error of a target is raised."""
    began = time.monotonic()
    outcome = replace(_brought(order, workshop), seconds=round(time.monotonic() - began, 3))
    return replace(outcome, worker=f"{socket.gethostname()}:{os.getpid()}")


def _brought(order: Order, workshop: Workshop) -> Outcome:
    heard = _Heard()
    place: Place | None = None
    try:
        _require_same_files(order, workshop)
        _require_same_settings(order, workshop)
        place = workshop.place(order.target)
        result = _run(order, workshop, place, heard)
    except Error as error:
        return _failed(order, workshop, place, heard, error)
    except Exception as error:  # noqa: BLE001  one target's bug is no reason to leave the others
        return _failed(order, workshop, place, heard, connection.in_words(error))
    ran = [item.migration_id for item in result.ran]
    done = _done(order, workshop, place, result.before, ran)
    return Outcome(order.target, Verdict.DONE if done else Verdict.UNCHANGED, done, where=heard.where)


def _run(order: Order, workshop: Workshop, place: Place, heard: _Heard) -> Result:
    options = _options(order, workshop, place)
    request = request_of(order.wanted, workshop.migrations)
    gate = _gate(order.wanted, workshop, place, heard)
    return engine.run(place.conninfo, request, options, gate=gate, observer=heard, as_run=order.run)


def _options(order: Order, workshop: Workshop, place: Place) -> Options:
    """Return the options of here, with how long scripts may wait and run as the order says it.

    An order may come from another machine: whose history is believed, and as whom scripts run, is decided here.
    """
    asked = {name: getattr(order.options, name) for name in _OF_THE_ORDER}
    options = options_of(place.target.schema, replace(workshop.options, **asked))
    if order.patient:
        return options
    return replace(options, lock_budget=min(options.lock_budget, SHORT), wait_lock=min(options.wait_lock, SHORT))


def _require_same_files(order: Order, workshop: Workshop) -> None:
    if order.wanted.files and order.wanted.files != workshop.files:
        raise UsageError(
            "the migrations here are not those that the run was begun with; nothing was done",
            hint="bring the same files to every machine that works on targets",
        )


def other_settings(asked: Options, ours: Options) -> list[str]:
    """Return the names of the settings that differ, of those that an order does not decide."""
    names = [field.name for field in fields(ours) if field.name not in _OF_THE_ORDER]
    return [_SETTINGS.get(name, name) for name in names if getattr(asked, name) != getattr(ours, name)]


def _require_same_settings(order: Order, workshop: Workshop) -> None:
    if other := other_settings(order.options, workshop.options):
        raise UsageError(
            f"{' and '.join(other)} here: not what the run was begun with; nothing was done",
            hint="bring the same settings to every machine that works on targets",
        )


def _gate(wanted: Wanted, workshop: Workshop, place: Place, heard: _Heard) -> Callable[[ServerInfo, Plan], None]:
    """Return what is asked of a plan before its first script: that it fits, and that no data is lost unasked."""

    def gate(info: ServerInfo, planned: Plan, /) -> None:
        heard.where = mark_of(info, place)
        require_fitting(wanted, workshop, place, info, planned)
        if not wanted.accept_loss and (wanted.keep_data or wanted.operation == "rollback"):
            plan.require_none(planned.losses, hint=_LOSS_HINT)

    return gate


def mark_of(info: ServerInfo, place: Place) -> str:
    """Return what two targets have in common that are one, whatever their addresses: a server, database and history."""
    return f"{info.identity}/{place.history}"


def require_fitting(wanted: Wanted, workshop: Workshop, place: Place, info: ServerInfo, planned: Plan) -> None:
    """Refuse a plan that leaves its tenant's schema, or whose proof is missing; raises MigrationsError."""
    if place.target.schema is not None:
        require_no_paths(planned.steps)
    if wanted.require_proof and wanted.operation == "apply":
        from sqlmigrate.roundtrip import proofs  # noqa: PLC0415  only where it is asked for

        proofs.require(workshop.migrations, planned.steps, major=info.major)


def _failed(order: Order, workshop: Workshop, place: Place | None, heard: _Heard, error: Error) -> Outcome:
    """Say what an error has left; where scripts had begun, the target's history is asked what became of them."""
    found = _look(order, workshop, place) if place is not None and heard.begun else None
    done = tuple(heard.finished)
    if found is not None and place is not None:
        done = _done(order, workshop, place, found.found, heard.finished)
    if found is not None and not found.plan.steps:
        # what was lost was only the answer; or another run has done it
        return Outcome(order.target, Verdict.DONE if done else Verdict.UNCHANGED, done, where=heard.where)
    blocked = isinstance(error, (LockBudgetSpent, RunLockBusy)) or (
        isinstance(error, ConnectionFailed) and place is not None and not heard.begun
    )
    verdict = Verdict.BLOCKED if blocked else Verdict.FAILED
    failure = _failure(error, place.names if place else (order.target,), workshop.migrations.directory)
    return Outcome(order.target, verdict, done, failure=failure, blocker=heard.blocker, where=heard.where)


def _look(order: Order, workshop: Workshop, place: Place) -> Preview | None:
    """Read where a target stands, and what is left to do there; None where it does not say.

    It may be silent, and has been waited for already, so this is but a short look.
    """
    try:
        request = request_of(order.wanted, workshop.migrations)
        conninfo = connection.in_haste(place.conninfo)
        return engine.preview(conninfo, request, _options(order, workshop, place))
    except (Error, psycopg.Error):
        return None


def _done(order: Order, workshop: Workshop, place: Place, found: History, ran: Sequence[str]) -> tuple[str, ...]:
    """Return what the run has done at a target, in this order or in one before: by its rows, and by what ran now.

    What was rolled back has no row any more; then the log tells.
    """
    if order.wanted.operation == "apply":
        rows = [row.migration_id for row in found.applied if row.run_id == order.run.run_id]
    else:
        rows = _rolled_back(order, workshop, place) if found.version is not None else []
    return tuple(dict.fromkeys([*rows, *ran]))


def _rolled_back(order: Order, workshop: Workshop, place: Place) -> list[str]:
    """Return what the log says that the run has rolled back; nothing where it cannot be read now."""
    options = _options(order, workshop, place)
    wanted = history.LogFilter(operation="rollback", run_id=order.run.run_id)
    try:
        with connection.session(place.conninfo) as session:
            log = history.read_log(session, options.schema, wanted, owners=options.history_owners)
    except (Error, psycopg.Error):
        return []
    return [row.migration_id for row in log if row.migration_id]


def in_a_line(message: str) -> str:
    """Return a message, without any password, as one line: libpq says why it cannot connect in several."""
    return " ".join(redact(message).split())


def _failure(error: Error, names: tuple[str, ...], folder: Path) -> Failure:
    """Say an error in values; files are named from the folder of the project on: each machine has it elsewhere."""
    server = error.server if isinstance(error, ExecutionError) else None
    problems = [str(problem) for problem in getattr(error, "problems", ())][:1]
    above = f"{folder.absolute().parent}{os.sep}"
    words = ": ".join([error.message, *(text for text in problems if text not in error.message)])
    return Failure(
        kind=type(error).__name__,
        message=in_a_line(words.replace(above, "")),
        fingerprint=fingerprint(error, names),
        hint=error.hint,
        place=str(error.place).replace(above, "") if error.place else None,
        migration_id=error.migration_id if isinstance(error, ExecutionError) else None,
        sqlstate=server.sqlstate if server else None,
    )
