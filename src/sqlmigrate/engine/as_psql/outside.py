"""Write a script outside a transaction for psql: each statement with its journal row, as `stepwise` sends them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.engine.as_psql.alike import guard
from sqlmigrate.engine.as_psql.text import closed, confirmed, lines, statement_text
from sqlmigrate.engine.stepwise.journal import BEGIN, as_login
from sqlmigrate.engine.stepwise.outcome import before_in_sql
from sqlmigrate.engine.stepwise.outside import LOCK_TIMEOUT_BACK, NO_LOCK_TIMEOUT
from sqlmigrate.engine.wire.session import BACK_TO_LOGIN, COMMIT, CONSTRAINTS, OURS, back_to_script
from sqlmigrate.sql.statement.effect import Kind, begins, classify, is_rolled_back, may_need_outside, reads_only
from sqlmigrate.sql.statement.session import resets_session
from sqlmigrate.sql.statement.subject import subject_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.connection import Command
    from sqlmigrate.engine.stepwise.journal import Journal
    from sqlmigrate.engine.transaction.job import Job
    from sqlmigrate.engine.wire.session import Options
    from sqlmigrate.sql.script import Statement


def steps(job: Job, journal: Journal, options: Options, set_up: str, *, risky: bool) -> Iterator[str]:
    """Yield the statements of a script and, at the end, its history row.

    `set_up` makes the session's settings; `risky` is for `guard`.
    """
    back = back_to_script(job.script, options)
    yield set_up
    block: list[Statement] = []
    for statement in job.script.statements():
        yield guard(statement.text, risky=risky)
        kind = classify(statement.text)
        if block or (kind is Kind.TRANSACTION_CONTROL and begins(statement)):
            yield from _in_block(statement, kind, block, journal, back)
        elif kind is Kind.TRANSACTION_CONTROL:
            yield closed(statement)  # there is nothing that it could end
        elif may_need_outside(statement.text):
            yield from _outside(statement, journal)
        else:
            row = lines([CONSTRAINTS, *as_login(job), *journal.add([statement], "done"), *back, COMMIT])
            yield f"\n{lines([BEGIN])}{statement_text(statement)}{row}"
        if resets_session(statement):
            yield set_up
    claim = [*job.trusted, *([] if job.half_way else [job.claim])]
    yield "\n" + lines([BEGIN, *BACK_TO_LOGIN, *claim, *job.finish, journal.clear(), COMMIT, OURS]) + confirmed(job)


def _in_block(
    statement: Statement, kind: Kind, block: list[Statement], journal: Journal, back: list[Command]
) -> Iterator[str]:
    """Yield a statement of the script's own transaction, with the journal row before its COMMIT."""
    block.append(statement)
    if kind is not Kind.TRANSACTION_CONTROL or begins(statement):
        yield statement_text(statement)
        return
    row = [*as_login(journal.job), *journal.add(block, "done")]
    if is_rolled_back(block) or reads_only(block):
        yield statement_text(statement) + lines([BEGIN, *row, COMMIT])
    else:
        yield lines([CONSTRAINTS, *row, *back]) + statement_text(statement)
    block.clear()


def _outside(statement: Statement, journal: Journal) -> Iterator[str]:
    about = subject_of(statement.text)
    looked_up, found = before_in_sql(about)
    noted = [journal.note(statement.number, found)] if found else []
    yield "\n" + lines(
        [*looked_up, BEGIN, *as_login(journal.job), *journal.add([statement], "running"), *noted, COMMIT]
    )
    before, after = (NO_LOCK_TIMEOUT, [LOCK_TIMEOUT_BACK]) if about.concurrently else ((), [])
    yield lines(before) + closed(statement) + lines(after)
    yield lines([BEGIN, *as_login(journal.job), journal.mark(statement.number, "done"), COMMIT])
