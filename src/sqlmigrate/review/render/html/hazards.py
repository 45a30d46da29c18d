"""Draw hazards, those that a script allows, and what squawk says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.render import words
from sqlmigrate.review.render.html.highlight import highlight
from sqlmigrate.review.render.html.icons import badge
from sqlmigrate.review.render.html.tags import Html, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.review.model import Finding, Hazard, Suppressed
    from sqlmigrate.review.render.words import Remedy


def hazard_card(hazard: Hazard, told: Mapping[Remedy, str], *, folded: bool = False) -> Html:
    """Say what was seen, and what to do, or where that stands already; a `folded` card shows its title alone."""
    heading = (badge(hazard.severity), " ", hazard.title, " ", tag("code", hazard.code))
    anchor = told.get(words.remedy(hazard))
    body = (
        tag("p", hazard.seen),
        tag("p", tag("b", "Raised: "), hazard.raised) if hazard.raised else None,
        tag("p", tag("b", "Lowered: "), hazard.lowered) if hazard.lowered else None,
        tag("p", tag("b", "On the target: "), hazard.harm, class_="harm") if hazard.harm else None,
        last_use(hazard),
        what_to_do(hazard) if anchor is None else tag("p", tag("a", "What to do instead", href=f"#{anchor}")),
    )
    if folded:
        return tag("details", tag("summary", heading), body, class_=f"hazard {hazard.severity}")
    return tag("div", tag("h4", heading), body, class_=f"hazard {hazard.severity}")


def last_use(hazard: Hazard) -> list[Html]:
    """Say what uses in the target what is dropped or renamed."""
    return [tag("p", said, class_="quiet") for said in words.last_use(hazard)]


def what_to_do(hazard: Hazard) -> Html:
    """Say what a hazard blocks and what to do instead, with its SQL."""
    return tag(
        "div",
        tag(
            "dl",
            tag("dt", "Waits or breaks"),
            tag("dd", hazard.blocks),
            tag("dt", "Instead"),
            tag("dd", hazard.instead, _rewrite(hazard)),
        ),
        tag("p", "More: ", tag("code", f"sqlmigrate explain {hazard.code}"), class_="quiet"),
        class_="remedy",
    )


def _rewrite(hazard: Hazard) -> Html | None:
    if hazard.rewrite is None:
        return None
    return tag("pre", ([line, "\n"] for line in highlight(hazard.rewrite)), class_="rewrite")


def allowed_card(item: Suppressed) -> Html:
    """Say what the script allows, and why."""
    hazard = item.hazard
    return tag(
        "div",
        tag("h4", "Allowed: ", hazard.title, " ", tag("code", hazard.code)),
        tag("p", f"“{item.reason}”"),
        tag("p", f"{hazard.severity}: {hazard.seen}", class_="quiet"),
        class_="hazard allowed",
    )


def finding_line(finding: Finding) -> Html:
    """Say what squawk expects, and what was seen of it."""
    return tag(
        "span",
        (tag("b", "squawk"), " ", tag("code", finding.rule), " ", finding.message, " "),
        f"{finding.help} " if finding.help else None,
        tag("em", words.ANSWERED[finding.answer], class_=finding.answer),
        f": {finding.why}" if finding.why else None,
    )
