"""A review as lines for a terminal: what a DBA has to know before the details; the command gives them their colours."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Literal

from sqlmigrate.review.figures import in_bytes
from sqlmigrate.review.render import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.review.model import Direction, Hazard, Migration, Report, Target
    from sqlmigrate.review.render.words import Group, Tone

Role = Literal["fails", "danger", "warning", "note", "fine", "strong", "quiet", "plain"]
"""What a piece of a line is: a severity, something to be seen first, something to be seen last, or just text."""

Line = tuple[tuple[str, Role], ...]
"""A line as pieces with their roles; all pieces behind each other are its text."""

WIDTH = 100
_BLANK = " " * 12  # what a label takes
_MOST = 24  # changes of the schema, locks, or places of a hazard, before the others are counted


def render(report: Report, width: int = WIDTH) -> list[Line]:
    """Return the lines of a report; text is wrapped at `width`, SQL and names are not."""
    return [line for part in _parts(report, width) for line in part]


def plain(lines: Sequence[Line]) -> str:
    """Return the lines as text without roles."""
    return "\n".join("".join(text for text, _ in line) for line in lines) + "\n"


def _parts(report: Report, width: int) -> Iterator[Iterator[Line]]:
    yield _head(report, width)
    for migration in report.migrations:
        yield _migration(migration, width)
    for operation, title in (("apply", "hazards when applying"), ("rollback", "hazards when rolling back")):
        yield _hazards(words.grouped(words.hazards(report, operation)), title, width)
    if report.target is not None:
        yield _target(report.target)
    yield _not_checked(report, width)
    yield _made_with(report)


def _head(report: Report, width: int) -> Iterator[Line]:
    yield (_tone(report.verdict), ("  ", "plain"), (_text(report.headline), "strong"))
    yield from _wrapped(words.VERDICTS[report.verdict], width, "  ", "quiet")
    if report.settings is not None and report.settings.source != "assumed":
        yield from _wrapped(words.settings(report.settings), width, "  ", "quiet")
    for note in report.notes:
        yield from _wrapped(f"note: {note}", width, "  ", "quiet")


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
    yield ((f"  {direction.operation:<10}", "quiet"), (f"{_text(direction.path)}: {number}, {how}", "plain"))
    if direction.error:
        yield from _wrapped(direction.error, width, _BLANK, "fails")
    rows = [
        (hold.lock.name, hold.lock.mode, words.span(hold), words.STRENGTHS[words.strength(hold.lock)])
        for hold in direction.holds
    ]
    yield from _field("", _columns(rows), "locks")
    for attribute, label in (("rewrites", "rewrites"), ("scans", "reads from end to end")):
        for statement in direction.statements:
            if names := getattr(statement, attribute):
                text = f"line {statement.line} {label}: {', '.join(names)}"
                yield from _wrapped(text, width, _BLANK, "strong")
    for item in words.allowed(direction):
        hazard = item.hazard
        text = f"line {hazard.line} allows {hazard.code} ({hazard.severity}, {hazard.title}): {item.reason}"
        yield from _wrapped(text, width, _BLANK, "quiet")
    yield from _squawk(direction, width)


def _squawk(direction: Direction, width: int) -> Iterator[Line]:
    for rule, answer, lines in words.findings(direction):
        where = f"line {lines[0]}" if len(lines) == 1 else f"lines {words.listed(list(map(str, lines)), 8)}"
        yield from _wrapped(f"squawk {rule}, {answer}: {where}", width, _BLANK, "quiet")


def _hazards(groups: Sequence[Group], title: str, width: int) -> Iterator[Line]:
    if groups:
        yield ()
        yield ((f"{title}: {words.tally(place.hazard for group in groups for place in group.places)}", "strong"),)
    for group in groups:
        yield (("  ", "plain"), _tone(group.severity), (f"  {group.code} {_text(group.title)}", "strong"))
        for place in group.places[:_MOST]:
            weight = f" ({weight})" if (weight := words.weight(place.hazard)) else ""
            text = f"{place.direction.path}:{place.hazard.line}: {place.hazard.seen}{weight}"
            yield from _wrapped(text, width, "    ")
        if len(group.places) > _MOST:
            yield ((f"    and {len(group.places) - _MOST} more places", "quiet"),)
        yield from _advice(group.places[0].hazard, width)


def _advice(hazard: Hazard, width: int) -> Iterator[Line]:
    """Say once for a kind of hazard what it does and what to do instead."""
    yield from _wrapped(f"waits or breaks: {hazard.blocks}", width, "      ", "quiet")
    yield from _wrapped(f"instead: {hazard.instead}", width, "      ")
    for line in words.lines_of(hazard.rewrite or ""):
        yield ((f"          {_text(line)}", "plain"),)
    yield ((f"      more: sqlmigrate explain {hazard.code}", "quiet"),)


def _target(target: Target) -> Iterator[Line]:
    yield ()
    yield (("target      ", "strong"), (_text(f"{target.name}, PostgreSQL {target.version}"), "plain"))
    if target.oldest_transaction is not None:
        whose = f": {target.oldest_transaction_of}" if target.oldest_transaction_of else ""
        yield from _field("", [f"oldest transaction: {words.seconds(target.oldest_transaction)}{whose}"], "")
    rows = [
        (table.name, f"{words.rows(table.rows)} rows", in_bytes(table.size), f"{words.rate(table.writes)} writes/s")
        for table in target.tables
    ]
    yield from _field("", _columns(rows), "tables")


def _not_checked(report: Report, width: int) -> Iterator[Line]:
    yield ()
    yield (("not checked", "strong"),)
    for item in report.not_checked:
        yield from _wrapped(f"{item.what}: {item.why}", width, "  ")
    if not report.not_checked:
        yield (("  as far as we know, everything was checked", "quiet"),)


def _made_with(report: Report) -> Iterator[Line]:
    versions = report.versions
    parts = [f"sqlmigrate {versions.sqlmigrate}", f"tried on PostgreSQL {versions.shadow or 'none'}"]
    parts += [f"target PostgreSQL {versions.target}"] if versions.target else []
    parts += [f"squawk {versions.squawk}"] if versions.squawk else []
    yield ()
    yield ((f"made {words.moment(report.made_at)} with {', '.join(map(_text, parts))}", "quiet"),)


def _tone(tone: Tone, word: str | None = None) -> tuple[str, Role]:
    return (_text(word or tone).upper(), tone)


def _text(text: str) -> str:
    """Keep a text of somebody else in its line, and what it does to a terminal out of it."""
    return words.visible(text.replace("\n", " ").replace("\t", " "))


def _wrapped(text: str, width: int, indent: str, role: Role = "plain") -> Iterator[Line]:
    lines = textwrap.wrap(
        _text(text),
        width,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    yield from (((line, role),) for line in lines)


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Set rows in columns as wide as their widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]


def _field(label: str, texts: Sequence[str], what: str) -> Iterator[Line]:
    """Yield texts beside a label, and count those that are too many."""
    shown = [_text(text) for text in texts[:_MOST]]
    if len(texts) > _MOST:
        shown.append(f"and {len(texts) - _MOST} more {what}")
    for at, text in enumerate(shown):
        yield ((f"  {label if at == 0 else '':<{len(_BLANK) - 2}}", "quiet"), (text, "plain"))
