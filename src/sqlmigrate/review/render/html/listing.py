"""Lay out a script with its line numbers, and beside each statement what it locks, touches and risks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.hazards import allowed_card, finding_line, hazard_card
from sqlmigrate.review.render.html.highlight import highlight
from sqlmigrate.review.render.html.tags import Html, tag
from sqlmigrate.review.render.words import STRENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.review.model import Direction, Lock, Statement

_MOST = 4  # names of one kind beside a statement; the others are folded


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of a script, with the statements that stand on them: none between two statements."""

    first: int
    last: int
    statements: tuple[Statement, ...] = ()


def listing(direction: Direction, anchor: str) -> Html:
    """Give a script as rows: its lines on the left, on the right what they do."""
    if direction.text is None:
        rows = [_excerpt(direction, statement, anchor) for statement in direction.statements]
        note = "the script is too large to be shown whole: these are its statements"
        return tag("div", tag("p", note, class_="quiet"), rows, class_="listing")
    lines = highlight(direction.text)
    rows = [
        _row(direction, block, lines[block.first - 1 : block.last], anchor) for block in _blocks(direction, len(lines))
    ]
    return tag("div", rows, class_="listing")


def _blocks(direction: Direction, end: int) -> Iterator[_Block]:
    """Cut the lines of a script where statements begin and end; those that share a line share a block."""
    at = 1
    for block in _joined(direction.statements):
        if block.first > at:
            yield _Block(at, block.first - 1)
        yield block
        at = block.last + 1
    if at <= end:
        yield _Block(at, end)


def _joined(statements: Sequence[Statement]) -> list[_Block]:
    found: list[_Block] = []
    for statement in statements:
        if found and statement.line <= found[-1].last:
            block = found.pop()
            last = max(block.last, statement.last_line)
            found.append(_Block(block.first, last, (*block.statements, statement)))
        else:
            found.append(_Block(statement.line, max(statement.last_line, statement.line), (statement,)))
    return found


def _row(direction: Direction, block: _Block, lines: Sequence[Html], anchor: str) -> Html:
    numbered = [_line(number, line) for number, line in enumerate(lines, block.first)]
    if not block.statements:
        held = _held_between(direction, block)
        return tag("div", tag("div", tag("pre", numbered), class_="code"), class_=f"row gap hold-{held}")
    return _with_notes(direction, block.statements, numbered, anchor)


def _excerpt(direction: Direction, statement: Statement, anchor: str) -> Html:
    lines = highlight(statement.text)
    return _with_notes(
        direction, (statement,), [_line(at, line) for at, line in enumerate(lines, statement.line)], anchor
    )


def _with_notes(direction: Direction, statements: Sequence[Statement], lines: Sequence[Html], anchor: str) -> Html:
    cards = [card for statement in statements for card in _cards(statement)]
    return tag(
        "div",
        tag("div", tag("pre", lines), cards, class_="code"),
        tag("div", (_notes(statement, anchor) for statement in statements), class_="notes"),
        class_=f"row stmt hold-{_held(direction, statements[-1].number)}",
    )


def _line(number: int, line: Html) -> Html:
    return tag("span", line, "\n", class_="l", data_n=number)


def _held(direction: Direction, number: int) -> str:
    """Tell what is the strongest that anything locked stops during a statement."""
    held = words.strongest(hold.lock for hold in direction.holds if hold.first <= number <= hold.last)
    return "little" if held is None else words.strength(held)


def _held_between(direction: Direction, block: _Block) -> str:
    """Tell it for lines between two statements: what both hold is held there too."""
    before = [statement.number for statement in direction.statements if statement.last_line < block.first]
    after = [statement.number for statement in direction.statements if statement.line > block.last]
    if not direction.transactional or not before or not after:
        return "little"
    return _held(direction, before[-1])


def _cards(statement: Statement) -> Iterator[Html]:
    yield from (hazard_card(hazard) for hazard in statement.hazards)
    yield from (allowed_card(item) for item in statement.suppressed)
    yield from (tag("p", finding_line(finding), class_="squawk") for finding in statement.findings)


def _notes(statement: Statement, anchor: str) -> Html:
    here = f"{anchor}-s{statement.number}"
    link = tag("a", statement.number, href=f"#{here}", aria_label=f"statement {statement.number}")
    return tag(
        "section",
        tag("h4", link, " ", statement.kind),
        tag("ul", list(_facts(statement)), class_="facts-of"),
        id=here,
        class_="of",
    )  # fmt: skip


def _facts(statement: Statement) -> Iterator[Html]:
    yield from _locks(statement)
    for names, class_, label in (
        (statement.rewrites, "rewrites", "writes anew"),
        (statement.scans, "scans", "reads from end to end"),
    ):
        if names:
            yield tag("li", tag("b", label), " ", _names(names), class_=class_)
    for names, sign, word in (
        (statement.made, "+", "makes"),
        (statement.changed, "~", "changes"),
        (statement.dropped, "-", "drops"),
    ):
        if names:
            mark = tag("span", sign, class_="sign", aria_hidden="true")
            yield tag("li", mark, tag("span", word, class_="said"), " ", _names(names), class_="object")
    yield from (tag("li", note, class_="quiet") for note in statement.notes)


def _locks(statement: Statement) -> Iterator[Html]:
    """Name what is locked, one line for each mode, the strongest first; what comes new apart from what is held."""
    locks = words.locks_of(statement)
    if not locks:
        text = (
            "locks nothing that was there before"
            if statement.own is not None
            else "adds no lock to those that are held"
        )
        yield tag("li", text, class_="quiet")
    new = {(lock.kind, lock.name, lock.mode) for lock in statement.taken}
    for mode in sorted({lock.mode for lock in locks}, key=lambda mode: -next(k.level for k in locks if k.mode == mode)):
        for held in (False, True):
            found = [k for k in locks if k.mode == mode and ((k.kind, k.name, k.mode) in new) is not held]
            if found:
                yield _lock_line(mode, found, held=held)


def _lock_line(mode: str, locks: Sequence[Lock], *, held: bool) -> Html:
    strength = words.strength(locks[0])
    end = tag("span", " (held)", class_="quiet") if held else None
    mark = tag("span", class_=f"lamp {strength}", title=STRENGTHS[strength])
    return tag("li", mark, tag("b", mode), " ", _names([lock.name for lock in locks]), end, class_="lock")


def _names(names: Sequence[str]) -> Html:
    """Name some, and fold the others away."""
    shown = tag("span", [[", " if at else "", tag("code", name)] for at, name in enumerate(names[:_MOST])])
    if len(names) <= _MOST:
        return shown
    rest = tag("ul", (tag("li", tag("code", name)) for name in names[_MOST:]))
    return tag("span", shown, tag("details", tag("summary", f"and {len(names) - _MOST} more"), rest), class_="folding")
