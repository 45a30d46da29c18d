"""A review as Markdown that fits into the comment of a pull request: the verdict and hazards open, details folded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.review.model import SEVERITIES
from sqlmigrate.review.render import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.review.model import Direction, Migration, Report, ReviewedStatement, Verdict
    from sqlmigrate.review.render.words import FoundHazard, Group

LIMIT = 60_000
"""Characters: GitHub takes 65,536 in a comment."""

_ALERTS: dict[Verdict, str] = {"fails": "CAUTION", "danger": "CAUTION", "warning": "WARNING", "fine": "TIP"}
_MARKUP = re.compile(r"[\\`*_{}\[\]<>&|~$^=!#@\"']")
# what GitHub makes a link of, or notifies somebody for, where it stands bare: a zero-width space ends it
_LINKS = re.compile(r"(&#64;|&#35;|(?<=:)(?=//)|\b(?:www|GH)(?=[.-]))", re.IGNORECASE)
_RESERVE = 1_000  # characters for saying what was left out
_ROWS, _PLACES, _LINES = 20, 5, 10
_LONGEST, _NAME, _REWRITE = 600, 100, 4_000  # characters


@dataclass(frozen=True, slots=True)
class _Block:
    """A part that stands or goes as a whole; `rank` 0 stays always, the higher ones go first."""

    rank: int
    text: str
    name: str = ""


def render(report: Report, limit: int = LIMIT) -> str:
    """Return the report as GitHub's Markdown, of `limit` characters at most: what does not fit is named at the end."""
    blocks = list(_blocks(report))
    left = limit - _RESERVE
    kept: set[int] = set()
    for at, block in sorted(enumerate(blocks), key=lambda item: item[1].rank):
        if block.rank == 0 or len(block.text) + 2 <= left:
            kept.add(at)
            left -= len(block.text) + 2
    parts = [block.text for at, block in enumerate(blocks) if at in kept]
    missing = [block.name for at, block in enumerate(blocks) if at not in kept]
    if missing:
        named = words.listed([words.brief(name, 60) for name in missing], 5)
        parts.append(
            f"**Left out, since the comment would be too long:** {prose(named)}. The HTML report has all of it."
        )
    return "\n\n".join(parts) + "\n"


def prose(text: str) -> str:
    """Write a text of somebody else so that it stays text: no markup, no HTML, no link, nobody is notified."""
    return _LINKS.sub(r"\1&#8203;", _escaped(text))


def code(text: str) -> str:
    """Write a text of somebody else as code; it may stand in a table."""
    return f"<code>{_escaped(text)}</code>" if text else ""


def _escaped(text: str) -> str:
    line = " ".join(words.visible(text).split())
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", line)


def fence(text: str, language: str) -> str:
    """Put a text of somebody else between fences that it cannot close."""
    ticks = max((len(run) for run in re.findall("`+", text)), default=0)
    mark = "`" * max(3, ticks + 1)
    return f"{mark}{language}\n{words.visible(text).rstrip()}\n{mark}"


def _blocks(report: Report) -> Iterator[_Block]:
    yield _Block(0, "\n".join(_head(report)))
    if report.notes:
        yield _Block(1, "\n".join(f"- {prose(note)}" for note in report.notes), "notes")
    for operation, title in (("apply", "applying"), ("rollback", "rolling back")):
        found = words.hazards(report, operation)
        if found:
            yield _Block(0, f"### Hazards when {title}: {words.tally(place.hazard for place in found)}")
        several = len(report.migrations) > 1
        for group in words.grouped(found):
            rank = 1 + SEVERITIES.index(group.severity)
            yield _Block(rank, "\n".join(_group(group, several=several)), f"{group.code} when {title}")
    for migration in report.migrations:
        yield from _migration(migration)
    yield _Block(1, "\n".join(_end(report)), "what was not checked")


def _head(report: Report) -> Iterator[str]:
    yield f"## sqlmigrate review: {report.verdict}"
    yield ""
    yield f"> [!{_ALERTS[report.verdict]}]"
    yield f"> **{prose(words.brief(report.headline, _LONGEST))}**"
    yield f"> {words.VERDICTS[report.verdict]}"
    if not report.migrations:
        return
    yield ""
    yield "| migration | verdict | statements | longest strong lock | undo |"
    yield "|---|---|---|---|---|"
    for migration in report.migrations[:_ROWS]:
        yield f"| {' | '.join(_row(migration))} |"
    if len(report.migrations) > _ROWS:
        yield f"| and {len(report.migrations) - _ROWS} more | | | | |"


def _row(migration: Migration) -> Iterator[str]:
    hold = migration.apply.longest
    yield code(words.brief(migration.migration_id, _NAME))
    yield f"**{migration.verdict}**"
    yield str(len(migration.apply.statements))
    yield f"{hold.lock.mode} on {code(words.brief(hold.lock.name, _NAME))}, {words.span(hold)}" if hold else "none"
    yield prose(migration.proof.verdict.replace("_", " "))


def _group(group: Group, *, several: bool) -> Iterator[str]:
    """Say once what a kind of hazard does, under all the places where it was found."""
    hazard = group.places[0].hazard
    yield f"- **{group.severity}** {code(group.code)} **{prose(group.title)}**"
    yield from (f"  - {_place(place, several=several)}" for place in group.places[:_PLACES])
    if len(group.places) > _PLACES:
        yield f"  - and {len(group.places) - _PLACES} more places"
    yield "  <details><summary>what waits or breaks, and what to do instead</summary>"
    yield ""
    yield f"  {prose(hazard.blocks)}"
    yield ""
    yield f"  **Instead:** {prose(hazard.instead)}"
    if hazard.rewrite:
        shown = hazard.rewrite if len(hazard.rewrite) <= _REWRITE else "-- too long for a comment: see the HTML report"
        yield ""
        yield from (f"  {line}" for line in fence(shown, "sql").split("\n"))
    yield ""
    yield f"  More: {code('sqlmigrate explain ' + hazard.code)}"
    yield "  </details>"


def _place(place: FoundHazard, *, several: bool) -> str:
    where = code(place.direction.path) + f" line {place.hazard.line}" if several else f"line {place.hazard.line}"
    weight = f" ({prose(weight)})" if (weight := words.weight(place.hazard)) else ""
    return f"{where}: {prose(words.brief(place.hazard.seen, _LONGEST))}{weight}"


def _migration(migration: Migration) -> Iterator[_Block]:
    name = migration.migration_id
    yield _Block(2, "\n".join(_summary(migration)), name)
    for direction in words.directions(migration):
        what = f"{direction.operation} of {name}"
        if direction.holds:
            yield _Block(4, _folded(f"Locks: {direction.operation}", _locks(direction)), f"locks of {what}")
        rows = list(_statements(direction))
        if rows:
            quiet = len(direction.statements) - len(rows)
            table = ["| line | statement | locks | what it does |", "|---|---|---|---|", *rows]
            table += ["", f"{words.count(quiet, 'other statement')} did none of this."] if quiet else []
            title = f"Statements that lock, rewrite, read from end to end or have hazards: {direction.operation}"
            yield _Block(6, _folded(title, table), f"statements of {what}")
    if migration.change_lines:
        # GitHub colours what begins with an exclamation mark; a tilde says nothing to it
        lines = [fence("\n".join(re.sub("^~", "!", line) for line in migration.change_lines), "diff")]
        yield _Block(5, _folded("What it changes in the schema", lines), f"schema changes of {name}")


def _summary(migration: Migration) -> Iterator[str]:
    yield f"### {code(words.brief(migration.migration_id, _NAME))}: {migration.verdict}"
    yield ""
    yield from (f"- {prose(words.brief(note, _LONGEST))}" for note in migration.notes)
    if late := migration.out_of_order:
        yield f"- **{late.answer}**: {words.ANSWERS[late.answer][1]}"
        yield from (f"  - {prose(words.brief(line, _LONGEST))}" for line in late.lines[:_PLACES])
    for direction in words.directions(migration):
        how = "in one transaction" if direction.transactional else "outside a transaction"
        number = words.count(len(direction.statements), "statement")
        yield f"- {direction.operation}: {code(direction.path)}, {number} {how}, sha256 {code(direction.sha256)}"
        if direction.error:
            yield f"  - **fails:** {prose(words.brief(direction.error, _LONGEST))}"
        for item in words.allowed(direction)[:_PLACES]:
            hazard = item.hazard
            yield f"  - line {hazard.line} allows {code(hazard.code)} ({hazard.severity}): {prose(item.reason)}"
        for rule, answer, lines in words.findings(direction):
            where = words.listed(list(map(str, lines)), 8)
            yield f"  - squawk {code(rule)}, {answer}: line {where}"
    yield f"- undo: **{prose(migration.proof.verdict.replace('_', ' '))}**, {prose(words.undo(migration)[1])}"
    shown, more = words.foremost(migration.proof.lines, _LINES)
    yield from (f"  - {code(words.brief(line, _LONGEST))}" for line in shown)
    if more:
        yield f"  - and {words.count(more, 'more line')}, which the HTML report shows"


def _locks(direction: Direction) -> Iterator[str]:
    yield "| locked | mode | during | what waits meanwhile |"
    yield "|---|---|---|---|"
    for hold in direction.holds:
        lock = hold.lock
        yield f"| {code(lock.name)} | {lock.mode} | {words.span(hold)} | {prose(lock.blocks)} |"


def _statements(direction: Direction) -> Iterator[str]:
    for statement in direction.statements:
        does = list(_does(statement))
        locks = [f"{lock.mode} {code(lock.name)}" for lock in statement.taken if words.strength(lock) != "little"]
        if does or locks:
            text = code(words.brief(statement.text, 90))
            yield f"| {statement.line} | {text} | {', '.join(locks)} | {'; '.join(does)} |"


def _does(statement: ReviewedStatement) -> Iterator[str]:
    for names, said in ((statement.rewrites, "rewrites"), (statement.scans, "reads from end to end")):
        if names:
            yield f"**{said}** {code(words.listed(names, 4))}"
    codes = sorted({hazard.code for hazard in statement.hazards})
    if codes:
        yield code(" ".join(codes))


def _end(report: Report) -> Iterator[str]:
    if report.not_checked:
        yield "**Not checked**"
        yield ""
        yield from (f"- {prose(item.what)}: {prose(item.why)}" for item in report.not_checked)
        yield ""
    versions = report.versions
    parts = [f"sqlmigrate {versions.sqlmigrate}", f"PostgreSQL {versions.shadow}" if versions.shadow else "no shadow"]
    parts += [f"for PostgreSQL {versions.target}"] if versions.target else []
    parts += [f"squawk {versions.squawk}"] if versions.squawk else []
    if report.settings is not None and report.settings.source != "assumed":
        yield f"<sub>{prose(words.settings(report.settings))}</sub>"
        yield ""
    yield f"<sub>{prose(words.moment(report.made_at))}, {prose(', '.join(parts))}</sub>"


def _folded(title: str, lines: Iterable[str]) -> str:
    return "\n".join(["<details>", f"<summary>{_escaped(title)}</summary>", "", *lines, "", "</details>"])
