"""`sqlmigrate status`."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli import seed_status
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.options import common
from sqlmigrate.cli.output import render_problem
from sqlmigrate.cli.reporting import FINDINGS, publish, reporting, root_of
from sqlmigrate.cli.watching import batches, clock, phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.reporting import Wanted
    from sqlmigrate.engine.backfill.progress import Progress
    from sqlmigrate.history import HalfWay
    from sqlmigrate.plan import Running, Status

EPILOG = """\b
Examples:
  sqlmigrate status
  sqlmigrate status --check    exit status 3 if anything is left to do
  sqlmigrate status --check --exact   also if a newer release was here
  sqlmigrate status --verbose  with the difference of each edited file
  sqlmigrate status --json
  sqlmigrate status --check --output status.xml   JUnit, for CI
"""


@click.command(epilog=EPILOG)
@click.option(
    "--check", is_flag=True, help="Exit with 3 if a migration is pending, edited (not only its comments) or missing."
)
@click.option("--exact", is_flag=True, help="With --check: also exit with 3 if the database is ahead of the files.")
@common
@reporting
@click.pass_context
def command(context: click.Context, app: App, *, check: bool, exact: bool, reports: Wanted) -> None:
    """Show which migrations are applied, in the order of their application, which are pending, and what runs now.

    It takes no lock, needs only the right to read, and works on a standby too.
    """
    from sqlmigrate import (  # noqa: PLC0415  --help needs none of it
        __version__,
        connection,
        engine,
        migrations,
        plan,
    )
    from sqlmigrate.reports.sources.status import left_to_do  # noqa: PLC0415  same
    from sqlmigrate.target import for_development  # noqa: PLC0415  same

    early = app.connecting()
    found = migrations.of_project(app.config)
    with app.target() as target, connection.session(target.conninfo, early=early) as session:
        app.announce(target, connection.probe(session))
        states, known = engine.states(session, found, app.options())
        errors, warnings = plan.contradictions(
            states, known, exact=exact, developing=for_development(target, app.config)
        )
        others = engine.elsewhere(session, known, app.options())
        seeded = seed_status.read(app, session, known)
    told = [*found.misnumbered, *known.standing.remarks()]
    for problem in told:
        app.output.warning(f"{problem}; {problem.hint}")
    for other in others:
        app.output.warning(other)
    for problem in (*found.warnings, *warnings, *errors, *plan.half_replaced(found, known)):
        if problem in told:
            continue
        word = "warning" if problem.warning else "apply refuses this"
        first, *rest = render_problem(problem)
        app.output.detail(f"{word}: {first}", *rest)
    result = {
        "migrations": [_as_json(item) for item in states],
        "summary": _counts(states),
        "seeds": [seed_status.as_json(one) for one in seeded],
    }
    issues = left_to_do(states, root_of(found.directory), found.directory, __version__, exact=exact)
    publish(app, reports, issues, app.output.document(**result))
    app.output.result(**result)
    if states:
        app.output.table(
            ("migration", "state", "applied (UTC)", "remarks"), [_row(item) for item in states], words=True
        )
        app.output.line()
    for item in states:
        if item.running:
            app.output.prose(_running(item, item.running), "")
        elif item.stopped:
            app.output.prose(*_half_way(item, item.stopped))
    app.output.prose(_summary(states, str(found.directory)))
    if seeded:
        app.output.line(*seed_status.lines(seeded))
    if newer := [item.migration_id for item in states if item.ahead]:
        app.output.prose(plan.said_of(newer))
    attention = check and any(plan.needs_attention(item) or (exact and item.ahead) for item in states)
    context.exit(reports.status(issues, FINDINGS if attention else 0))


def _running(item: Status, running: Running) -> str:
    """Say which statement runs, since when, by whom, and how far it is."""
    words = "running now" if running.locked else "still running, though the client of its run is gone"
    work = running.work
    parts = [f"{words}: {item.migration_id}{' (rollback)' if running.operation == 'rollback' else ''}"]
    if running.statement:
        of = f" of {running.statements}" if running.statements else ""
        parts.append(f"statement {running.statement}{of} (line {running.line})")
    if item.stopped and (done := progress_of(item.stopped)) is not None:
        parts.append(batches(done, ", "))
    elif work.seconds is not None:
        parts.append(f"since {clock(work.seconds)}")
    parts.append(f"by {running.role}@{running.client} (pid {running.pid})")
    if item.stopped and (done := progress_of(item.stopped)) is not None and done.held_by:
        parts.append(f"the next batch waits: {done.held_by}")
    elif work.phase:
        parts.append(phase(work))
    elif work.wait:
        parts.append(f"waits for {work.wait}")
    return printable(", ".join(parts))


def _half_way(item: Status, stopped: HalfWay) -> list[str]:
    """Say where a script stands, in words for 2 a.m.: the statement, what became of it, and the ways on."""
    entry = stopped.stopped_at
    failed = "failed" if entry.error else "is to run"
    words = {"done": "is done", "failed": failed, "running": "was begun; its outcome is not known"}
    first, *more = entry.statement.splitlines() or [""]
    lines = [
        f"{stopped.migration_id} stopped half way in its {stopped.operation} script:",
        f"  statement {entry.number} (line {entry.line}) {words[entry.state]}: {first}{' ...' if more else ''}",
    ]
    lines += [f"  {entry.error}"] if entry.error else []
    on = "goes on there; what is done is not done again"
    if (done := progress_of(stopped)) is not None:
        lines[1] = f"  statement {entry.number} (line {entry.line}), in batches: {first}{' ...' if more else ''}"
        lines.append(f"  {batches(done)}")
    elif entry.state == "running":
        on = "looks up the outcome and goes on, or asks if it cannot be known"
    ways = [
        (f"sqlmigrate {stopped.operation}", on),
        (f"sqlmigrate {stopped.operation} --resume-at N", "goes on at statement N, if you know better"),
    ]
    if stopped.operation == "apply" and item.migration and item.migration.rollback:
        ways.append(("sqlmigrate rollback", "runs the rollback script instead"))
    if stopped.operation == "rollback" and item.recorded and item.recorded.rollback_checksum:
        accept = f'sqlmigrate accept {quote(item.migration_id)} --reason "..."'
        ways.insert(0, (accept, "comes first, if you edit the rollback script"))
    lines.append("  ways on:")
    lines += [f"    {command:<36} {words}" for command, words in ways]
    return [*lines, ""]


def progress_of(stopped: HalfWay) -> Progress | None:
    """Return how far the statement is at which a script stopped, where that runs in batches."""
    from sqlmigrate.engine.backfill.progress import Progress  # noqa: PLC0415  few scripts have such statements

    return Progress.read(stopped.stopped_at.found)


def _row(item: Status) -> tuple[str, str, str, str]:
    at = item.recorded.applied_at if item.recorded else None
    color = {"applied": "green", "pending": "yellow", "marked": "cyan", "half way": "red", "running": "blue"}[
        item.state.value
    ]
    return (
        item.migration_id,
        click.style(item.state.value, fg=color),
        at.strftime("%Y-%m-%d %H:%M:%S") if at else "",
        ", ".join(_remarks(item)),
    )


def _remarks(item: Status) -> list[str]:
    remarks = []
    if item.ahead:
        remarks.append("from a newer release")
    elif item.replaced and not item.migration:
        remarks.append(f"replaced by {item.replaced}")
    elif item.missing:
        remarks.append("script missing")
    elif item.edited:
        remarks.append("comments edited after apply" if item.comments_only else "edited after apply")
    if item.migration and item.migration.rollback is None:
        remarks.append("no rollback script")
    elif item.migration and item.rollback_edited:
        remarks.append("rollback script edited")
    if item.recorded is None and item.migration and item.migration.script.directives.phase:
        remarks.append(item.migration.phase)
    if item.late:
        remarks.append(f"older than applied {item.late}")
    if item.recorded and item.recorded.seq is None:
        remarks.append("applied by yoyo")
    return remarks


def _counts(states: Sequence[Status]) -> dict[str, int]:
    counts = dict.fromkeys(
        ("applied", "marked", "half_way", "running", "pending", "late", "edited", "missing", "ahead"), 0
    )
    for item in states:
        counts[item.state.name.lower()] += 1
        counts["late"] += item.late is not None
        counts["edited"] += item.edited and not item.comments_only
        counts["missing"] += item.missing and not item.ahead
        counts["ahead"] += item.ahead
    return counts


def _summary(states: Sequence[Status], directory: str) -> str:
    if not states:
        return f"no migrations in {directory}"
    counts = _counts(states)
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def _as_json(item: Status) -> dict[str, Any]:
    recorded, migration = item.recorded, item.migration
    return {
        "migration_id": item.migration_id,
        "state": item.state.name.lower(),
        "applied_at": recorded.applied_at.isoformat() + "Z" if recorded and recorded.applied_at else None,
        "edited": item.edited,
        "comments_only": item.comments_only,
        "missing": item.missing,
        "ahead": item.ahead,
        "late": item.late,
        "replaced": item.replaced,
        "phase": migration.phase if migration else None,
        "rollback": migration is not None and migration.rollback is not None,
        "rollback_edited": item.rollback_edited,
        "file": str(migration.script.path) if migration else None,
        "checksum": migration.script.checksum if migration else None,
        "recorded_checksum": recorded.checksum if recorded else None,
        "depends": list(migration.depends) if migration else [],
        "half_way": _half_way_as_json(item.stopped) if item.stopped and not item.running else None,
        "running": _running_as_json(item.running) if item.running else None,
        "backfill": backfill_as_json(item),
    }


def _running_as_json(running: Running) -> dict[str, Any]:
    work = running.work
    return {
        "operation": running.operation,
        "pid": running.pid,
        "role": running.role,
        "client": running.client,
        "locked": running.locked,
        "statement": running.statement,
        "statements": running.statements,
        "line": running.line,
        "seconds": work.seconds,
        "phase": work.phase,
        "fraction": work.fraction,
        "wait": work.wait,
    }


def backfill_as_json(item: Status) -> dict[str, Any] | None:
    """Return how far the statement is at which a script stopped, as plain values; None where it has no batches."""
    done = progress_of(item.stopped) if item.stopped else None
    if not item.stopped or done is None:
        return None
    return {
        "statement": item.stopped.stopped_at.number,
        "table": done.table,
        "key": done.key,
        "position": done.position,
        "rows": done.rows,
        "changed": done.changed,
        "batches": done.batches,
        "estimate": done.estimate,
        "seconds": done.seconds,
        "seconds_left": done.seconds_left,
        "waits": done.held_by if item.running else None,
    }


def _half_way_as_json(stopped: HalfWay) -> dict[str, Any]:
    entry = stopped.stopped_at
    return {
        "operation": stopped.operation,
        "statement": entry.number,
        "line": entry.line,
        "state": entry.state,
        "text": entry.statement,
        "error": entry.error,
    }
