"""Recognise what other tools would run as an undo: as migrations, it would run with the changes.

There are scripts with the names that they give them, and sections within a script. A name counts only where its partner
is there, so a lone `0001_slow.down.sql` is a migration like any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.errors import Place, Problem
from sqlmigrate.files import open_file
from sqlmigrate.migrations.model import ROLLBACK
from sqlmigrate.sql.position import place_at

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlmigrate.sql.script import Script

_FLYWAY = re.compile(r"([VU])(\d+(?:[._]\d+)*)__.+\.sql")
_UNDO = re.compile(r"(.+?)([._-])(?:down|undo|rollback|revert)\.sql", re.IGNORECASE)
_CHANGES = ("up", "do")  # `x.up.sql` and `x.down.sql`, `x.do.sql` and `x.undo.sql`
_TAIL = 1 << 16  # bytes of a large script
# one of these words stands in each of the sections: the patterns are compiled only where a script has one of them
_SECTION_WORDS = ("down", "undo", "drop below")
_SECTIONS = (
    (r"(?i)^\s*--\s*migrate:down\b", "dbmate's `-- migrate:down`"),
    (r"(?i)^\s*--\s*\+goose\s+Down\b", "goose's `-- +goose Down`"),
    (r"(?i)^\s*--\s*\+migrate\s+Down\b", "sql-migrate's `-- +migrate Down`"),
    (r"(?i)^\s*--\s*\+micrate\s+Down\b", "micrate's `-- +micrate Down`"),
    (r"(?i)^\s*--\s*rambler\s+down\b", "rambler's `-- rambler down`"),
    (r"^[ \t]*--[ \t]*!Downs[ \t]*$", "Play's `-- !Downs`"),
    (r"^[ \t]*--[ \t]*={3,}[ \t]*DOWN[ \t]*={3,}", "shmig's `-- ==== DOWN ====`"),
    (r"^[ \t]*--\s*Down Migration\s*$", "node-pg-migrate's `-- Down Migration`"),
    (r"^\s*--\s*//\s*@UNDO\b", "MyBatis's `-- //@UNDO`"),
    (r"^---- create above / drop below ----", "tern's `---- create above / drop below ----`"),
)


def foreign_name(name: str, names: Collection[str]) -> str | None:
    """Say what is to be done about a script that another tool would not run as a change; None for all others."""
    if not name.endswith(".sql") or name.endswith(ROLLBACK):
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
    return found if found and found[1] == "V" and not name.endswith(ROLLBACK) else None


def _version(text: str) -> tuple[int, ...]:
    """Return a version as Flyway compares it: `1`, `01` and `1.0` are the same one."""
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
            return f"rename {other} to {stem}.sql and this file to {stem}{ROLLBACK}"
    return None


def _rename(change: str, names: Collection[str]) -> str:
    rollback = change.removesuffix(".sql") + ROLLBACK
    return f"{rollback} exists too: remove one of them" if rollback in names else f"rename it to {rollback}"


def foreign_sections(script: Script) -> list[Problem]:
    """Refuse files of tools that keep both directions in one: all of it would run, the undo at once."""
    text = _tail(script) if script.text is None else script.text
    lowered = text.lower()
    for word in _SECTION_WORDS:
        if word in lowered:
            break
    else:
        return []
    found = ((words, match) for pattern, words in _SECTIONS if (match := re.search(pattern, text, re.MULTILINE)))
    return [
        Problem(
            f"{words} begins an undo section, which would run at once",
            Place(script.path)
            if script.text is None
            else place_at(script.path, text, match.start() + len(match[0]) - len(match[0].lstrip())),
            hint=f"move what follows it into {script.path.stem}{ROLLBACK}",
        )
        for words, match in found
    ]


def _tail(script: Script) -> str:
    """Return the end of a large script, where an undo section would stand; it may begin within a line."""
    with open_file(script.path) as file:
        file.seek(max(script.size - _TAIL, 0))
        return file.read(_TAIL).decode(errors="replace")
