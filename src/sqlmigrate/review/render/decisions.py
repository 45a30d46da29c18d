"""What a reviewer must decide before anything else: one line for each, the worst first, with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.review.render import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.model import Direction, Migration, Report, Severity

_FILES = {
    "edited-applied": "edited, though it may be applied",
    "renamed-applied": "renamed, though it may be applied",
    "gone-applied": "gone, though it may be applied",
    "number-taken": "number taken",
    "number-twice": "a number twice",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to decide: `what` it is in a few words, where, and what was `said` of it.

    `link` is the address of the file, where the web shows it; `line` is None for all of it.
    """

    severity: Severity
    what: str
    path: str
    said: str
    line: int | None = None
    link: str | None = None


def decisions(report: Report) -> list[Decision]:
    """Return what has to be decided: all that is a danger, and what a branch does to migrations that may be applied."""
    files = of_branch(report)
    return [
        *(found for item in report.migrations for found in _failing(item)),
        *(found for found in files if found.severity == "danger"),
        *(found for item in report.migrations for found in _undone(item)),
        *_hazards(report),
        *(found for item in report.migrations for found in _late(item)),
        *(found for found in files if found.severity != "danger"),
    ]


def _failing(migration: Migration) -> Iterator[Decision]:
    for direction in words.directions(migration):
        if direction.error and not (direction is migration.rollback and migration.apply.error):
            yield _in(direction, f"{direction.operation} fails", words.relative(direction, direction.error))


def of_branch(report: Report) -> list[Decision]:
    """Return what a branch does to migrations that may be applied, the worst first."""
    found = [
        Decision(
            item.severity,
            _FILES.get(item.rule, item.rule.replace("-", " ")),
            item.in_repository or item.path,
            item.message,
            link=item.link,
        )
        for item in report.branch
    ]
    return sorted(found, key=lambda item: item.severity != "danger")


def _undone(migration: Migration) -> Iterator[Decision]:
    tone, said = words.undo(migration)
    failing = any(direction.error for direction in words.directions(migration))
    if tone in ("fails", "danger") and not failing:
        lines, _ = words.foremost(migration.proof.lines, 1)
        script = migration.rollback or migration.apply
        found = "".join(f": {words.in_repository(migration, line.strip())}" for line in lines)
        yield _in(script, "undo broken", f"{said}{found}")


def _hazards(report: Report) -> Iterator[Decision]:
    for place in words.hazards(report, "apply"):
        hazard = place.hazard
        if hazard.severity == "danger":
            yield _in(place.direction, f"{hazard.code} {hazard.title}", hazard.harm or hazard.seen, hazard.line)


def _late(migration: Migration) -> Iterator[Decision]:
    if migration.out_of_order and migration.out_of_order.answer in ("different", "conflicting"):
        yield _in(migration.apply, "late", words.ANSWERS[migration.out_of_order.answer][1])


def _in(direction: Direction, what: str, said: str, line: int | None = None) -> Decision:
    return Decision("danger", what, words.path(direction), said, line, direction.link)
