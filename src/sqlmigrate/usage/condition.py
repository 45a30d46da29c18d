"""The condition `-- sqlmigrate: unused-for=14d`: what its script drops or renames was not used for so long."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg

from sqlmigrate.errors import Error, redact
from sqlmigrate.sql.directives import format_duration
from sqlmigrate.sql.statement.removals import removals_of
from sqlmigrate.usage.looking import Earlier, look

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.sql.statement.removals import Removals
    from sqlmigrate.usage.looking import Condition

_USED = (
    "once nothing uses it any more, start counting anew (SELECT pg_stat_statements_reset()), and run this again when "
    "the time is over"
)
_UNKNOWN = "see docs/workload.md for what each of these needs; without `unused-for` in the file nothing is asked"


def require_unused(connection: Connection, run: Sequence[Condition], outcome: str) -> list[str]:
    """Refuse a run of scripts where the `unused-for` of one does not hold; return what is to be said where all do.

    The database is only read. `outcome` says in the error what did not happen. Raises Error.
    """
    if not any(item.script.directives.unused_for for item in run):
        return []
    said: list[str] = []
    earlier = Earlier()
    for item in run:
        removals = removals_of(item.script)
        earlier.before(removals)
        if item.script.directives.unused_for:
            said += _required(connection, item, removals, earlier, outcome)
        earlier.after(removals)
    return said


def _required(
    connection: Connection, item: Condition, removals: Removals, earlier: Earlier, outcome: str
) -> Iterator[str]:
    milliseconds = item.script.directives.unused_for or 0
    place = item.script.directive_place("unused-for")
    asked = f"unused-for={format_duration(milliseconds)}"
    try:
        uses, unclear = look(connection, item, removals, earlier, timedelta(milliseconds=milliseconds))
    except psycopg.Error as error:
        reason = error.diag.message_primary or redact(str(error).strip())
        uses, unclear = [], [f"the database could not be asked: {reason}"]
    used = [use.said for use in uses if use.verdict == "used"]
    unknown = [*removals.unclear, *unclear, *(use.said for use in uses if use.verdict == "unknown")]
    if used or unknown:
        reasons = "".join(f"\n  {reason}" for reason in [*used, *unknown])
        holds = "does not hold" if used else "cannot be told"
        raise Error(f"the condition {asked} {holds}; {outcome}{reasons}", place=place, hint=_USED if used else _UNKNOWN)
    for use in uses:
        yield "; ".join([f"{place.path.name}: {asked} holds: {use.said}", *use.notes])
    if not uses:
        nothing = "nothing of what it drops or renames is there yet" if removals.objects else "it drops nothing"
        yield f"{place.path.name}: {asked} asks nothing of this script: {nothing}"
