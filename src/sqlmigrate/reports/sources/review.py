"""Issues of a review: what fails, its hazards, the undo, the order, and the statements of the application that break.

A hazard that a script allows is no issue: somebody has decided it, and gave the reason where it stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.reports.model import Issue, Issues, Root, Severity, sealed, squeezed
from sqlmigrate.reports.sources.problems import TITLES
from sqlmigrate.review.render import words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlmigrate.review.model import Direction, Finding, Hazard, Migration, Report, ReviewedStatement

_UNDO: dict[str, Severity] = {
    "fails": "danger", "not_restored": "danger", "lossy": "warning", "irreversible": "warning", "not_tried": "note",
    "unknown": "note",
}  # fmt: skip
_ORDER: dict[str, Severity] = {"conflicting": "warning", "different": "danger", "unknown": "warning"}
_SQUAWK: dict[str, Severity] = {"confirmed": "warning", "unknown": "note"}
_LINES = 5


def reviewed(report: Report, folder: Path, root: Root) -> Issues:
    """Return what a reviewer should know; a danger in a rollback script is a warning, since nobody plans to run it."""
    found = [issue for migration in report.migrations for issue in _of(migration, root)]
    found += [*_branch(report), *_live(report, root)]
    checked = tuple(migration.migration_id for migration in report.migrations)
    version = report.versions.sqlmigrate
    return Issues("review", version, root.path(folder), sealed(found), checked, report.headline)


def _of(migration: Migration, root: Root) -> Iterator[Issue]:
    for direction in words.directions(migration):
        if direction.error and not (direction is migration.rollback and migration.apply.error):
            yield _fails(migration, direction, root)
        for statement in direction.statements:
            yield from (_hazard(migration, direction, statement, item, root) for item in statement.hazards)
            yield from _squawk(migration, direction, statement, root)
    yield from _undone(migration, root)
    late = migration.out_of_order
    if late and late.answer in _ORDER:
        yield Issue(
            rule=f"order/{late.answer}",
            title="It is late: newer migrations are applied",
            severity=_ORDER[late.answer],
            message="; ".join([words.ANSWERS[late.answer][1], *late.lines[:_LINES]]),
            about=migration.migration_id,
            path=_path(migration.apply, root),
        )


def _fails(migration: Migration, direction: Direction, root: Root) -> Issue:
    error = words.relative(direction, direction.error or "")
    return Issue(
        rule=f"review/{direction.operation}-fails",
        title=f"The {direction.operation} script fails",
        severity="danger",
        message=error,
        about=migration.migration_id,
        path=_path(direction, root),
        line=_line_in(error, words.path(direction)),
    )


def _line_in(error: str, path: str) -> int | None:
    """Take the line from an error that begins with its place."""
    line = error.removeprefix(f"{path}:").partition(":")[0] if error.startswith(f"{path}:") else ""
    return int(line) if line.isdecimal() and line.isascii() and int(line) else None


def _hazard(
    migration: Migration, direction: Direction, statement: ReviewedStatement, hazard: Hazard, root: Root
) -> Issue:
    mild = direction.operation == "rollback" and hazard.severity == "danger"
    return Issue(
        rule=hazard.code,
        title=hazard.title,
        severity="warning" if mild else hazard.severity,
        message=". ".join(filter(None, (hazard.seen, hazard.harm, words.weight(hazard)))),
        about=migration.migration_id,
        path=_path(direction, root),
        line=hazard.line,
        help=hazard.blocks,
        suggestion=f"{hazard.instead} (sqlmigrate explain {hazard.code})",
        same=(squeezed(statement.text), *hazard.relations),
    )


def _squawk(migration: Migration, direction: Direction, statement: ReviewedStatement, root: Root) -> Iterator[Issue]:
    """Yield what squawk says and the trace does not refute, where no hazard of ours says how bad it is."""
    found: list[Finding] = [] if statement.hazards else [item for item in statement.findings if item.answer in _SQUAWK]
    for finding in found:
        yield Issue(
            rule=f"squawk/{finding.rule}",
            title=finding.rule.replace("-", " "),
            severity=_SQUAWK[finding.answer],
            message=finding.message,
            about=migration.migration_id,
            path=_path(direction, root),
            line=finding.line,
            column=finding.column,
            help=finding.help,
            same=(squeezed(statement.text),),
        )


def _undone(migration: Migration, root: Root) -> Iterator[Issue]:
    proof = migration.proof
    failed = any(direction.error for direction in words.directions(migration))
    if proof.verdict not in _UNDO or (failed and proof.verdict in ("fails", "unknown")):
        return
    lines, more = words.foremost(proof.lines, _LINES)
    said = "; ".join([words.undo(migration)[1], *(line.strip() for line in lines)])
    yield Issue(
        rule=f"undo/{proof.verdict.replace('_', '-')}",
        title=words.PROOFS[proof.verdict][1],
        severity=_UNDO[proof.verdict],
        message=said + (f"; and {words.count(more, 'more line')}" if more else ""),
        about=migration.migration_id,
        path=_path(migration.rollback or migration.apply, root),
        suggestion="sqlmigrate roundtrip " + migration.migration_id if migration.rollback else None,
    )


def _branch(report: Report) -> Iterator[Issue]:
    """Yield what the branch does to migrations of its base, as `validate --since` tells it."""
    for item in report.branch:
        path = item.in_repository or item.path
        name = path.rpartition("/")[2].removesuffix(".sql").removesuffix(".rollback")
        yield Issue(
            rule=f"files/{item.rule}",
            title=TITLES[item.rule],
            severity=item.severity,
            message=item.message,
            about=name,
            path=path,
            suggestion=item.hint,
            same=("", ""),
        )


def _live(report: Report, root: Root) -> Iterator[Issue]:
    """Yield the statements of the application that are refused afterwards, or may be."""
    workload = report.workload
    scripts = {
        (item.migration_id, part.operation): part for item in report.migrations for part in words.directions(item)
    }
    kinds: tuple[tuple[str, Severity, str], ...] = (
        ("breaks", "danger", "breaks"),
        ("may_break", "warning", "may break"),
    )
    for name, severity, word in kinds:
        for item in getattr(workload, name) if workload else ():
            script = scripts.get((item.migration_id, item.operation))
            yield Issue(
                rule=f"application/{name.replace('_', '-')}",
                title=f"A statement of the application {word}",
                severity=severity,
                message=f"{item.error}: {squeezed(item.query)}",
                about=item.migration_id,
                path=_path(script, root) if script else None,
                line=item.line if script else None,
                same=(squeezed(item.query),),
            )


def _path(direction: Direction, root: Root) -> str:
    return direction.in_repository or root.path(direction.path)
