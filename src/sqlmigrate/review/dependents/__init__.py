"""Function bodies that work before a script and no longer behind it, found by asking PostgreSQL about both."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.dependents.checking import failing
from sqlmigrate.review.dependents.model import Broken
from sqlmigrate.review.dependents.naming import mentioned
from sqlmigrate.review.trace.follow import State
from sqlmigrate.sql.statement.plpgsql import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlmigrate.review.trace.tracer import Trace
    from sqlmigrate.shadow import Shadow, ShadowDatabase

__all__ = ["Broken", "broken_bodies", "candidates"]

_NOW = re.compile(r"^(.+) \(now (.+)\)$")
_EVERYTHING = ("extension ", "schema ")
_OVERLOADS = ("column ", "function ", "procedure ", "aggregate ")


def broken_bodies(
    shadow: Shadow, trace: Trace, before: ShadowDatabase, after: ShadowDatabase, *, search_path: str | None
) -> tuple[Broken, ...]:
    """Check the functions whose text names what a script drops, renames or changes, on both sides of it.

    No session may be open in `before`, which the script ran on a copy of; `after` is what it left. `search_path` is
    that of the scripts, None for the login's. Nothing is kept in either.
    """
    names = candidates(trace) if trace.error is None else []
    if not names:
        return ()
    now = {key: error for key, error in failing(shadow, after, names, search_path).items() if error}
    if not now:
        return ()
    known = failing(shadow, before, sorted({key.function for key in now}), search_path)
    return tuple(
        Broken(key.function, key.statement, error, key.table) for key, error in now.items() if key.passed(known)
    )


def candidates(trace: Trace) -> list[str]:
    """Return the functions and procedures that are there before and behind a script, and name what it changes."""
    touched = list(_touched(trace))
    if not touched:
        return []
    words = {word for text in touched for word in mentioned(text)}
    everything = any(text.startswith(_EVERYTHING) for text in touched)
    before, after = State(trace.before.schema), State(trace.after.schema)
    return [
        name
        for kind in ("function", "procedure")
        for name, properties in before.of(kind).items()
        if f"{kind} {name}" in after and (everything or words & words_of(str(properties.get("definition", ""))))
    ]


def _touched(trace: Trace) -> Iterator[str]:
    """Yield what a script drops or changes, by its old name and its new one, and what may be taken for another."""
    for one in trace.statements:
        for text in (*one.changes.dropped, *one.changes.changed):
            match = _NOW.match(text)
            yield match[1] if match else text
        yield from (text for text in one.changes.made if text.startswith(_OVERLOADS))
