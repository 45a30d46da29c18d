"""Ask squawk, a linter that knows what SQL may do, and let the trace say whether it did.

squawk (https://squawkhq.com) is one program that needs no network; the extra `review` brings it along.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlmigrate.review.locks import STOPS_READS, STOPS_WRITES
from sqlmigrate.review.model import Finding
from sqlmigrate.sql.position import line_column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlmigrate.migrations import ScriptRun
    from sqlmigrate.review.trace.tracer import Trace, Traced
    from sqlmigrate.sql.script import Script, Statement

    Answer = tuple[bool, str]

# The runner sets both timeouts for every script, and a transaction needs no IF NOT EXISTS.
_EXCLUDED = "require-lock-timeout,require-statement-timeout,require-timeout-settings,prefer-robust-stmts"
_SECONDS = 60.0
_SYNTAX = "syntax-error"


@dataclass(frozen=True, slots=True)
class Lint:
    """What squawk says of each script; `why_not` says why it says nothing."""

    version: str | None
    findings: Mapping[ScriptRun, tuple[Finding, ...]]
    why_not: str | None = None


def find_squawk() -> Path | None:
    """Find the program beside this Python, else on PATH."""
    beside = shutil.which("squawk", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which("squawk")
    return Path(found) if found else None


def lint(runs: Sequence[ScriptRun], *, major: int, program: Path | None = None) -> Lint:
    """Run squawk over scripts, told of each whether it runs in a transaction; it does not see those too large to hold.

    Settings of squawk's own in the project are not read, so that everybody gets the same; `-- squawk-ignore` counts.
    """
    findings: dict[ScriptRun, tuple[Finding, ...]] = dict.fromkeys(runs, ())
    program = program or find_squawk()
    if program is None:
        return Lint(None, findings, "squawk is not installed: pip install 'pg-sqlmigrate[review]'")
    try:
        version = _run([str(program), "--version"], None).stdout.split()[-1]
        with tempfile.TemporaryDirectory(prefix="sqlmigrate-lint-") as folder:
            kinds = ([run for run in runs if run.transactional is kind] for kind in (True, False))
            said = [item for several in kinds for item in _lint(program, Path(folder), several, major)]
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return Lint(None, findings, f"squawk could not be run: {error}")
    for run, item in said:
        findings[run] += (_finding(item, run.script),)
    return Lint(version, findings)


def _lint(program: Path, folder: Path, runs: Sequence[ScriptRun], major: int) -> list[tuple[ScriptRun, dict[str, Any]]]:
    """Run squawk over scripts that all run in a transaction, or all outside; gives each finding with whose it is."""
    files: dict[str, ScriptRun] = {}
    for number, run in enumerate(runs):
        if run.script.text is not None:
            path = folder / f"{number}.sql"
            path.write_bytes(run.script.text.encode())
            files[str(path)] = run
    if not files:
        return []
    command = [str(program), "--reporter=json", f"--pg-version={major}.0", f"--exclude={_EXCLUDED}"]
    options = ["--assume-in-transaction"] if all(run.transactional for run in runs) else []
    done = _run([*command, *options, *files], folder)
    if not done.stdout.strip():
        raise ValueError(done.stderr.strip().partition("\n")[0] or f"it ended with status {done.returncode}")
    return [(files[item["file"]], item) for item in json.loads(done.stdout) if item["file"] in files]


def _run(command: list[str], folder: Path | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        cwd=folder,
        timeout=_SECONDS,
    )


def _finding(item: dict[str, Any], script: Script) -> Finding:
    """Make a finding of squawk's JSON, whose lines and columns count from 0, the columns in bytes of UTF-8."""
    lines = (script.text or "").split("\n")
    line = int(item["line"])
    before = lines[line].encode()[: int(item["column"])] if line < len(lines) else b""
    column = len(before.decode(errors="ignore")) + 1
    return Finding(
        rule=item["rule_name"],
        level=item["level"],
        message=item["message"],
        line=line + 1,
        column=column,
        help=item.get("help"),
    )


def answered(findings: Sequence[Finding], trace: Trace) -> dict[int | None, list[Finding]]:
    """Return the findings by the statement that they are in, each with what the trace says to it."""
    statements = list(trace.script_run.script.statements())
    traced = {one.statement.number: one for one in trace.statements}
    found: dict[int | None, list[Finding]] = {}
    for finding in findings:
        statement = _statement_at(statements, finding)
        if finding.rule == _SYNTAX and (statement is None or statement.number in traced):
            continue  # PostgreSQL has just run it, or it is data, or a line for psql
        number = statement.number if statement else None
        one = traced.get(number) if number is not None else None
        found.setdefault(number, []).append(_with_answer(replace(finding, statement=number), one))
    return found


def _statement_at(statements: Sequence[Statement], finding: Finding) -> Statement | None:
    """Return the statement that a place lies in, or the next one of the same line."""
    at = (finding.line, finding.column)
    for statement in statements:
        end = line_column(statement.text, len(statement.text))
        last = (statement.line + end.line - 1, end.column + (statement.column - 1 if end.line == 1 else 0))
        if at <= last:
            return statement if at >= (statement.line, statement.column) or statement.line == finding.line else None
    return None


def _with_answer(finding: Finding, one: Traced | None) -> Finding:
    asked = _QUESTIONS.get(finding.rule)
    if one is None or asked is None:
        return finding
    if not one.locks and not one.changes.dropped:
        return replace(finding, answer="refuted", why="it touches only what this script creates itself")
    yes, why = asked(one)
    return replace(finding, answer="confirmed" if yes else "refuted", why=why)


def _rewrites(one: Traced) -> Answer:
    if one.rewrites:
        return True, f"rewritten: {', '.join(item.name for item in one.rewrites)}"
    scans = f", though {one.scans[0].name} is read from end to end" if one.scans else ", and none is read"
    return False, f"no table is rewritten{scans}"


def _scans(one: Traced) -> Answer:
    if one.scans:
        return True, f"read from end to end: {', '.join(item.name for item in one.scans)}"
    return False, "no table is read from end to end"


def _stops_writes(one: Traced) -> Answer:
    strong = [lock for lock in one.locks if lock.level >= STOPS_WRITES]
    if strong:
        return True, f"it takes {strong[0].mode} on {strong[0].name}"
    return False, "no lock that stops writes is taken"


def _stops_reads(one: Traced) -> Answer:
    strong = [lock for lock in one.locks if lock.level >= STOPS_READS]
    if strong:
        return True, f"it takes {strong[0].mode} on {strong[0].name}"
    return False, "no lock that stops reads is taken"


def _drops(one: Traced) -> Answer:
    if one.changes.dropped:
        return True, f"dropped: {', '.join(one.changes.dropped)}"
    return False, "nothing is dropped"


def _renames(one: Traced) -> Answer:
    renamed = [text for text in one.changes.changed if " (now " in text]
    return (True, f"renamed: {', '.join(renamed)}") if renamed else (False, "nothing is renamed")


_QUESTIONS: Mapping[str, Callable[[Traced], Answer]] = {
    "changing-column-type": _rewrites,
    "adding-field-with-default": _rewrites,
    "adding-serial-primary-key-field": _rewrites,
    "constraint-missing-not-valid": _scans,
    "adding-foreign-key-constraint": _scans,
    "adding-not-nullable-field": _scans,
    "disallowed-unique-constraint": _scans,
    "require-concurrent-index-creation": _stops_writes,
    "require-concurrent-index-deletion": _stops_reads,
    "require-concurrent-partition-detach": _stops_reads,
    "require-concurrent-reindex": _stops_writes,
    "ban-drop-column": _drops,
    "ban-drop-table": _drops,
    "ban-drop-view": _drops,
    "ban-drop-index": _drops,
    "ban-drop-constraint": _drops,
    "renaming-column": _renames,
    "renaming-table": _renames,
    "renaming-object": _renames,
}
