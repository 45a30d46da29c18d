"""Hazards: what a DBA should know of before they say yes, found in the trace of a script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards import (
    building,
    data,
    dependents,
    design,
    exposure,
    locking,
    lockout,
    neighbours,
    policies,
    published,
    relied,
    security,
    shape,
    working,
    workload,
)
from sqlmigrate.review.hazards.records import Context, Occurrence, Rule
from sqlmigrate.review.hazards.remedies.phases import as_text
from sqlmigrate.review.model import Hazard, Suppressed
from sqlmigrate.sql.directives import read_allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlmigrate.review.hazards.records import Scale
    from sqlmigrate.sql.script import Script, Statement

__all__ = ["RULES", "Context", "Occurrence", "Rule", "check", "rules_for", "scale_of", "sorted_out"]

RULES: tuple[Rule, ...] = tuple(
    sorted(
        (
            *locking.RULES,
            *neighbours.RULES,
            *building.RULES,
            *data.RULES,
            *relied.RULES,
            *published.RULES,
            *security.RULES,
            *exposure.RULES,
            *policies.RULES,
            *lockout.RULES,
            *dependents.RULES,
            *shape.RULES,
            *design.RULES,
            *working.RULES,
            *workload.RULES,
        ),
        key=lambda rule: rule.code,
    )
)
"""Every kind of hazard that we know, by code."""

_SCALES = {rule.code: rule.scale for rule in RULES}


def rules_for(*, design: bool) -> tuple[Rule, ...]:
    """Return all rules, or those that are not about design."""
    return tuple(rule for rule in RULES if design or not rule.is_design)


def check(
    context: Context,
    rules: Iterable[Rule] = RULES,
    *,
    judged: Callable[[Rule, Occurrence], Occurrence] = lambda _, found: found,
) -> list[Hazard]:
    """Find all hazards of a script, by statement and code; allowed ones too.

    `judged` may take the SQL out of what was found, where it does not run.
    """
    lines = {statement.number: statement.line for statement in context.all_statements}
    found = [
        _hazard(rule, judged(rule, one), lines.get(one.statement, 1)) for rule in rules for one in rule.find(context)
    ]
    return sorted(dict.fromkeys(found), key=lambda hazard: (hazard.statement, hazard.code))


def scale_of(code: str) -> Scale | None:
    """Return what the harm of a hazard grows with, None where figures change nothing."""
    return _SCALES.get(code)


def _hazard(rule: Rule, found: Occurrence, line: int) -> Hazard:
    remedy = next(iter(found.remedies), None)
    return Hazard(
        code=rule.code,
        slug=rule.slug,
        title=rule.title,
        severity=found.severity or rule.severity,
        statement=found.statement,
        line=line,
        seen=found.seen,
        blocks=rule.blocks,
        instead=found.instead or rule.instead,
        page=rule.page,
        rewrite=as_text(remedy) if remedy else None,
        relations=found.relations,
        remedy=remedy,
        rows=found.rows,
        at_most=found.at_most,
    )


def sorted_out(hazards: Iterable[Hazard], script: Script) -> tuple[list[Hazard], list[Suppressed], list[str]]:
    """Take out the hazards that the script allows, by code or slug; also say which remarks allow nothing."""
    allowed = _allowed(script)
    left, suppressed, used = [], [], set()
    for hazard in hazards:
        key = next(
            (
                (hazard.statement, code)
                for code in (hazard.code, hazard.slug.upper())
                if (hazard.statement, code) in allowed
            ),
            None,
        )
        if key is None:
            left.append(hazard)
        else:
            used.add(key)
            suppressed.append(Suppressed(hazard, allowed[key]))
    idle = [
        f"statement {number} allows {code}, but the review did not find it there"
        for number, code in allowed
        if (number, code) not in used
    ]
    return left, suppressed, idle


def _allowed(script: Script) -> dict[tuple[int, str], str]:
    """Return the reasons of a script's remarks by the statement that they stand before, and code."""
    remarks = read_allowed(script.text or "")
    if not remarks:
        return {}
    statements = list(script.statements())
    return {
        (statement.number, remark.code): remark.reason
        for remark in remarks
        if (statement := _first_from(statements, remark.offset)) is not None
    }


def _first_from(statements: list[Statement], offset: int) -> Statement | None:
    return next((statement for statement in statements if statement.offset >= offset), None)
