"""Run one script on a session with nothing of the history around it, as a shadow database wants it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.connection import Command
from sqlmigrate.engine.backfill.whole import run_whole
from sqlmigrate.engine.stepwise.journal import Sender
from sqlmigrate.engine.transaction.commit import Turn, commit
from sqlmigrate.engine.transaction.job import Job
from sqlmigrate.engine.transaction.run import lost, run_job, undo
from sqlmigrate.engine.wire.execute import Listener
from sqlmigrate.engine.wire.pipeline import Step
from sqlmigrate.engine.wire.session import CONSTRAINTS, PRISTINE, begin, set_up
from sqlmigrate.errors import Error, ScriptError
from sqlmigrate.events import ignore
from sqlmigrate.migrations.preflight import preflight
from sqlmigrate.sql.batches import read_batched

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlmigrate.connection import Connection, ServerInfo
    from sqlmigrate.engine.backfill.prepared import Prepared
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.events import Observer
    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.script import Statement

    Around = Callable[[Statement, Callable[[], None]], None]

NO_CLAIM = Command("SELECT")
"""What stands for the claim where there is no history."""


def run_script(
    connection: Connection,
    script_run: ScriptRun,
    *,
    options: Options,
    info: ServerInfo,
    observer: Observer = ignore,
    around: Around | None = None,
    listener: Listener | None = None,
    finish: tuple[Command, ...] = (),
    look: Callable[[Prepared, Batched], None] | None = None,
) -> None:
    """Run a script as `apply` and `rollback` do, without history and journal.

    In a transaction it is sent in one go, with `finish` before its COMMIT; a `listener` of the caller's own hears of
    all that is answered. With `around` it is sent statement by statement, each by `around`, which gets the statement
    and what runs it; `look` is given each statement in batches before it runs. Raises ScriptError where the script must
    not run, ExecutionError with the place; of a script in a transaction nothing is left then.
    """
    for problem in preflight(script_run):
        raise ScriptError(problem.message, place=problem.place, hint=problem.hint)
    job = Job(script_run, claim=NO_CLAIM, finish=finish, versions=options.versions)
    listener = listener or Listener(script_run, observer)
    if script_run.transactional and around is None:
        run_job(connection, job, options, info, listener)
        return
    try:
        _one_by_one(Sender(connection, job, listener), options, info, around or (lambda _, run: run()), look)
    except psycopg.OperationalError as error:
        if not connection.closed:
            raise  # from the caller's observer, not from this connection
        raise lost(job, error) from None
    except Error:
        undo(connection)
        raise


def _one_by_one(
    sender: Sender,
    options: Options,
    info: ServerInfo,
    around: Around,
    look: Callable[[Prepared, Batched], None] | None,
) -> None:
    job = sender.job
    sender.send(Step(PRISTINE))
    opening = [begin(job.script)] if job.transactional else []
    sender.send(*map(Step, [*opening, *set_up(job.script_run, options, info)]))
    batched = read_batched(job.script.text)
    for statement in job.script.statements():
        own = batched.get(statement.offset)
        run = partial(run_whole, sender, statement, own, look) if own else partial(sender.run, statement)
        around(statement, run)
    if job.transactional:
        sender.send(Step(CONSTRAINTS))
        turn = Turn((job,), sender.listener)
        turn.ran_through()
        commit(sender.connection, turn)
