"""`sqlmigrate explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sqlmigrate.cli.options import common
from sqlmigrate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlmigrate.cli.call import App
    from sqlmigrate.review.hazards import Rule

EPILOG = """\b
Examples:
  sqlmigrate explain      every hazard that a review knows
  sqlmigrate explain H06  this one: what waits, what to do instead, examples
  sqlmigrate explain H06 --json
"""


_OFFERED = 5


@click.command(epilog=EPILOG)
@click.argument("code", required=False)
@common
def command(app: App, *, code: str | None) -> None:
    """Explain a hazard of `sqlmigrate review` by its code or name, with examples; without one, list them all.

    On a terminal the page is laid out for it; elsewhere it is Markdown.
    """
    from sqlmigrate.review.hazards import RULES, pages  # noqa: PLC0415  --help needs none of it

    if code is None:
        app.output.result(hazards=[_as_json(rule) for rule in RULES])
        app.output.table(("code", "severity", "hazard"), ((rule.code, rule.severity, rule.title) for rule in RULES))
        return
    rule = pages.named(RULES, code)
    if rule is None:
        likely = _meant(code, RULES)
        meant = f"did you mean {' or '.join(likely)}? " if likely else ""
        raise UsageError(f"there is no hazard {code!r}", hint=f"{meant}`sqlmigrate explain` lists them")
    page = pages.page(rule)
    app.output.result(hazard={**_as_json(rule), "text": page})
    app.output.page(page)


def _meant(word: str, rules: Sequence[Rule]) -> list[str]:
    """Return what a word may mean: a code without its zero, a part of a name, or one that is nearly a name."""
    from sqlmigrate.cli.meant import near  # noqa: PLC0415  only for a mistake

    number = word.lower().removeprefix("h")
    codes = [rule.code for rule in rules if number.isdecimal() and rule.code == f"H{number:0>2}"]
    parts = [rule.slug for rule in rules if word.lower() in rule.slug.split("-")]
    return (codes or parts or near(word, [rule.slug for rule in rules], most=3))[:_OFFERED]


def _as_json(rule: Rule) -> dict[str, str]:
    return {"code": rule.code, "name": rule.slug, "title": rule.title, "severity": rule.severity}
