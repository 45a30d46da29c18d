"""`sqlmigrate import --check`: the proof of an import, and what the old tool hid in a live database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from sqlmigrate.cli import comparing
from sqlmigrate.cli.foreign_text import printable
from sqlmigrate.cli.output import problem_as_json, render_problem
from sqlmigrate.cli.progress import drawer
from sqlmigrate.cli.their_marks import warnings
from sqlmigrate.importing.checking import check
from sqlmigrate.importing.convert import carried_out
from sqlmigrate.importing.rows import NO_TIMES
from sqlmigrate.importing.setting import settle
from sqlmigrate.importing.writing import compared
from sqlmigrate.schema.diff import as_json, as_text

if TYPE_CHECKING:
    from sqlmigrate.cli.call import App
    from sqlmigrate.cli.output import Output
    from sqlmigrate.errors import Problem
    from sqlmigrate.importing.checking import Checked, Compared, Proof
    from sqlmigrate.importing.convert import Conversion, Imported
    from sqlmigrate.importing.tables import Where
    from sqlmigrate.roundtrip import DataChange


def checked(app: App, plan: Conversion, where: Where, revision: str | None, *, superuser: bool) -> bool:
    """Check an import, say what was found, and tell whether that is anything."""
    other = {entry.migration_id for entry in plan.entries if compared(entry.files)[1]}
    entries = tuple(entry for entry in plan.entries if entry.migration_id not in other)
    done = carried_out(replace(plan, entries=entries), write=False)  # what somebody has changed here is no problem
    told = settle(app.config, plan.order, plan.into, write=False)
    app.output.progress(f"running the files of {done.tool} and ours on throwaway databases ...")
    with app.named_target() as target:
        found = check(
            app.config,
            plan,
            app.options(),
            target.conninfo if target else None,
            where=where,
            revision=revision,
            superuser=superuser,
            gate=app.announcing(target) if target else lambda _, __: None,
            observer=app.observer(drawer(app.output)),
        )
    app.output.result(**_as_json(done, found, told), changed_here=sorted(other))
    for name in sorted(other):
        app.output.prose(f"note: {name} was changed here since it was imported; yours was compared")
    for text in told:
        app.output.prose(f"{_found() if done.unchanged else 'note:'} {text}")
    _show(app.output, done, found)
    unconverted = bool(done.refused) or any(not problem.warning for problem in done.problems)
    return unconverted or bool(told and done.unchanged) or not found.holds


def _as_json(done: Imported, found: Checked, told: tuple[str, ...]) -> dict[str, Any]:
    return {
        "source": str(done.source),
        "into": str(done.into),
        "imported": done.new,
        "unchanged": done.unchanged,
        "not_converted": done.refused,
        "without_rollback": done.without_rollback,
        "problems": [problem_as_json(problem) for problem in done.problems],
        "notes": [*done.notes, *told],
        "order": done.order,
        "files": [str(path) for path in done.files],
        "written": False,
        "proof": _proof_as_json(found.proof),
        "live": _live_as_json(found.live) if found.live else None,
        "branch": [{**problem_as_json(problem), "rule": problem.rule} for problem in found.branch],
    }


def _proof_as_json(proof: Proof) -> dict[str, Any]:
    return {
        "equal": proof.equal,
        "migrations": proof.migrations,
        "left_out": proof.left_out,
        "stand_ins": proof.stand_ins,
        "postgresql": proof.postgresql,
        "theirs": proof.theirs,
        "ours": proof.ours,
        "changes": as_json(proof.changes),
        "rows": [{change.kind: change.table, "theirs": change.before, "ours": change.after} for change in proof.rows],
        "failures": [problem_as_json(problem) for problem in proof.failures],
        "apart": proof.apart,
        "notes": proof.notes,
        "isolation": proof.isolation,
    }


def _live_as_json(live: Compared) -> dict[str, Any]:
    said = live.seen.adoption
    return {
        "source": str(said.place) if said else None,
        "applied": [*said.marked, *said.already] if said else [],
        "pending": said.pending if said else [],
        "without_file": said.without_file if said else [],
        "edited": said.edited if said else [],
        "skipped": said.skipped if said else [],
        "not_there": said.not_there if said else [],
        "failed": live.seen.failed,
        "notes": said.notes if said else [],
        "failure": problem_as_json(live.failure) if live.failure else None,
        "drift": comparing.as_json(live.drift) if live.drift else None,
    }


def _show(output: Output, done: Imported, found: Checked) -> None:
    for problem in done.problems:
        _problem(output, "warning:" if problem.warning else "not converted:", problem)
    for problem in found.branch:
        _problem(output, "warning:" if problem.warning else "found:", problem)
    if done.new:
        output.prose(f"note: {_count(len(done.new), 'migration')} not imported yet; what they become was compared")
    _show_proof(output, done, found.proof)
    if found.live is None:
        output.prose("no database was compared, since none is named: --database-url names it")
    else:
        _show_live(output, done, found.live)


def _problem(output: Output, word: str, problem: Problem) -> None:
    first, *rest = render_problem(problem)
    output.prose(f"{click.style(word, fg='yellow' if problem.warning else 'red', bold=True)} {first}", *rest)


def _show_proof(output: Output, done: Imported, proof: Proof) -> None:
    for note in proof.notes:
        output.progress(printable(f"note: {note}"))
    output.detail(f"isolation: {proof.isolation}")
    for problem in proof.failures:
        _problem(output, "fails on an empty database:", problem)
    for name in proof.apart:
        output.prose(
            f"{_found()} {name} fails where {done.tool} runs it in a new database: in one session with those before "
            "it, by what they have set there; alone it runs"
        )
    for name in proof.stand_ins:
        output.prose(f"note: {name} was written here, so {done.tool} has no file for it: yours ran on both sides")
    if proof.changes:
        output.prose(f"different: first what {done.tool} makes, then what the imported files make")
        output.line(*(f"  {printable(line)}" for line in as_text(proof.changes)))
    for change in proof.rows:
        output.prose(printable(f"different: {_of_rows(change)}"))
    output.prose(_verdict(done.tool, proof))


def _of_rows(change: DataChange) -> str:
    if change.kind == "sequence":
        return f"sequence {change.table} is at {change.before}, and with the imported files at {change.after}"
    return f"table {change.table} has {change.before or 0} rows, and {change.after or 0} with the imported files"


def _verdict(tool: str, proof: Proof) -> str:
    count = _count(len(proof.migrations), "migration")
    make = "makes" if len(proof.migrations) == 1 else "make"
    where = f"on PostgreSQL {proof.postgresql}"
    if proof.left_out:
        where += f"; not compared: {', '.join(proof.left_out)}"
    if proof.theirs is None:
        return click.style("not proven:", fg="red", bold=True) + " nothing could be compared"
    if not proof.equal:
        found = _count(len(proof.changes) + len(proof.rows), "difference")
        return f"{click.style('not proven:', fg='red', bold=True)} {found} in what {count} {make}, {where}"
    word = click.style("proven:", fg="green", bold=True)
    so_far = " before that" if proof.failures else ""
    return f"{word} {count}{so_far} {make} the same as files of {tool} and as imported ones, {where}"


def _show_live(output: Output, done: Imported, live: Compared) -> None:
    said = live.seen.adoption
    if said is None:
        output.prose(f"note: there is no table of {done.tool} any more; what our history says was compared")
    else:
        for text in warnings(said, advise=said.texts):
            output.prose(f"{_found()} {printable(text)}")
        for name in live.seen.failed:
            output.prose(f"{_found()} {printable(f'{name} failed half way, says {said.place}')}")
        for note in (text for text in said.notes if text != NO_TIMES):  # nothing is marked here
            output.progress(printable(f"note: {done.tool}: {note}"))
        applied = len(said.marked) + len(said.already)
        output.prose(printable(f"{said.place}: {applied} applied, {len(said.pending)} pending"))
    for note in live.drift.notes if live.drift else ():
        output.progress(printable(f"note: {note}"))
    if live.drift:
        comparing.show(output, live.drift)
    elif live.failure:
        _problem(output, "the database was not compared:", live.failure)
    else:
        output.prose(f"the database was not compared: finish or undo that with {done.tool} first, or repair its table")


def _found() -> str:
    return click.style("found:", fg="red", bold=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
