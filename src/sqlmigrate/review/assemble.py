"""Put what was traced, found and proven together to the values of a report. Pure, but for reading scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from sqlmigrate.errors import Error, ExecutionError
from sqlmigrate.review import model
from sqlmigrate.review.answers import answered, counts
from sqlmigrate.review.hazards import sorted_out
from sqlmigrate.review.locks import STOPS_CHANGES, STOPS_WRITES, Taken, holds, longest
from sqlmigrate.review.severity import weighed
from sqlmigrate.review.trace.readings import names
from sqlmigrate.sql.statement.command import command_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlmigrate.migrations import Migration, ScriptRun
    from sqlmigrate.review.hazards import Context
    from sqlmigrate.review.known import Known
    from sqlmigrate.review.model import Direction, Finding, Hazard, Proof, Suppressed, Verdict
    from sqlmigrate.review.trace.tracer import Trace, Traced
    from sqlmigrate.sql.script import Script, Statement

_WHOLE_MAX, _STATEMENT_MAX = 1 << 20, 10_000  # characters
_FAILED, _GOOD = frozenset({"fails", "not_restored"}), frozenset({"exact", "text_only", "order_only"})


def direction(
    context: Context,
    found: Iterable[Hazard],
    findings: Sequence[Finding],
    known: Known,
) -> Direction:
    """Describe one script that was traced, with the hazards that were found in it, by what is `known` of its tables."""
    trace = context.trace
    script, operation = trace.script_run.script, _operation(trace.script_run)
    weighty = weighed(found, known, rollback=operation == "rollback")
    hazards, suppressed, idle = sorted_out(weighty, script)
    by_statement = answered(findings, context, hazards, suppressed)
    steps = [Taken(one.statement.number, one.taken, one.held) for one in trace.statements]
    held = holds(steps)
    return model.Direction(
        operation=operation,
        path=str(script.path),
        sha256=script.sha256,
        checksum=script.checksum,
        transactional=trace.script_run.transactional,
        text=_whole(script),
        statements=tuple(_statements(trace, hazards, suppressed, by_statement)),
        holds=held,
        waits=sum(1 for one in trace.statements if any(lock.level >= STOPS_CHANGES for lock in one.taken)),
        longest=longest(held),
        error=_words(trace.error) if trace.error else None,
        findings=tuple(by_statement.get(None, ())),
        notes=(*trace.notes, *idle),
    )


def not_run(script_run: ScriptRun, error: str) -> Direction:
    """Describe a script that was not run, and why."""
    script = script_run.script
    return model.Direction(
        operation=_operation(script_run),
        path=str(script.path),
        sha256=script.sha256,
        checksum=script.checksum,
        transactional=script_run.transactional,
        text=_whole(script),
        statements=tuple(_bare(statement) for statement in script.readable_statements()),
        error=error,
    )


def _operation(script_run: ScriptRun) -> Literal["apply", "rollback"]:
    return "rollback" if script_run.operation == "rollback" else "apply"


def _statements(
    trace: Trace,
    hazards: Iterable[Hazard],
    suppressed: Iterable[Suppressed],
    findings: Mapping[int | None, Sequence[Finding]],
) -> Iterable[model.ReviewedStatement]:
    traced = {one.statement.number: one for one in trace.statements}
    found, allowed = list(hazards), list(suppressed)
    for statement in trace.script_run.script.statements():
        number = statement.number
        yield _statement(
            statement,
            traced.get(number),
            tuple(hazard for hazard in found if hazard.statement == number),
            tuple(one for one in allowed if one.hazard.statement == number),
            tuple(findings.get(number, ())),
        )


def _statement(
    statement: Statement,
    one: Traced | None,
    hazards: tuple[Hazard, ...],
    suppressed: tuple[Suppressed, ...],
    findings: tuple[Finding, ...],
) -> model.ReviewedStatement:
    if one is None:
        return _bare(statement, hazards, suppressed, findings)
    return model.ReviewedStatement(
        number=statement.number,
        line=statement.line,
        last_line=_last_line(statement),
        text=_shown(statement),
        kind=one.command,
        own=one.own,
        taken=one.taken,
        held_before=sum(1 for lock in one.held if lock.level >= STOPS_WRITES),
        rewrites=names(one.rewrites),
        scans=names(one.scans),
        made=one.changes.made,
        changed=one.changes.changed,
        dropped=one.changes.dropped,
        hazards=hazards,
        suppressed=suppressed,
        findings=findings,
        notes=one.notes,
        batching=one.batching,
    )


def _bare(
    statement: Statement,
    hazards: tuple[Hazard, ...] = (),
    suppressed: tuple[Suppressed, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> model.ReviewedStatement:
    """Describe a statement that did not run."""
    return model.ReviewedStatement(
        number=statement.number,
        line=statement.line,
        last_line=_last_line(statement),
        text=_shown(statement),
        kind=command_of(statement.text),
        hazards=hazards,
        suppressed=suppressed,
        findings=findings,
        notes=("it was not run",),
    )


def _whole(script: Script) -> str | None:
    """Return a script's text unless it is too long for a report."""
    return script.text if script.text is not None and len(script.text) <= _WHOLE_MAX else None


def _shown(statement: Statement) -> str:
    """Return a statement's text as far as anybody reads it."""
    left = len(statement.text) - _STATEMENT_MAX
    return statement.text if left <= 0 else f"{statement.text[:_STATEMENT_MAX]}\n-- and {left} characters more"


def _last_line(statement: Statement) -> int:
    return statement.line + statement.text.count("\n")


def _words(error: Error) -> str:
    said = error.server if isinstance(error, ExecutionError) else None
    more = [text for text in (said and said.detail, error.hint) if text]
    return f"{error} ({'; '.join(more)})" if more else str(error)


def verdict(apply: Direction, rollback: Direction | None, proof: Proof, late: model.OutOfOrder | None) -> Verdict:
    """Judge one migration; what a rollback does is a warning at most, since nobody plans to run it.

    A finding of squawk that is confirmed is a warning, unless a hazard of ours beside it says how bad it is.
    """
    if apply.error or (rollback is not None and rollback.error) or proof.verdict in _FAILED:
        return "fails"
    severities = {hazard.severity for statement in apply.statements for hazard in statement.hazards}
    if "danger" in severities or (late is not None and late.answer == "different"):
        return "danger"
    back = {hazard.severity for part in (rollback.statements if rollback else ()) for hazard in part.hazards}
    found = any(counts(statement) for part in (apply, rollback) if part for statement in part.statements)
    mild = found or proof.verdict not in _GOOD or (late is not None and late.answer != "independent")
    return "warning" if mild or "warning" in severities or back & {"danger", "warning"} else "fine"


def failed(item: Migration, reason: str, *, bug: str | None = None) -> model.Migration:
    """Describe a migration whose review ended before it was made, by a mistake of ours where `bug` says so."""
    error = f"{reason}; nothing is known about this migration, the others were reviewed"
    up = not_run(item.forward(), error)
    proof = model.Proof("unknown", ("it was not tried",))
    return model.Migration(item.migration_id, up, None, proof, depends=item.depends, verdict="fails", bug=bug)
