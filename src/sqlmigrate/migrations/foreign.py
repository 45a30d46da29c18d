"""Recognise undo scripts by the names that other tools give them: as migrations they would run with the changes.

A name counts only where its partner is there, so a lone `0001_slow.down.sql` is a migration like any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_ROLLBACK = ".rollback.sql"
_FLYWAY = re.compile(r"([VU])(\d+(?:[._]\d+)*)__.+\.sql")
_UNDO = re.compile(r"(.+?)([._-])(?:down|undo|rollback|revert)\.sql", re.IGNORECASE)
_CHANGES = ("up", "do")  # `x.up.sql` and `x.down.sql`, `x.do.sql` and `x.undo.sql`


def foreign_name(name: str, names: Collection[str]) -> str | None:
    """Say what is to be done about a script that another tool would not run as a change; None for all others."""
    if not name.endswith(".sql") or name.endswith(_ROLLBACK):
        return None
    return _flyway(name, names) or _undo(name, names)


def _flyway(name: str, names: Collection[str]) -> str | None:
    found = _FLYWAY.fullmatch(name)
    if not name.startswith("R__") and not (found and found[1] == "U"):
        return None
    changes = {_version(hit[2]): other for other in sorted(names) if (hit := _flyway_change(other))}
    if not found:
        message = "Flyway runs this after every change; sqlmigrate runs a script once: give it a version"
        return message if changes else None
    exact = "V" + name[1:]
    change = exact if exact in names else changes.get(_version(found[2]))
    return f"looks like Flyway's undo of {change}; {_rename(change, names)}" if change else None


def _flyway_change(name: str) -> re.Match[str] | None:
    found = _FLYWAY.fullmatch(name)
    return found if found and found[1] == "V" and not name.endswith(_ROLLBACK) else None


def _version(text: str) -> tuple[int, ...]:
    """Give a version as Flyway compares it: `1`, `01` and `1.0` are the same one."""
    numbers = [int(number) for number in re.split("[._]", text)]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _undo(name: str, names: Collection[str]) -> str | None:
    if not (found := _UNDO.fullmatch(name)):
        return None
    stem, mark = found.groups()
    if f"{stem}.sql" in names:
        return f"looks like the undo of {stem}.sql; {_rename(f'{stem}.sql', names)}"
    for change in _CHANGES:
        if (other := f"{stem}{mark}{change}.sql") in names:
            return f"rename {other} to {stem}.sql and this file to {stem}{_ROLLBACK}"
    return None


def _rename(change: str, names: Collection[str]) -> str:
    rollback = change.removesuffix(".sql") + _ROLLBACK
    return f"{rollback} is there too: remove one of them" if rollback in names else f"rename it to {rollback}"
