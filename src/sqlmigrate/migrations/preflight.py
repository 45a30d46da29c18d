"""Find what must not run, in every script of a plan, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.errors import MigrationsError, Problem
from sqlmigrate.migrations.template import untouched
from sqlmigrate.sql.batches import read_batched
from sqlmigrate.sql.statement.effect import Kind, begins, chains, classify, refused_as

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.migrations.model import ScriptRun
    from sqlmigrate.sql.batches import Batched
    from sqlmigrate.sql.scan import Piece


def preflight(run: ScriptRun) -> list[Problem]:
    """Find every statement that cannot run the way this script will run, or that nobody has written any."""
    script = run.script
    if script.refused is not None:
        return [script.refused]
    if (template := untouched(run)) is not None:
        return [template]
    if script.text is None and not _problems(run, script.pieces(placed=False)):
        return []
    return _problems(run, script.pieces())


def _problems(run: ScriptRun, pieces: Iterable[Piece]) -> list[Problem]:
    script, transactional = run.script, run.transactional
    refused = _IN_TRANSACTION if transactional else _OUTSIDE
    problems = []
    if script.directives.isolation and not transactional:
        message = "isolation= is for a script in a transaction, and this one runs outside"
        place = script.directive_place("isolation")
        problems.append(Problem(message, place, "use the script's own BEGIN ISOLATION LEVEL"))
    begun: Piece | None = None
    batched = read_batched(script.text)
    for piece in pieces:
        kind = classify(piece.text)
        if piece.offset in batched and piece.problem is None:
            problems += _batched_problems(run, piece, batched[piece.offset], begun)
        if kind is Kind.TRANSACTION_CONTROL:
            begun = (begun or piece) if begins(piece) else None
        if piece.problem is not None:
            place = script.place(piece, (piece.problem_offset or piece.offset) - piece.offset)
            problems.append(Problem(piece.problem, place, hint=_psql_hint(piece.problem)))
        elif not transactional and kind is Kind.TRANSACTION_CONTROL and chains(piece.text):
            hint = "write COMMIT and BEGIN as two statements"
            problems.append(Problem("AND CHAIN: a script could not be resumed after it", script.place(piece), hint))
        elif advice := refused.get(kind):
            message, hint = advice
            if kind is Kind.NOT_IN_TRANSACTION and run.operation == "rollback":
                hint = "write `-- transactional: false` in the first lines of this rollback script"
            problems.append(Problem(f"{refused_as(piece.text, kind)}: {message}", script.place(piece), hint=hint))
    if begun and not transactional:
        message = "the script ends inside a transaction that it began"
        problems.append(Problem(message, script.place(begun), hint="add the COMMIT"))
    return problems


def _batched_problems(run: ScriptRun, piece: Piece, batched: Batched, begun: Piece | None) -> list[Problem]:
    from sqlmigrate.migrations.batched import batched_problems  # noqa: PLC0415  few scripts have such statements

    return batched_problems(run, piece, batched, begun)


def require_runnable(runs: Iterable[ScriptRun]) -> None:
    """Raise MigrationsError with every problem of every script, so that nothing runs while one of them is refused."""
    if problems := [problem for run in runs for problem in preflight(run)]:
        raise MigrationsError("nothing was run, since these scripts cannot run safely", problems)


def _psql_hint(problem: str) -> str | None:
    if "psql command" not in problem:
        return None
    return "scripts are plain SQL; only pg_dump's \\restrict lines are skipped"


_PREPARED = ("a prepared transaction outlives its script", "run it by hand")
_COPY_OUT = ("a migration has nowhere to send the rows", "remove it, or write to a file on the server")
_IN_TRANSACTION = {
    Kind.TRANSACTION_CONTROL: (
        "a script must not end or begin the transaction that protects it",
        (
            "remove it, since every script runs in a transaction; one that must not run in one says `-- "
            "transactional: false` at the top"
        ),
    ),
    Kind.NOT_IN_TRANSACTION: (
        "cannot run inside a transaction",
        "put it into a migration of its own that says `-- transactional: false` in its first lines",
    ),
    Kind.PREPARED_TRANSACTION: _PREPARED,
    Kind.COPY_OUT: _COPY_OUT,
}
_OUTSIDE = {
    Kind.PREPARED_TRANSACTION: _PREPARED,
    Kind.COPY_OUT: _COPY_OUT,
}
