"""Constraints of domains, whose values may stand in many tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies.phases import Command, Phases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Traced


def is_constrained(one: Traced) -> bool:
    """Whether a statement gives a domain a constraint, or makes it NOT NULL."""
    return bool(one.command == "ALTER DOMAIN")


def validated_later(one: Traced) -> tuple[Remedy, ...]:
    """Add it NOT VALID and validate it, which takes a weak lock since PostgreSQL 17; before, stop at NOT VALID."""
    found = []
    for whole in (True, False):
        phases = Phases(same=whole)
        for domain, name, definition in _added(one):
            drop = f"ALTER DOMAIN {domain} DROP CONSTRAINT {name}"
            phases.expand.append(Command(f"ALTER DOMAIN {domain} ADD CONSTRAINT {name} {definition} NOT VALID", drop))
            if whole:
                phases.online.append(Command(f"ALTER DOMAIN {domain} VALIDATE CONSTRAINT {name}"))
        found.append(phases.remedy())
    return tuple(remedy for remedy in found if remedy is not None)


def _added(one: Traced) -> Iterator[tuple[str, str, str]]:
    before = one.step.before.of("domain constraint")
    for text, properties in one.step.after.of("domain constraint").items():
        definition, domain = str(properties.get("definition")), str(properties.get("table"))
        if text not in before and definition.startswith("CHECK"):
            yield domain, text.removesuffix(f" on {domain}"), definition
