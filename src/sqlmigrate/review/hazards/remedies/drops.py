"""What a CASCADE drops, by name and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies.phases import Command, Phases
from sqlmigrate.sql.statement.effect import with_restrict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Traced

_ON_TABLE = ("trigger", "rule", "policy")
_BY_NAME = ("materialized view", "view", "function", "procedure", "aggregate", "sequence", "foreign table", "table")


def by_name(one: Traced, victims: Iterable[str]) -> Remedy | None:
    """Drop each victim by name, those of one kind together, and then what the statement names, without CASCADE."""
    phases, kinds = Phases(), dict.fromkeys(_BY_NAME, "")
    for text in victims:
        on = one.step.before.get(text, {}).get("table")
        if text.startswith("constraint "):
            name = text.removeprefix("constraint ").removesuffix(f" on {on}")
            phases.contract.append(Command(f"ALTER TABLE {on} DROP CONSTRAINT {name}", None))
        elif text.startswith(tuple(f"{kind} " for kind in _ON_TABLE)):
            phases.contract.append(Command(f"DROP {text.partition(' ')[0].upper()} {text.partition(' ')[2]}", None))
        elif (kind := next((kind for kind in _BY_NAME if text.startswith(f"{kind} ")), None)) is None:
            return None
        else:
            kinds[kind] += f"{', ' if kinds[kind] else ''}{text.removeprefix(f'{kind} ')}"
    phases.contract += [Command(f"DROP {kind.upper()} {names}", None) for kind, names in kinds.items() if names]
    phases.contract.append(Command(with_restrict(one.statement.text).rstrip().removesuffix(";"), None))
    return phases.remedy()
