"""What several tools have in common: versions in names, rows of a history, and what is said of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.importing.tool import Recorded, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import Any

    from sqlmigrate.importing.model import Source, Theirs
    from sqlmigrate.importing.tool import Known

NO_TIMES = "it records no times: the time is that of this command"
_DIGITS = re.compile(r"\d+")
_OTHERS = (
    (re.compile(r"(?im)^--[ \t]*migrate:up\b"), "dbmate"),
    (re.compile(r"(?im)^--[ \t]*\+goose[ \t]+up\b"), "goose"),
    (re.compile(r"(?im)^[ \t]*--[ \t-]*up[ \t]+migration"), "node-pg-migrate"),
    (re.compile(r"(?im)^--! (?:Previous|Hash): "), "graphile-migrate"),
)


def leading_digits(migration_id: str) -> str | None:
    """Return the digits that an id begins with."""
    found = _DIGITS.match(migration_id)
    return found[0] if found else None


def leading_number(migration_id: str) -> str | None:
    """Return the number that an id begins with, in its shortest spelling."""
    digits = leading_digits(migration_id)
    return None if digits is None else str(int(digits))


def recorded(
    version: str, at: datetime | None = None, label: str | None = None, checksum: str | None = None
) -> Recorded:
    """Return what was recorded of a version."""
    return Recorded(version, label or version, at, checksum)


def versions(found: Sequence[tuple[Any, ...]], _known: Known) -> Told:
    """Read rows of nothing but a version, in the order of the versions."""
    return Told(tuple(recorded(version) for (version,) in found), notes=(NO_TIMES,) if found else ())


def no_marker(source: Source, marker: str, label: str) -> Problem:
    """Say that a file has no marker, and whose it has."""
    other = next((tool for pattern, tool in _OTHERS if tool != label and pattern.search(source.text)), None)
    hint = f"it has {other}'s: import it with --from {other}" if other else f"add the line {marker}"
    return source.problem(f"it has no line {marker}", hint=hint)


def same_version(found: Iterable[Theirs]) -> list[Problem]:
    """Say which files have a version that another one has."""
    seen: dict[str, Theirs] = {}
    problems = []
    for item in found:
        first = seen.setdefault(item.version, item)
        if first is not item:
            message = f"it has the same version as {first.path.name}"
            problems.append(Problem(message, Place(item.path), "one of them never ran: give it a version of its own"))
    return problems
