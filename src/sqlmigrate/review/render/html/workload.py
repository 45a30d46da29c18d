"""Draw what becomes of what the application sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import sent, words
from sqlmigrate.review.render.html.highlight import highlight
from sqlmigrate.review.render.html.icons import badge, icon
from sqlmigrate.review.render.html.tags import Html, tag

if TYPE_CHECKING:
    from sqlmigrate.review.model import LiveStatement, NotAsked, Workload
    from sqlmigrate.review.render.sent import Part

_SHOWN = 100  # statements of each part
_BRIEF = 110  # characters


def workload_section(workload: Workload) -> Html:
    """Say what breaks, what may, and what nobody knows."""
    return tag(
        "section",
        tag("h2", "Will the old code survive?", id="workload"),
        tag("p", tag("b", f"{workload.headline}."), " ", tag("span", sent.source(workload), class_="quiet")),
        [_part(part) for part in sent.parts(workload)],
        None
        if sent.parts(workload)
        else tag("p", icon("fine"), " ", "Every statement that was asked is taken as before."),
        _not_checked(workload.not_checked) if workload.not_checked else None,
        [tag("p", icon("note"), " ", note, class_="remark") for note in workload.notes],
        class_="block",
    )


def _part(part: Part) -> list[Html | None]:
    more = len(part.statements) - _SHOWN
    return [
        tag("h3", badge(part.tone), " ", part.heading),
        *(_statement(item) for item in part.statements[:_SHOWN]),
        tag("p", f"and {more:,} more, which the JSON report has", class_="quiet") if more > 0 else None,
    ]


def _statement(item: LiveStatement) -> Html:
    """Fold a statement: open, it shows its text."""
    often, named = sent.often(item), sent.named(item)
    return tag(
        "details",
        tag(
            "summary",
            tag("code", words.brief(item.query, _BRIEF)),
            " ",
            tag("span", item.error, class_="seen"),
            tag("span", f" {often}", class_="quiet") if often else None,
        ),
        tag("pre", ([line, "\n"] for line in highlight(item.query)), class_="rewrite"),
        tag(
            "p",
            f"{sent.where(item)}: {item.error}",
            f" (SQLSTATE {item.sqlstate})" if item.sqlstate else None,
            tag("span", f". {named}") if named else None,
        ),
        class_="sent",
    )


def _not_checked(items: tuple[NotAsked, ...]) -> Html:
    return tag(
        "details",
        tag("summary", f"Not checked: {words.count(sum(item.statements for item in items), 'statement')}"),
        tag(
            "dl",
            (
                (tag("dt", sent.not_checked(item)), tag("dd", tag("code", words.brief(item.query, _BRIEF))))
                for item in items[:_SHOWN]
            ),
            class_="pairs",
        ),
    )
