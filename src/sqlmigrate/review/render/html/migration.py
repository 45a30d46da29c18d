"""Draw one migration: both ways beside each other, the proof of the undo, the schema, and both scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.hazards import finding_line
from sqlmigrate.review.render.html.icons import badge, icon
from sqlmigrate.review.render.html.listing import listing
from sqlmigrate.review.render.html.schema import diff_lines, schema_changes
from sqlmigrate.review.render.html.tags import Child, Html, tag
from sqlmigrate.review.render.html.timeline import timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlmigrate.review.model import Direction, Migration, OutOfOrder
    from sqlmigrate.review.render.words import Remedy

_HARMS = 3
_WAYS = {"apply": "Apply", "rollback": "Roll back"}


def migration_article(migration: Migration, anchor: str, told: Mapping[Remedy, str]) -> Html:
    """Return everything about a migration; what to do about the hazards that are `told` stands elsewhere."""
    return tag(
        "article",
        tag(
            "header",
            tag("h2", migration.migration_id, id=f"{anchor}-h"),
            badge(migration.verdict),
            tag("p", "depends on ", words.listed(migration.depends, 6), class_="quiet") if migration.depends else None,
        ),
        [tag("p", icon("note"), " ", note, class_="remark") for note in migration.notes],
        _late(migration.out_of_order),
        tag(
            "div",
            [_way(direction, f"{anchor}-{direction.operation}") for direction in words.directions(migration)],
            _no_rollback() if migration.rollback is None else None,
            class_="pair",
        ),
        _proof(migration),
        tag("section", tag("h3", "What it changes in the schema"), schema_changes(migration), class_="changes"),
        [_script(direction, f"{anchor}-{direction.operation}", told) for direction in words.directions(migration)],
        class_="migration",
        id=anchor,
        aria_labelledby=f"{anchor}-h",
    )


def _late(late: OutOfOrder | None) -> Html | None:
    if late is None:
        return None
    tone, said = words.ANSWERS[late.answer]
    conflicts = [
        tag("li", tag("code", found.object), f": {found.here} here, {found.there} in ", tag("code", found.migration_id))
        for found in late.conflicts
    ]
    return tag(
        "section",
        tag("h3", "Out of order"),
        tag("p", badge(tone, late.answer), " ", said),
        [tag("p", line) for line in late.lines],
        tag("ul", conflicts) if conflicts else None,
        tag("p", "applied already: ", words.listed(late.after, 12), class_="quiet"),
        class_=f"strip {tone}",
    )


def _way(direction: Direction, anchor: str) -> Html:
    return tag(
        "section",
        tag("h3", _WAYS[direction.operation]),
        tag("p", tag("code", words.path(direction)), class_="path"),
        tag("dl", list(_facts(direction)), class_="pairs"),
        tag("p", icon("fails"), " ", words.relative(direction, direction.error), class_="failure")
        if direction.error
        else None,
        timeline(direction, anchor) or tag("p", "Locks nothing that existed before.", class_="quiet"),
        tag("p", tag("a", "Read the script", href=f"#{anchor}-sql")),
        class_="way",
        id=anchor,
    )


def _failure(direction: Direction) -> Html | None:
    if direction.error is None:
        return None
    return tag("p", icon("fails"), " ", words.relative(direction, direction.error), class_="failure")


def _facts(direction: Direction) -> Iterator[Html]:
    how = "in one transaction" if direction.transactional else "outside a transaction"
    yield from _fact("Statements", f"{len(direction.statements)}, {how}")
    found = [hazard for statement in direction.statements for hazard in statement.hazards]
    allowed = words.allowed(direction)
    yield from _fact("Hazards", words.tally(found) + (f", {len(allowed)} allowed" if allowed else ""))
    if direction.longest is not None:
        hold = direction.longest
        lock: list[Child] = [tag("b", hold.lock.mode), " on ", tag("code", hold.lock.name)]
        yield from _fact("Longest strong lock", lock, f", {words.span(hold)}")
    if direction.waits:
        waits = words.count(direction.waits, "statement")
        yield from _fact("May have to wait", f"{waits} for a lock that stops others")
    harms = [tag("p", harm.said) for harm in direction.harms[:_HARMS]]
    more = len(direction.harms) - _HARMS
    harms += [tag("p", f"and {words.count(more, 'more lock')}, in the table", class_="quiet")] if more > 0 else []
    harms += [tag("p", direction.lock_wait.said)] if direction.lock_wait else []
    if harms:
        yield from _fact("On the target", harms)


def _fact(term: str, *said: Child) -> Iterator[Html]:
    yield tag("dt", term)
    yield tag("dd", *said)


def _no_rollback() -> Html:
    text = "There is no rollback script: this cannot be undone."
    return tag("section", tag("h3", "Roll back"), tag("p", icon("warning"), " ", text), class_="way")


def _proof(migration: Migration) -> Html:
    tone, said = words.undo(migration)
    proof = migration.proof
    return tag(
        "section",
        tag("h3", "Is the undo proven?"),
        tag("p", badge(tone, proof.verdict.replace("_", " ")), " ", said),
        diff_lines(proof.lines) if proof.lines else None,
        tag("p", f"from {proof.source}", class_="quiet"),
        class_=f"strip {tone}",
    )


def _script(direction: Direction, anchor: str, told: Mapping[Remedy, str]) -> Html:
    name = "The script" if direction.operation == "apply" else "The rollback script"
    return tag(
        "section",
        tag("h3", f"{name}, statement by statement", id=f"{anchor}-sql"),
        [tag("p", note, class_="quiet") for note in direction.notes],
        [tag("p", finding_line(finding), class_="squawk") for finding in direction.findings],
        listing(direction, anchor, told),
        tag("p", icon("fails"), " ", words.relative(direction, direction.error), class_="failure")
        if direction.error
        else None,
        class_="script",
    )
