"""A review as lines for a terminal: what a DBA has to know before the details; the command gives them their colours."""

from __future__ import annotations

import textwrap
from itertools import islice
from typing import TYPE_CHECKING, Literal

from sqlmigrate.review.figures import in_bytes
from sqlmigrate.review.render import batching, seeded, sent, words
from sqlmigrate.review.render.decisions import of_branch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sqlmigrate.review.model import Direction, Migration, Report, ReviewedStatement, Target, Workload
    from sqlmigrate.review.render.words import Group, Tone
    from sqlmigrate.review.seed_model import Seeds

Role = Literal["fails", "danger", "warning", "note", "fine", "strong", "quiet", "plain"]
"""What a piece of a line is: a severity, something to be seen first, something to be seen last, or just text."""

Line = tuple[tuple[str, Role], ...]
"""A line as pieces with their roles; all pieces behind each other are its text."""

WIDTH = 100
_BLANK = " " * 12  # what a label takes
_HARMS = 3  # sentences about what stands still
_SENT, _BRIEF = 10, 150  # statements of the application, and characters of each
_MOST = 24  # changes of the schema, locks, or places of a hazard, before the others are counted


def render(report: Report, width: int = WIDTH) -> list[Line]:
    """Return the lines of a report; text is wrapped at `width`, SQL and names are not."""
    return [line for part in _parts(report, width) for line in part]


def plain(lines: Sequence[Line]) -> str:
    """Return the lines as text without roles."""
    return "\n".join("".join(text for text, _ in line) for line in lines) + "\n"


def first(report: Report, width: int = WIDTH) -> list[Line]:
    """Return the verdict and the headline alone."""
    indent = " " * (len(report.verdict) + 2)
    lines = _cut(report.headline, width, indent)
    begun: Line = (_tone(report.verdict), ("  ", "plain"), (lines[0].strip(), "strong"))
    return [begun, *(((line, "strong"),) for line in lines[1:])]


def _parts(report: Report, width: int) -> Iterator[Iterable[Line]]:
    yield first(report, width)
    yield _head(report, width)
    yield _branch(report, width)
    yield _hazards(report, width)
    if report.workload is not None:
        yield _workload(report.workload, width)
    for migration in report.migrations:
        yield _migration(migration, width)
    yield _rolling_back(report, width)
    if report.target is not None:
        yield _target(report.target, width)
    if report.seeds is not None:
        yield _seeds(report.seeds, width)
    yield _not_checked(report, width)
    yield _made_with(report, width)


def _head(report: Report, width: int) -> Iterator[Line]:
    yield from _wrapped(words.VERDICTS[report.verdict], width, "  ", "quiet")
    about = [f"{name} {text}" for name, text in words.about(report) if name not in ("target", "made")]
    if about:
        yield from _wrapped(", ".join(about), width, "  ", "quiet")
    if report.settings is not None and report.settings.source != "assumed":
        yield from _wrapped(words.settings(report.settings), width, "  ", "quiet")
    for note in report.notes:
        yield from _wrapped(f"note: {note}", width, "  ", "quiet")


def _branch(report: Report, width: int) -> Iterator[Line]:
    """Say what the branch does to other migrations."""
    found = of_branch(report)
    if found:
        yield ()
        yield ((f"{words.BRANCH}: {words.count(len(found), 'file')}", "strong"),)
    for item in found:
        yield (("  ", "plain"), _tone(item.severity), (f"  {_text(item.path)}: {_text(item.what)}", "strong"))
        yield from _wrapped(item.said, width, "    ")


def _migration(migration: Migration, width: int) -> Iterator[Line]:
    yield ()
    depends = f"  depends on {', '.join(migration.depends)}" if migration.depends else ""
    name: tuple[str, Role] = (_text(migration.migration_id), "strong")
    yield (name, ("  ", "plain"), _tone(migration.verdict), (_text(depends), "quiet"))
    for note in migration.notes:
        yield from _wrapped(f"note: {note}", width, "  ", "quiet")
    if migration.out_of_order is not None:
        tone, said = words.ANSWERS[migration.out_of_order.answer]
        yield (("  ", "plain"), _tone(tone, migration.out_of_order.answer), (f"  {said}", "plain"))
        for line in migration.out_of_order.lines:
            yield from _wrapped(line, width, "    ")
    for direction in words.directions(migration):
        yield from _direction(direction, width)
    tone, said = words.undo(migration)
    yield (("  undo      ", "quiet"), _tone(tone, migration.proof.verdict.replace("_", " ")), (f"  {said}", "plain"))
    yield from _field("", migration.proof.lines, "lines")
    yield from _field("schema", migration.change_lines, "changes")


def _direction(direction: Direction, width: int) -> Iterator[Line]:
    how = "in one transaction" if direction.transactional else "outside a transaction"
    number = words.count(len(direction.statements), "statement")
    lines = _cut(f"{direction.path}: {number}, {how}", width, _BLANK, f"{_BLANK}  ")
    yield ((f"  {direction.operation:<10}", "quiet"), (lines[0].lstrip(), "plain"))
    yield from (((line, "plain"),) for line in lines[1:])
    if direction.error:
        yield from _wrapped(direction.error, width, _BLANK, "fails")
    rows = [
        (hold.lock.name, hold.lock.mode, words.span(hold), words.STRENGTHS[words.strength(hold.lock)])
        for hold in direction.holds
    ]
    yield from _field("", _columns(rows, width - len(_BLANK)), "locks")
    said = [harm.said for harm in direction.harms[:_HARMS]] + (
        [direction.lock_wait.said] if direction.lock_wait else []
    )
    for text in said:
        yield from _wrapped(f"on the target: {text}", width, _BLANK, "strong")
    for statement in direction.statements:
        does = [
            f"{label} {', '.join(names)}"
            for names, label in ((statement.rewrites, "rewrites"), (statement.scans, "reads from end to end"))
            if names
        ]
        if does:
            does += [f"for {how_long}"] if (how_long := words.takes(statement.takes)) else []
            yield from _wrapped(f"line {statement.line} {', '.join(does)}", width, _BLANK, "strong")
    for statement in direction.statements:
        yield from _batching(statement, width)
    for item in words.allowed(direction):
        hazard = item.hazard
        text = f"line {hazard.line} allows {hazard.code} ({hazard.severity}, {hazard.title}): {item.reason}"
        yield from _wrapped(text, width, _BLANK, "quiet")
    yield from _squawk(direction, width)


def _batching(statement: ReviewedStatement, width: int) -> Iterator[Line]:
    """Say how a statement runs in batches, with its plans, where it does."""
    if statement.batching is None:
        return
    for label, said in batching.facts(statement.batching):
        where = f"line {statement.line} runs {label}" if label == "in batches" else f"{label}:"
        yield from _wrapped(f"{where} {said}", width, _BLANK + "  " * (label != "in batches"))
    for label, lines in batching.plans(statement.batching):
        yield ((f"{_BLANK}  {label}", "plain"),)
        yield from (((f"{_BLANK}    {_text(line)}", "quiet"),) for line in lines)


def _squawk(direction: Direction, width: int) -> Iterator[Line]:
    for rule, answer, lines in words.findings(direction):
        where = f"line {lines[0]}" if len(lines) == 1 else f"lines {words.listed(list(map(str, lines)), 8)}"
        yield from _wrapped(f"squawk {rule}, {answer}: {where}", width, _BLANK, "quiet")


def _hazards(report: Report, width: int) -> Iterator[Line]:
    found = words.hazards(report, "apply")
    if found:
        yield ()
        yield ((f"hazards when applying: {words.tally(place.hazard for place in found)}", "strong"),)
    for group in words.grouped(found):
        yield (("  ", "plain"), _tone(group.severity), (f"  {group.code} {_text(group.title)}", "strong"))
        for place in group.places[:_MOST]:
            hazard = place.hazard
            weight = f" ({weight})" if (weight := words.weight(hazard)) else ""
            text = f"{place.direction.path}:{hazard.line}: {hazard.seen}{weight}"
            yield from _wrapped(text, width, "    ")
            for said in words.last_use(hazard):
                yield from _wrapped(said, width, "      ", "quiet")
        if len(group.places) > _MOST:
            yield ((f"    and {len(group.places) - _MOST} more places", "quiet"),)
        yield from _advice(group, width)


def _advice(group: Group, width: int) -> Iterator[Line]:
    """Say once for a kind of hazard what stands still, what it does, and what to do instead."""
    hazard = group.places[0].hazard
    for harm in list(dict.fromkeys(place.hazard.harm for place in group.places if place.hazard.harm))[:_HARMS]:
        yield from _wrapped(f"on the target: {harm}", width, "      ", "strong")
    yield from _wrapped(f"waits or breaks: {hazard.blocks}", width, "      ", "quiet")
    yield from _wrapped(f"instead: {hazard.instead}", width, "      ")
    for line in words.lines_of(hazard.rewrite or ""):
        yield ((f"          {_text(line)}", "plain"),)
    yield ((f"      more: sqlmigrate explain {hazard.code}", "quiet"),)


def _workload(workload: Workload, width: int) -> Iterator[Line]:
    """Say what becomes of what the application sends."""
    yield ()
    yield from _wrapped(f"what the application sends: {workload.headline}", width, "", "strong")
    yield from _wrapped(sent.source(workload), width, "  ", "quiet")
    for part in sent.parts(workload):
        for item in part.statements[:_SENT]:
            often = f" ({often})" if (often := sent.often(item)) else ""
            named = f"{named}: " if (named := sent.named(item)) else ""
            lines = _cut(f"{named}{words.brief(item.query, _BRIEF)}{often}", width, "      ")
            yield (("  ", "plain"), _tone(part.tone, part.title), (f"  {lines[0].lstrip()}", "plain"))
            yield from (((line, "plain"),) for line in lines[1:])
            yield from _wrapped(f"{sent.where(item)}: {item.error}", width, "      ", "quiet")
        if (more := len(part.statements) - _SENT) > 0:
            yield ((f"  and {more:,} more {part.several}", "quiet"),)
    for one in workload.not_checked[:_SENT]:
        yield from _wrapped(f"not checked: {sent.not_checked(one)}", width, "  ", "quiet")
    for note in workload.notes:
        yield from _wrapped(f"note: {note}", width, "  ", "quiet")


def _rolling_back(report: Report, width: int) -> Iterator[Line]:
    """Name what rolling back risks: nobody plans to do that, so the pages and other formats say more."""
    found = words.hazards(report, "rollback")
    if found:
        yield ()
        yield ((f"hazards when rolling back: {words.tally(place.hazard for place in found)}", "strong"),)
    for group in words.grouped(found):
        several: dict[str, list[str]] = {}
        for place in group.places:
            several.setdefault(place.direction.path, []).append(str(place.hazard.line))
        where = "; ".join(f"{path}:{words.listed(lines, 8)}" for path, lines in list(several.items())[:_MOST])
        yield from _wrapped(f"{group.severity}: {group.code} {group.title}, {where}", width, "  ")


def _target(target: Target, width: int) -> Iterator[Line]:
    yield ()
    yield (("target      ", "strong"), (_text(f"{target.name}, PostgreSQL {target.version}"), "plain"))
    if target.oldest_transaction is not None:
        whose = f": {target.oldest_transaction_of}" if target.oldest_transaction_of else ""
        yield from _field("", [f"oldest transaction: {words.seconds(target.oldest_transaction)}{whose}"], "")
    rows = [
        (table.name, f"{words.rows(table.rows)} rows", in_bytes(table.size), f"{words.rate(table.writes)} writes/s")
        for table in target.tables
    ]
    yield from _field("", _columns(rows, width - len(_BLANK)), "tables")


def _seeds(seeds: Seeds, width: int) -> Iterator[Line]:
    yield ()
    yield ((f"{seeded.HEADING}: {_text(seeds.headline)}", "strong"),)
    for table in seeds.tables:
        yield from _wrapped(f"{table.table}: {table.counts}", width, "  ")
        if table.hides_rows:
            yield from _wrapped(seeded.HIDDEN, width, "    ", "quiet")
        for text, lines in islice(seeded.rows(table), _MOST):
            yield from _wrapped(text, width, "    ", "quiet")
            for line in lines[:_MOST]:
                yield from _wrapped(line, width, "      ", "quiet")
        if (more := len(table.rows) - _MOST) > 0:
            yield ((f"    and {more} more, which the JSON report has", "quiet"),)
    for problem in seeds.problems:
        yield from _wrapped(f"left out: {problem}", width, "  ", "quiet")


def _not_checked(report: Report, width: int) -> Iterator[Line]:
    yield ()
    yield (("not checked", "strong"),)
    for item in report.not_checked:
        yield from _wrapped(f"{item.what}: {item.why}", width, "  ")
    if not report.not_checked:
        yield (("  as far as we know, everything was checked", "quiet"),)


def _made_with(report: Report, width: int) -> Iterator[Line]:
    versions = report.versions
    parts = [f"sqlmigrate {versions.sqlmigrate}", f"tried on PostgreSQL {versions.shadow or 'none'}"]
    parts += [f"target PostgreSQL {versions.target}"] if versions.target else []
    parts += [f"squawk {versions.squawk}"] if versions.squawk else []
    yield ()
    yield from _wrapped(f"made {words.moment(report.made_at)} with {', '.join(parts)}", width, "", "quiet")


def _tone(tone: Tone, word: str | None = None) -> tuple[str, Role]:
    return (_text(word or tone).upper(), tone)


def _text(text: str) -> str:
    """Keep a text of somebody else in its line, and what it does to a terminal out of it."""
    return words.visible(text.replace("\n", " ").replace("\t", " "))


def _wrapped(text: str, width: int, indent: str, role: Role = "plain") -> Iterator[Line]:
    yield from (((line, role),) for line in _cut(text, width, indent, indent + "  "))


def _cut(text: str, width: int, indent: str, hanging: str | None = None) -> list[str]:
    """Cut a text into lines where it has room to break."""
    return textwrap.wrap(
        _text(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [indent]


def _columns(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Set rows in columns as wide as their widest cell; where that is too wide, each first cell has its own line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return [line for name, *others in rows for line in (name, f"  {'  '.join(others)}")]
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]


def _field(label: str, texts: Sequence[str], what: str) -> Iterator[Line]:
    """Yield texts beside a label, and count those that are too many."""
    shown = [_text(text) for text in texts[:_MOST]]
    if len(texts) > _MOST:
        shown.append(f"and {len(texts) - _MOST} more {what}")
    for at, text in enumerate(shown):
        yield ((f"  {label if at == 0 else '':<{len(_BLANK) - 2}}", "quiet"), (text, "plain"))
