"""Tell whether a time zone may decide what a script does to data."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlmigrate.sql.script import Script

# A type change between timestamp and timestamptz goes through the session's time zone. A word too many in a comment or
# body only has a pair tried twice.
_TYPE_CHANGE = re.compile(r"\btype\b[^;]*?\btimestamp(?:tz)?\b", re.IGNORECASE)


def depends_on_zone(scripts: Iterable[Script]) -> bool:
    """Tell whether one of a migration's scripts may change a type between timestamp and timestamptz."""
    return any(_TYPE_CHANGE.search(statement.text) for script in scripts for statement in script.statements())
