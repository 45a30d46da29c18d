"""The two scripts of a baseline, from what `pg_dump` writes with and without `--clean`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.shadow.written import joined, without

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SESSION = ("SET LOCAL check_function_bodies = false", "SELECT pg_catalog.set_config('search_path', '', true)")
NAME = r'(?:"(?:[^"]|"")+"|\w+)(?:\.(?:"(?:[^"]|"")+"|\w+))?'
_ATTACHED = re.compile(rf"ALTER INDEX {NAME} ATTACH PARTITION ({NAME})")
_DROPPED_INDEX = re.compile(rf"DROP INDEX ({NAME})")
_DROPPED_CONSTRAINT = re.compile(rf"ALTER TABLE(?: ONLY)? ({NAME}) DROP CONSTRAINT (.+)", re.DOTALL)
# Rights that no object of the script holds, and which do not go with one.
_GIVEN = re.compile(
    r"((?:ALTER DEFAULT PRIVILEGES )?.*?)\b(GRANT|REVOKE) "
    r"(.+ ON (?:SCHEMA public\b|TABLES|SEQUENCES|FUNCTIONS|TYPES|SCHEMAS).*?) +(TO|FROM) (.+)",
    re.DOTALL,
)


def script(head: Iterable[str], made: Sequence[str]) -> str:
    """Write the script that makes it, below comments: a name of a role in one may hold the end of a line."""
    remarks = (f"-- {' '.join(line.splitlines())}\n" for line in head)
    return "".join(remarks) + "\n" + joined([*_SESSION, *made])


def rollback(migration_id: str, made: Sequence[str], clean: Sequence[str]) -> str:
    """Write the script that removes what `made` makes; `clean` are the statements of `pg_dump --clean`.

    Indexes and keys of partitions go with those of the whole table: they cannot be dropped by themselves.
    """
    attached = {found[1] for text in made if (found := _ATTACHED.match(text))}
    drops = [text for text in without(clean, made) if _dropped(text) not in attached]
    return f"-- rolls back {migration_id}\n\n" + joined([_SESSION[1], *_taken_back(made), *drops])


def _dropped(text: str) -> str | None:
    """Return the index that a statement drops, also as a constraint."""
    if found := _DROPPED_INDEX.match(text):
        return found[1]
    if found := _DROPPED_CONSTRAINT.match(text):
        return f"{found[1].rpartition('.')[0]}.{found[2]}"
    return None


def _taken_back(made: Sequence[str]) -> list[str]:
    """Return what takes back the privileges that belong to no object of the script, the last first."""
    found = []
    for text in reversed(made):
        match = _GIVEN.fullmatch(text)
        if match and (text.startswith("ALTER DEFAULT PRIVILEGES") or " ON SCHEMA public " in text):
            verb, word = ("REVOKE", "FROM") if match[2] == "GRANT" else ("GRANT", "TO")
            found.append(f"{match[1]}{verb} {match[3]} {word} {match[5]}")
    return found
