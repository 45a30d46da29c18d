"""Names that a remedy makes up: quoted as PostgreSQL does it, short enough, and not in use."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from sqlmigrate.sql.statement.instead import name_parts
from sqlmigrate.sql.statement.names import Named

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = 63  # bytes that PostgreSQL keeps of a name


def with_ending(name: str, ending: str, is_taken: Callable[[str], bool] = lambda _: False) -> str:
    """Return an unqualified, quoted name with another ending, and a number where that one is taken."""
    bare = name_parts(name)[-1].encode()
    for number in itertools.count(1):
        tail = f"{ending}{number if number > 1 else ''}"
        made = bare[: _LONGEST - len(tail.encode())].decode(errors="ignore") + tail
        if not is_taken(quoted := Named("", made).quoted):
            return quoted
    raise AssertionError  # pragma: no cover  the numbers have no end


def beside(table: str, name: str) -> str:
    """Qualify a name by the schema of a table."""
    return Named(name_parts(table)[0], name_parts(name)[-1]).quoted


def last_part(name: str) -> str:
    """Return a name without its schema, quoted where it needs it."""
    return Named("", name_parts(name)[-1]).quoted


def named_in(text: str, name: str) -> re.Pattern[str] | None:
    """Return a pattern that finds a quoted name in a definition by PostgreSQL, None where it is not in there."""
    pattern = re.compile(rf"""(?<![\w"$.']){re.escape(name)}(?![\w"$(])""")
    return pattern if pattern.search(text) else None
