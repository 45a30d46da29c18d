"""The words and figures that all renderers share, so that a report says the same wherever it is read."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sqlmigrate.review.figures import in_words
from sqlmigrate.review.headline import badness
from sqlmigrate.review.locks import STOPS_CHANGES, STOPS_READS, STOPS_WRITES
from sqlmigrate.review.model import SEVERITIES
from sqlmigrate.review.times import how_long

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.review.measured import Duration
    from sqlmigrate.review.model import (
        Direction,
        Hazard,
        Hold,
        Lock,
        Migration,
        Proof,
        Report,
        ReviewedStatement,
        Settings,
        Severity,
        Suppressed,
        Verdict,
    )

Tone = Literal["fails", "danger", "warning", "note", "fine"]
"""How good or bad something is: what a renderer gives a colour, a shape and a word."""

Strength = Literal["reads", "writes", "changes", "little"]
"""What a lock stops: reads and all else, writes, other schema changes, or little that anybody does."""

STRENGTHS: dict[Strength, str] = {
    "reads": "reads and writes wait",
    "writes": "writes wait",
    "changes": "other schema changes wait",
    "little": "hardly anything waits",
}
BRANCH = "what the branch does to other migrations"
VERDICTS: dict[Verdict, str] = {
    "fails": "a script or its undo fails; do not run this",
    "danger": "read every danger before you say yes",
    "warning": "can run, with care",
    "fine": "the review found nothing against it",
}
PROOFS: dict[str, tuple[Tone, str]] = {
    "exact": ("fine", "the undo restores the schema exactly"),
    "text_only": ("fine", "the undo restores the schema, except for white space and comments in function bodies"),
    "order_only": ("fine", "the undo restores the schema, except for the physical order of columns"),
    "lossy": ("warning", "the undo restores the schema; nothing shows that the data comes back"),
    "not_restored": ("danger", "the undo does not restore what was there"),
    "fails": ("fails", "a script fails in the round trip"),
    "irreversible": ("warning", "there is no undo"),
    "not_tried": ("note", "the undo was not tried"),
    "unknown": ("note", "nothing is known about the undo"),
}
ANSWERS: dict[str, tuple[Tone, str]] = {
    "independent": ("fine", "it is late, and independent of what is applied already"),
    "conflicting": ("danger", "it is late, and touches what a later migration touches too"),
    "different": ("danger", "it is late, and the order changes the result"),
    "unknown": ("warning", "it is late, and whether the order matters could not be found out"),
}
_COMMIT, _MOMENT = 10, 1.0  # digits of a commit; seconds
ANSWERED = {
    "confirmed": "confirmed",
    "harmless": "confirmed, and harmless here",
    "refuted": "refuted",
    "unknown": "neither confirmed nor refuted",
}
"""What the trace says to a finding of squawk."""


Remedy = tuple[str, str, str, str | None]
"""What is said of a kind of hazard once: its code, what it blocks, what to do instead, and the SQL of that."""


@dataclass(frozen=True, slots=True)
class FoundHazard:
    """A hazard with where it was found; `number` is that of the migration in the report, from 1."""

    number: int
    migration: Migration
    direction: Direction
    statement: ReviewedStatement
    hazard: Hazard


@dataclass(frozen=True, slots=True)
class Group:
    """The places of one kind of hazard."""

    severity: Severity
    code: str
    title: str
    places: tuple[FoundHazard, ...]


def visible(text: str) -> str:
    """Write control and direction characters as their code points: what is read must be what runs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    return f"\N{MATHEMATICAL LEFT ANGLE BRACKET}U+{ord(character):04X}\N{MATHEMATICAL RIGHT ANGLE BRACKET}"


def lines_of(text: str) -> list[str]:
    """Cut a script into lines as PostgreSQL and editors count them, without their ends."""
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def brief(text: str, width: int) -> str:
    """Write a statement in one line, cut where it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1].rstrip() + "…"


def count(number: int, word: str, plural: str | None = None) -> str:
    """Say how many: `1 statement`, `2 statements`."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """Name at most so many, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def foremost(lines: Sequence[str], most: int) -> tuple[Sequence[str], int]:
    """Choose so many lines of a proof, and count the others: what failed, then what differs, then how it differs."""
    if len(lines) <= most:
        return lines, 0
    order = sorted(range(len(lines)), key=lambda at: (" failed: " not in lines[at], lines[at].startswith(" "), at))
    return [lines[at] for at in sorted(order[:most])], len(lines) - most


def rows(number: int | None) -> str:
    """Say a number of rows."""
    return "unknown" if number is None else in_words(number)


def rate(number: float | None) -> str:
    """Say how many a second."""
    return "unknown" if number is None else f"{number:,.1f}" if number < 10 else f"{number:,.0f}"  # noqa: PLR2004


def seconds(number: float) -> str:
    """Say a time in its two largest units."""
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def settings(found: Settings) -> str:
    """Say under which settings the shadow was, and whose they are."""
    whose = {"assumed": "assumed settings", "the target": "settings as in the target"}
    return f"{whose.get(found.source, f'settings as {found.source} says')}: {found.summary}"


def moment(iso: str) -> str:
    """Write an ISO 8601 time for people; one that is none stays as it is."""
    day, _, rest = iso.partition("T")
    clock = rest[:5]
    zone = "UTC" if rest.endswith(("+00:00", "Z")) else rest[-6:] if rest[-6:-5] in ("+", "-") else ""
    return f"{day} {clock} {zone}".strip() if clock else iso


def strength(lock: Lock) -> Strength:
    """Tell what a lock stops; one on a type or a schema stops no reads or writes of rows."""
    if lock.kind in ("type", "schema"):
        return "changes" if lock.level >= STOPS_CHANGES else "little"
    if lock.level >= STOPS_READS:
        return "reads"
    if lock.level >= STOPS_WRITES:
        return "writes"
    return "changes" if lock.level >= STOPS_CHANGES else "little"


def strongest(locks: Iterable[Lock]) -> Lock | None:
    """Return the lock that stops the most."""
    ranks = list(STRENGTHS)
    return min(locks, key=lambda lock: (ranks.index(strength(lock)), -lock.level), default=None)


def locks_of(statement: ReviewedStatement) -> tuple[Lock, ...]:
    """Return what a statement locks alone; where that is not known, what comes with it."""
    return statement.taken if statement.own is None else statement.own


def span(hold: Hold) -> str:
    """Say for which statements a lock is held."""
    return f"statement {hold.first}" if hold.first == hold.last else f"statements {hold.first} to {hold.last}"


def path(direction: Direction) -> str:
    """Return where a script is: from the root of its repository, if it is in one."""
    return direction.in_repository or direction.path


def relative(direction: Direction, text: str) -> str:
    """Write the path of a script in a message of ours as a reader elsewhere knows it."""
    return text.replace(direction.path, path(direction))


def in_repository(migration: Migration, text: str) -> str:
    """Write the paths of both scripts of a migration as a reader elsewhere knows them."""
    for direction in directions(migration):
        text = relative(direction, text)
    return text


def about(report: Report) -> list[tuple[str, str]]:
    """Say whose report this is: project, commit, branch, target and time, as far as they are known."""
    found = []
    if project := report.project:
        found.append(("project", project.name))
        if project.commit:
            changed = ", and what is not committed" if project.modified else ""
            found.append(("commit", f"{project.commit[:_COMMIT]}{changed}"))
        if project.branch:
            found.append(("branch", project.branch))
    if report.target is not None:
        found.append(("target", f"{report.target.name}, PostgreSQL {report.target.version}"))
    found.append(("made", moment(report.made_at)))
    return found


def remedy(hazard: Hazard) -> Remedy:
    """Return what is said of a hazard once, where it is first named."""
    return hazard.code, hazard.blocks, hazard.instead, hazard.rewrite


def takes(duration: Duration | None) -> str | None:
    """Say how long something takes on the target; None where it is a moment, or nothing is known of it."""
    if duration is None or (duration.most < _MOMENT and not duration.unknown):
        return None
    return how_long(duration)


def directions(migration: Migration) -> Iterator[Direction]:
    """Yield the scripts that there are."""
    yield migration.apply
    if migration.rollback is not None:
        yield migration.rollback


def hazards(report: Report, operation: str) -> list[FoundHazard]:
    """Return the hazards of all scripts of one direction that are not allowed, in the order in which they come."""
    return [
        FoundHazard(number=number, migration=migration, direction=direction, statement=statement, hazard=hazard)
        for number, migration in enumerate(report.migrations, 1)
        for direction in directions(migration)
        if direction.operation == operation
        for statement in direction.statements
        for hazard in statement.hazards
    ]


def grouped(places: Iterable[FoundHazard]) -> list[Group]:
    """Put hazards of one kind together, the worst first as the headline has it, else as they come."""
    found: dict[tuple[Severity, str, str], list[FoundHazard]] = {}
    for place in places:
        hazard = place.hazard
        found.setdefault((hazard.severity, hazard.code, hazard.title), []).append(place)
    groups = [Group(*key, tuple(several)) for key, several in found.items()]
    return sorted(groups, key=lambda group: min(badness(place.hazard, place.direction) for place in group.places))


def allowed(direction: Direction) -> list[Suppressed]:
    """Return the hazards of a script that it allows."""
    return [item for statement in direction.statements for item in statement.suppressed]


def findings(direction: Direction) -> list[tuple[str, str, list[int]]]:
    """Return squawk's rules with what the trace says to them, and the lines."""
    found: dict[tuple[str, str], list[int]] = {}
    for finding in (*(item for statement in direction.statements for item in statement.findings), *direction.findings):
        found.setdefault((finding.rule, ANSWERED[finding.answer]), []).append(finding.line)
    return [(rule, answer, lines) for (rule, answer), lines in found.items()]


def weight(hazard: Hazard) -> str:
    """Say whether figures changed the severity of a hazard, and which: `raised: ...`, or nothing.

    Where it is said what stands still, that says as much.
    """
    if hazard.raised and hazard.harm:
        return ""
    if hazard.raised:
        return f"raised: {hazard.raised}"
    return f"lowered: {hazard.lowered}" if hazard.lowered else ""


def last_use(hazard: Hazard) -> list[str]:
    """Say of each object that is dropped or renamed what uses it in the target, and what that does not cover."""
    return [f"last use: {'; '.join([use.said, *use.notes])}" for use in hazard.last_use]


def tally(found: Iterable[Hazard]) -> str:
    """Count hazards by severity: `1 danger, 2 warnings`."""
    severities = [hazard.severity for hazard in found]
    counts = [(severities.count(severity), severity) for severity in SEVERITIES]
    return ", ".join(count(number, word) for number, word in counts if number) or "no hazards"


def undo(migration: Migration) -> tuple[Tone, str]:
    """Say whether the undo is proven."""
    return proven(migration.proof)


def proven(proof: Proof) -> tuple[Tone, str]:
    """Say what a proof shows, and how good that is."""
    tone, words = PROOFS.get(proof.verdict, ("note", proof.verdict.replace("_", " ")))
    if proof.verdict in ("exact", "text_only", "order_only"):
        words += ", and the sample rows" if proof.data else "; no sample rows took part"
    return tone, words
