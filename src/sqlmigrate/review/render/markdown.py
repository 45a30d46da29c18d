"""A review as Markdown that fits into the comment of a pull request: the verdict and hazards open, details folded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING

from sqlmigrate.review.model import SEVERITIES
from sqlmigrate.review.render import batching, seeded, sent, words
from sqlmigrate.review.render.decisions import decisions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from sqlmigrate.review.measured import Batching
    from sqlmigrate.review.model import Direction, Migration, Report, ReviewedStatement, Verdict, Workload
    from sqlmigrate.review.render.decisions import Decision
    from sqlmigrate.review.render.words import FoundHazard, Group, Remedy
    from sqlmigrate.review.seed_model import Seeds

LIMIT = 60_000
"""Characters: GitHub takes 65,536 in a comment."""

_ALERTS: dict[Verdict, str] = {"fails": "CAUTION", "danger": "CAUTION", "warning": "WARNING", "fine": "TIP"}
_MARKUP = re.compile(r"[\\`*_{}\[\]<>&|~$^=!#@\"']")
# what GitHub makes a link of, or notifies somebody for, where it stands bare: a zero-width space ends it
_LINKS = re.compile(r"(&#64;|&#35;|(?<=:)(?=//)|\b(?:www|GH)(?=[.-]))", re.IGNORECASE)
_RESERVE = 1_000  # characters for saying what was left out
_DECISIONS, _SAID = 8, 240  # lines, and characters of each
_SENT = 10  # statements of the application
_ROWS, _PLACES, _LINES, _PROOF, _TABLE = 20, 5, 10, 5, 2
_LONGEST, _NAME, _REWRITE = 600, 100, 4_000  # characters


@dataclass(frozen=True, slots=True)
class _Block:
    """A part that stands or goes as a whole; `rank` 0 stays always, the higher ones go first.

    Those behind each other that have one title to `fold` under stand there together.
    """

    rank: int
    text: str
    name: str = ""
    fold: str | None = None


def render(report: Report, limit: int = LIMIT) -> str:
    """Return the report as GitHub's Markdown, of `limit` characters at most: what does not fit is named at the end."""
    blocks = list(_blocks(report))
    left = limit - _RESERVE
    kept: set[int] = set()
    for at, block in sorted(enumerate(blocks), key=lambda item: item[1].rank):
        size = len(block.text) + 2 + (len(_folded(block.fold, ())) + 4 if block.fold else 0)
        if block.rank == 0 or size <= left:
            kept.add(at)
            left -= size
    parts = []
    for fold, several in groupby((block for at, block in enumerate(blocks) if at in kept), lambda block: block.fold):
        texts = [block.text for block in several]
        parts += [_folded(fold, "\n\n".join(texts).split("\n"))] if fold else texts
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
    several = len(report.migrations) > 1
    if len(report.migrations) >= _TABLE:
        yield _Block(1, "\n".join(_table(report)), "the table", words.count(len(report.migrations), "migration"))
    hazards = words.hazards(report, "apply")
    found = f"Hazards when applying: {words.tally(place.hazard for place in hazards)}"
    for migration in report.migrations:
        if said := list(_trouble(migration, several=several)):
            yield _Block(1, "\n".join(said), f"what is wrong with {migration.migration_id}", "What fails or comes late")
    for group in words.grouped(hazards):
        rank = 1 + SEVERITIES.index(group.severity)
        yield _Block(rank, "\n".join(_group(group)), f"{group.code} when applying", found)
    if report.workload is not None:
        yield from _workload(report.workload)
    for migration in report.migrations:
        if said := list(_undo(migration, several=several)):
            fold = "The undo, where it is not proven" if several else None
            yield _Block(2, "\n".join(said), f"the undo of {migration.migration_id}", fold)
    yield from _rolling_back(report)
    for migration in report.migrations:
        yield from _migration(migration, several=several)
    if report.seeds is not None:
        yield from _seeds(report.seeds)
    yield from _end(report)


def _head(report: Report) -> Iterator[str]:
    yield f"## sqlmigrate review: {report.verdict}"
    yield ""
    yield f"<sub>{' · '.join(prose(text) for _, text in words.about(report))}</sub>"
    yield ""
    found = decisions(report)
    worst = "CAUTION" if any(item.severity == "danger" for item in found) else _ALERTS[report.verdict]
    yield f"> [!{'WARNING' if found and worst == 'TIP' else worst}]"
    yield f"> **{prose(words.brief(report.headline, _LONGEST))}**"
    if found:
        yield ">"
        yield f"> {words.count(len(found), 'thing')} to decide first:"
        yield from (f"> 1. {_decision(item)}" for item in found[:_DECISIONS])
        if len(found) > _DECISIONS:
            yield f"> 1. and {len(found) - _DECISIONS} more, below"


def _decision(item: Decision) -> str:
    line = f":{item.line}" if item.line else ""
    named = code(f"{words.brief(item.path, _NAME)}{line}")
    where = f"[{named}]({item.link}{f'#L{item.line}' if item.line else ''})" if item.link else named
    return f"**{prose(item.what)}**, {where}: {prose(words.brief(item.said, _SAID))}"


def _table(report: Report) -> Iterator[str]:
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


def _trouble(migration: Migration, *, several: bool) -> Iterator[str]:
    """Say what fails, and what comes late."""
    name = _of(migration, several=several)
    for direction in words.directions(migration):
        if direction.error and not (direction is migration.rollback and migration.apply.error):
            error = words.relative(direction, direction.error)
            yield f"- **{direction.operation}{name} fails:** {prose(words.brief(error, _LONGEST))}"
    if late := migration.out_of_order:
        said = "; ".join([words.ANSWERS[late.answer][1], *late.lines[:_PLACES]])
        yield f"- **order{name}: {late.answer}**, {prose(words.brief(said, _LONGEST))}"


def _undo(migration: Migration, *, several: bool) -> Iterator[str]:
    """Say whether the undo is proven; of several, only where it is not."""
    tone, said = words.undo(migration)
    if tone == "fine" and several:
        return
    verdict = prose(migration.proof.verdict.replace("_", " "))
    yield f"- **undo{_of(migration, several=several)}: {verdict}**, {prose(said)}"
    if tone != "fine":
        yield from _proof(migration, _PROOF)


def _proof(migration: Migration, most: int) -> Iterator[str]:
    shown, more = words.foremost(migration.proof.lines, most)
    yield from (f"  - {code(words.brief(words.in_repository(migration, line), _LONGEST))}" for line in shown)
    if more:
        yield f"  - and {words.count(more, 'more line')}, which the HTML report shows"


def _of(migration: Migration, *, several: bool) -> str:
    return f" of {code(words.brief(migration.migration_id, _NAME))}" if several else ""


def _group(group: Group, told: Collection[Remedy] = ()) -> Iterator[str]:
    """Say once what a kind of hazard does, with the places where it was found; fold what to do, unless it is `told`."""
    hazard = group.places[0].hazard
    title = f"- **{group.severity}** {code(group.code)} **{prose(group.title)}**"
    if len(group.places) == 1:
        yield f"{title}, {_place(group.places[0])}"
    else:
        yield title
        yield from (f"  - {_place(place)}" for place in group.places[:_PLACES])
        if len(group.places) > _PLACES:
            yield f"  - and {len(group.places) - _PLACES} more places"
    if words.remedy(hazard) in told:
        return
    yield f"  <details><summary><strong>Instead:</strong> {_escaped(words.brief(hazard.instead, _LONGEST))}</summary>"
    yield ""
    yield f"  {prose(hazard.blocks)}"
    if hazard.rewrite:
        shown = hazard.rewrite if len(hazard.rewrite) <= _REWRITE else "-- too long for a comment: see the HTML report"
        yield ""
        yield from (f"  {line}" for line in fence(shown, "sql").split("\n"))
    yield ""
    yield f"  More: {code('sqlmigrate explain ' + hazard.code)}"
    yield "  </details>"


def _place(place: FoundHazard) -> str:
    hazard = place.hazard
    weight = f" ({prose(weight)})" if (weight := words.weight(hazard)) else ""
    harm = f"; **{prose(hazard.harm)}**" if hazard.harm else ""
    used = "".join(f"; {prose(words.brief(said, _LONGEST))}" for said in words.last_use(hazard)[:_PLACES])
    return f"{_where(place.direction, hazard.line)}: {prose(words.brief(hazard.seen, _LONGEST))}{weight}{harm}{used}"


def _where(direction: Direction, line: int) -> str:
    """Name a line of a script, as a link where the web shows it."""
    named = code(f"{words.brief(words.path(direction), _NAME)}:{line}")
    return f"[{named}]({direction.link}#L{line})" if direction.link else named


def _workload(workload: Workload) -> Iterator[_Block]:
    """Say what becomes of what the application sends: the verdict, and folded the ten worst statements."""
    found = [(part, item) for part in sent.parts(workload) for item in part.statements]
    yield _Block(1, f"- **live statements:** {prose(workload.headline)}", "what becomes of live statements")
    title = f"Live statements, the {len(found)} worst" if len(found) <= _SENT else f"The {_SENT} worst live statements"
    rows = [
        f"| {part.title} | {code(words.brief(item.query, _LONGEST))} | {prose(sent.often(item))} "
        f"| {prose(sent.where(item))} | {prose(words.brief(item.error, _LONGEST))} |"
        for part, item in found[:_SENT]
    ]
    head = ["| what | statement | how often | where | why |", "|---|---|---|---|---|"]
    said = [f"- not checked: {prose(sent.not_checked(item))}" for item in workload.not_checked[:_PLACES]]
    said += [f"- {prose(note)}" for note in workload.notes]
    lines = [prose(sent.source(workload)), "", *([*head, *rows, ""] if rows else []), *said]
    yield _Block(3, "\n".join(lines), "live statements", title if rows else "Live statements")


def _rolling_back(report: Report) -> Iterator[_Block]:
    """Fold what rolling back risks: nobody plans to do that."""
    found = words.hazards(report, "rollback")
    title = f"Hazards when rolling back: {words.tally(place.hazard for place in found)}"
    told = {words.remedy(group.places[0].hazard) for group in words.grouped(words.hazards(report, "apply"))}
    for group in words.grouped(found):
        yield _Block(4, "\n".join(_group(group, told)), f"{group.code} when rolling back", title)


def _migration(migration: Migration, *, several: bool) -> Iterator[_Block]:
    name = migration.migration_id
    title = "Locks, statements, schema and files" + (f" of {words.brief(name, _NAME)}: {migration.verdict}" * several)
    if migration.notes:
        yield _Block(4, "\n".join(f"- {prose(words.brief(note, _LONGEST))}" for note in migration.notes), name, title)
    for direction in words.directions(migration):
        what = f"{direction.operation} of {name}"
        if direction.holds:
            text = "\n".join((f"**Locks: {direction.operation}**", "", *_locks(direction)))
            yield _Block(5, text, f"locks of {what}", title)
        rows = list(_statements(direction))
        if rows:
            quiet = len(direction.statements) - len(rows)
            table = [f"**Statements that lock, rewrite, read from end to end or have hazards: {direction.operation}**"]
            table += ["", "| line | statement | locks | what it does |", "|---|---|---|---|", *rows]
            table += ["", f"{words.count(quiet, 'other statement')} did none of this."] if quiet else []
            yield _Block(7, "\n".join(table), f"statements of {what}", title)
        for statement in direction.statements:
            if statement.batching is not None:
                text = "\n".join(_batching(direction, statement, statement.batching))
                yield _Block(5, text, f"batches of {what}", title)
    if migration.change_lines:
        # GitHub colours what begins with an exclamation mark; a tilde says nothing to it
        changes = fence("\n".join(re.sub("^~", "!", line) for line in migration.change_lines), "diff")
        yield _Block(6, f"**What it changes in the schema**\n\n{changes}", f"schema changes of {name}", title)
    yield _Block(4, "\n".join(_files(migration)), f"files of {name}", title)


def _batching(direction: Direction, statement: ReviewedStatement, found: Batching) -> Iterator[str]:
    (_, first), *others = batching.facts(found)
    yield f"**In batches**: {_where(direction, statement.line)}, {prose(first)}"
    yield ""
    yield from (f"- {label}: {prose(said)}" for label, said in others)
    for label, lines in batching.plans(found):
        yield ""
        yield f"{prose(label[:1].upper() + label[1:])}:"
        yield ""
        yield fence("\n".join(lines), "")


def _files(migration: Migration) -> Iterator[str]:
    """Name the scripts, what they allow, and what squawk says."""
    yield "**Files**"
    yield ""
    for direction in words.directions(migration):
        how = "in one transaction" if direction.transactional else "outside a transaction"
        number = words.count(len(direction.statements), "statement")
        yield f"- {direction.operation}: {_named(direction)}, {number} {how}, sha256 {code(direction.sha256)}"
        for harm in direction.harms[:_PLACES]:
            yield f"  - {prose(harm.said)}"
        if direction.lock_wait:
            yield f"  - {prose(direction.lock_wait.said)}"
        for item in words.allowed(direction)[:_PLACES]:
            hazard = item.hazard
            yield f"  - line {hazard.line} allows {code(hazard.code)} ({hazard.severity}): {prose(item.reason)}"
        for rule, answer, lines in words.findings(direction):
            where = words.listed(list(map(str, lines)), 8)
            yield f"  - squawk {code(rule)}, {answer}: line {where}"
    if words.undo(migration)[0] == "fine" and migration.proof.lines:
        yield from _proof(migration, _LINES)


def _named(direction: Direction) -> str:
    named = code(words.path(direction))
    return f"[{named}]({direction.link})" if direction.link else named


def _locks(direction: Direction) -> Iterator[str]:
    yield "| locked | mode | during | what waits meanwhile |"
    yield "|---|---|---|---|"
    for hold in direction.holds:
        lock = hold.lock
        how_long = f", {prose(said)}" if (said := words.takes(hold.takes)) else ""
        yield f"| {code(lock.name)} | {lock.mode} | {words.span(hold)}{how_long} | {prose(lock.blocks)} |"


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


def _seeds(seeds: Seeds) -> Iterator[_Block]:
    title = f"{seeded.HEADING.capitalize()}: {seeds.headline}"
    for table in seeds.tables:
        lines = [f"- **{code(table.table)}** ({code(table.file)}): {table.counts}"]
        lines += [f"  - {seeded.HIDDEN}"] if table.hides_rows else []
        for text, changes in islice(seeded.rows(table), _ROWS):
            lines.append(f"  - {code(words.brief(text, _LONGEST))}")
            lines += [f"    - {code(line)}" for line in changes[:_LINES]]
        if (more := len(table.rows) - _ROWS) > 0:
            lines.append(f"  - and {more} more, which the JSON report has")
        yield _Block(5, "\n".join(lines), f"the seed data of {table.table}", title)
    if seeds.problems:
        left_out = [f"- left out: {prose(words.brief(problem, _LONGEST))}" for problem in seeds.problems[:_LINES]]
        yield _Block(5, "\n".join(left_out), "seed files that do not fit", title)


def _end(report: Report) -> Iterator[_Block]:
    title = f"Not checked: {len(report.not_checked)}" + (f"; notes: {len(report.notes)}" if report.notes else "")
    if report.notes:
        yield _Block(1, "\n".join(("**Notes**", "", *(f"- {prose(note)}" for note in report.notes))), "notes", title)
    lines = [f"- {prose(item.what)}: {prose(item.why)}" for item in report.not_checked]
    versions = report.versions
    parts = [f"sqlmigrate {versions.sqlmigrate}", f"PostgreSQL {versions.shadow}" if versions.shadow else "no shadow"]
    parts += [f"for PostgreSQL {versions.target}"] if versions.target else []
    parts += [f"squawk {versions.squawk}"] if versions.squawk else []
    if report.settings is not None and report.settings.source != "assumed":
        parts.append(words.settings(report.settings))
    text = "\n".join((*(("**Not checked**", "", *lines, "") if lines else ()), f"<sub>{prose('; '.join(parts))}</sub>"))
    yield _Block(1, text, "what was not checked", title)


def _folded(title: str, lines: Iterable[str]) -> str:
    return "\n".join(["<details>", f"<summary>{_escaped(title)}</summary>", "", *lines, "", "</details>"])
