"""Lay out a script with its line numbers, and beside each statement what it locks, touches and risks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from sqlmigrate.review.render import batching, words
from sqlmigrate.review.render.html.hazards import allowed_card, finding_line, hazard_card
from sqlmigrate.review.render.html.highlight import highlight
from sqlmigrate.review.render.html.tags import Html, tag
from sqlmigrate.review.render.words import STRENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlmigrate.review.measured import Batching
    from sqlmigrate.review.model import Direction, Lock, ReviewedStatement
    from sqlmigrate.review.render.words import Remedy, Strength

_MOST = 4  # names of one kind beside a statement; the others are folded


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines of a script, with the statements that stand on them: none between two; `held` is held on them."""

    first: int
    last: int
    held: Strength
    statements: tuple[ReviewedStatement, ...] = ()


@dataclass(frozen=True, slots=True)
class _Drawn:
    """How a script is drawn: before what its anchors begin, what is `told` elsewhere, whether its hazards fold."""

    anchor: str
    told: Mapping[Remedy, str]
    folded: bool


def listing(direction: Direction, anchor: str, told: Mapping[Remedy, str]) -> Html:
    """Return a script as rows: its lines on the left, on the right what they do."""
    held = _held(direction)
    drawn = _Drawn(anchor, told, folded=direction.operation == "rollback")
    if direction.text is None:
        rows = [_excerpt(statement, held[statement.number], drawn) for statement in direction.statements]
        note = "the script is too large to show all of it: these are its statements"
        return tag("div", tag("p", note, class_="quiet"), rows, class_="listing")
    lines = highlight(direction.text)
    blocks = _blocks(direction, held, len(lines))
    return tag("div", [_row(block, lines[block.first - 1 : block.last], drawn) for block in blocks], class_="listing")


def _held(direction: Direction) -> dict[int, Strength]:
    """Tell for each statement what is the strongest that anything locked stops while it runs."""
    found: dict[int, Strength] = dict.fromkeys((statement.number for statement in direction.statements), "little")
    for strength in reversed(STRENGTHS):  # the strongest last
        spans = [(hold.first, hold.last) for hold in direction.holds if words.strength(hold.lock) == strength]
        edges = Counter(first for first, _ in spans)
        edges.subtract(last + 1 for _, last in spans)
        numbers = sorted({*found, *edges})
        for number, open_ in zip(numbers, accumulate(edges[number] for number in numbers), strict=True):
            if open_ and number in found:
                found[number] = strength
    return found


def _blocks(direction: Direction, held: Mapping[int, Strength], end: int) -> Iterator[_Block]:
    """Cut the lines of a script where statements begin and end; those that share a line share a block."""
    at = 1
    before: Strength = "little"
    for several in _joined(direction.statements):
        first, last = several[0].line, max(several[0].line, *(statement.last_line for statement in several))
        if first > at:
            yield _Block(at, first - 1, before)
        number = several[-1].number
        yield _Block(first, last, held[number], several)
        before = held[number] if direction.transactional else "little"
        at = last + 1
    if at <= end:
        yield _Block(at, end, "little")


def _joined(statements: Sequence[ReviewedStatement]) -> list[tuple[ReviewedStatement, ...]]:
    """Put statements together that share a line."""
    found: list[tuple[ReviewedStatement, ...]] = []
    for statement in statements:
        if found and statement.line <= max(other.last_line for other in found[-1]):
            found[-1] = (*found[-1], statement)
        else:
            found.append((statement,))
    return found


def _row(block: _Block, lines: Sequence[Html], drawn: _Drawn) -> Html:
    numbered = [_line(number, line) for number, line in enumerate(lines, block.first)]
    if not block.statements:
        return tag("div", tag("div", tag("pre", numbered), class_="code"), class_=f"row gap hold-{block.held}")
    return _with_notes(block.statements, numbered, block.held, drawn)


def _excerpt(statement: ReviewedStatement, held: Strength, drawn: _Drawn) -> Html:
    lines = [_line(number, line) for number, line in enumerate(highlight(statement.text), statement.line)]
    return _with_notes((statement,), lines, held, drawn)


def _with_notes(statements: Sequence[ReviewedStatement], lines: Sequence[Html], held: Strength, drawn: _Drawn) -> Html:
    cards = [card for statement in statements for card in _cards(statement, drawn)]
    return tag(
        "div",
        tag("div", tag("pre", lines), cards, class_="code"),
        tag("div", (_notes(statement, drawn.anchor) for statement in statements), class_="notes"),
        class_=f"row stmt hold-{held}",
    )


def _line(number: int, line: Html) -> Html:
    return tag("span", line, "\n", class_="l", data_n=number)


def _cards(statement: ReviewedStatement, drawn: _Drawn) -> Iterator[Html]:
    yield from (hazard_card(hazard, drawn.told, folded=drawn.folded) for hazard in statement.hazards)
    yield from (allowed_card(item) for item in statement.suppressed)
    yield from (tag("p", finding_line(finding), class_="squawk") for finding in statement.findings)


def _notes(statement: ReviewedStatement, anchor: str) -> Html:
    here = f"{anchor}-s{statement.number}"
    link = tag("a", statement.number, href=f"#{here}", aria_label=f"statement {statement.number}")
    return tag(
        "section",
        tag("h4", link, " ", statement.kind),
        tag("ul", list(_facts(statement)), class_="facts-of"),
        id=here,
        class_="of",
    )  # fmt: skip


def _facts(statement: ReviewedStatement) -> Iterator[Html]:
    yield from _locks(statement)
    for names, class_, label in (
        (statement.rewrites, "rewrites", "rewrites"),
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
    if (how_long := words.takes(statement.takes)) and not (statement.takes and statement.takes.unknown):
        yield tag("li", tag("b", "takes"), " ", how_long, class_="takes")
    if statement.batching is not None:
        yield from _batching(statement.batching)
    yield from (tag("li", note, class_="quiet") for note in statement.notes)


def _batching(found: Batching) -> Iterator[Html]:
    """Say how it runs in batches; the plans are folded."""
    yield from (tag("li", tag("b", label), " ", said, class_="batching") for label, said in batching.facts(found))
    for label, lines in batching.plans(found):
        plan = tag("details", tag("summary", label), tag("pre", "\n".join(lines)))
        yield tag("li", plan, class_="batching")


def _locks(statement: ReviewedStatement) -> Iterator[Html]:
    """Name what is locked, one line for each mode, the strongest first; what comes new apart from what is held."""
    locks = words.locks_of(statement)
    if not locks:
        text = (
            "locks nothing that existed before" if statement.own is not None else "adds no lock to those already held"
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
