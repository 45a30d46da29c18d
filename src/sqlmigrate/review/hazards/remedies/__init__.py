"""What to do instead of a rewrite or a scan under a lock, as SQL for the very table.

Pure functions of what a statement found and left. `review.advice` runs each remedy on the shadow before anybody sees
it; the first of several that is proven is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies import domains, partitions
from sqlmigrate.review.hazards.remedies.tables import online
from sqlmigrate.sql.statement.subject import speaks_of_partition

if TYPE_CHECKING:
    from sqlmigrate.review.remedy import Remedy
    from sqlmigrate.review.trace.tracer import Traced

Instead = tuple[str | None, "tuple[Remedy, ...]"]
"""What to do, in words, None where the rule's own words are all that there is to say; and in SQL, the best first."""

_QUIET = "there is no way that stops nobody: choose a quiet moment, or copy the rows into a new table and swap the two"
_SECOND_COLUMN = (
    "add a second column of the new type, keep both equal with a trigger, fill it in batches, then switch over; "
    "indexes, constraints and what refers to the column move to the new one before that"
)
_COMPUTED = (
    "compute it when it is read, by a view or (PostgreSQL 18) a VIRTUAL column; else keep an ordinary column by a "
    "trigger and fill the old rows in batches"
)
_NUMBERED = (
    "add the column without its default, let a sequence number the new rows, number the old ones in batches, and make "
    "it NOT NULL, or an identity, then"
)
_DEFAULT_LATER = "add the column without its default, set the default for new rows, and fill the old ones in batches"
_OF_DOMAIN = (
    "a column of a domain with constraints is checked row by row: add the column with the type below the domain, "
    "and with the domain's checks as constraints NOT VALID, which you validate later"
)
_REPACK = "use pg_repack or pg_squeeze, which hold a strong lock on the table only for a moment"
_BOUNDS = (
    "add a check NOT VALID beforehand and validate it, so that it proves that the rows lie within the bounds (or, for "
    "a default partition, that none belongs to the new one): then nothing is read"
)
_PROVEN = "prove it with a check first: SET NOT NULL then reads nothing"
_NOT_VALID = "add it NOT VALID, which reads nothing, and validate it in a migration of its own"
_DOMAIN = (
    "add it NOT VALID: from then on new values are checked; validate it later, which stops writers only before "
    "PostgreSQL 17"
)


def without_rewriting(one: Traced) -> Instead:
    """Say what to do instead of the kind of rewrite that a statement is."""
    if one.command in ("VACUUM", "CLUSTER"):
        return _REPACK, ()
    return _words_for_rewrite(one), online(one)


def _words_for_rewrite(one: Traced) -> str | None:
    after = one.step.after
    columns = [text.partition(" (now ")[0] for text in one.changes.made if text.startswith("column ")]
    for text in columns:
        made = after.get(text, {})
        if made.get("generated"):
            return _COMPUTED
        if made.get("identity") or str(made.get("default", "")).startswith("nextval("):
            return _NUMBERED
        if f"domain {made.get('type')}" in after and not made.get("default"):
            return _OF_DOMAIN
    if columns:
        return _DEFAULT_LATER
    if _has_other_type(one):
        return _SECOND_COLUMN
    return _QUIET if one.command == "ALTER TABLE" else None


def _has_other_type(one: Traced) -> bool:
    before, after = one.step.before, one.step.after
    changed = [text for text in one.changes.changed if text.startswith("column ") and text in before]
    return any(
        before.get(text, {}).get(key) != after.get(text, {}).get(key)
        for text in changed
        for key in ("type", "collation")
    )


def without_scanning(one: Traced) -> Instead:
    """Say what to do instead of reading a whole table under a lock."""
    if next(partitions.joined(one), None) or speaks_of_partition(one.statement.text):
        found = partitions.attached(one)
        return _BOUNDS, (found,) if found else ()
    if domains.is_constrained(one):
        return _DOMAIN, domains.validated_later(one)
    return _words_for_scan(one), online(one)


def _words_for_scan(one: Traced) -> str | None:
    after = one.step.after
    definitions = [
        str(after.get(text, {}).get("definition", "")) for text in one.changes.made if text.startswith("constraint ")
    ]
    if any(definition.startswith(("CHECK", "FOREIGN KEY")) for definition in definitions):
        return _NOT_VALID
    if _has_other_type(one):
        return _SECOND_COLUMN
    changed = [text for text in (*one.changes.changed, *one.changes.made) if text.startswith("column ")]
    return _PROVEN if any(after.get(text, {}).get("not null") for text in changed) else None
