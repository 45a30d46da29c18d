"""Fill a column of old rows in batches, each committed before the next one begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlmigrate.review.hazards.remedies.batching import THROTTLE, batch_remark

if TYPE_CHECKING:
    from sqlmigrate.review.hazards.remedies.place import Place

_BATCH = 1000

_IN_BATCHES = """\
{remarks}
UPDATE {table} SET {column} = {value}
WHERE {key} >= $1 AND {key} <= $2 AND {column} IS NULL"""

_VERIFY = "-- sqlmigrate-verify: SELECT NOT EXISTS (SELECT FROM {table} WHERE {column} IS NULL)"

_BY_KEY = """\
DO $fill$
DECLARE
    batch_from {table}.{key}%TYPE := (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1);
    batch_to {table}.{key}%TYPE;
BEGIN
    LOOP
        batch_to := (
            SELECT {key}
            FROM (SELECT {key} FROM {table} WHERE {key} >= batch_from ORDER BY {key} LIMIT {batch}) AS batch
            ORDER BY {key} DESC
            LIMIT 1
        );
        UPDATE {table} SET {column} = {value}
        WHERE {key} BETWEEN batch_from AND batch_to AND {column} IS NULL;
        COMMIT;
        batch_from := (SELECT {key} FROM {table} WHERE {key} > batch_to ORDER BY {key} LIMIT 1);
        EXIT WHEN batch_from IS NULL;
    END LOOP;
END
$fill$"""

_BY_PLACE = """\
DO $fill$
BEGIN
    LOOP
        UPDATE {table} SET {column} = {value}
        WHERE {rows} (SELECT {place} FROM {table} WHERE {column} IS NULL LIMIT {batch}){end};
        EXIT WHEN NOT FOUND;
        COMMIT;
    END LOOP;
END
$fill$"""


def by_key(place: Place, column: str, value: str, key: str) -> str:
    """Fill a column in the order of the primary key; it ends even if a value turns out to be NULL."""
    return _in_batches(place, column, value, key) or _BY_KEY.format(
        table=place.table, key=key, column=column, value=value, batch=_BATCH
    )


def _in_batches(place: Place, column: str, value: str, key: str, verify: str = "") -> str | None:
    """Write the UPDATE so that it runs in batches; None where others inherit from the table, or for want of a name."""
    heirs = (properties.get("inherits") for properties in place.one.step.before.of("table").values())
    head = batch_remark(place.table, [key])
    if head is None or any(place.table in parents for parents in heirs if isinstance(parents, tuple)):
        return None
    remarks = "\n".join(filter(None, (head, THROTTLE, verify)))
    return _IN_BATCHES.format(remarks=remarks, table=place.table, key=key, column=column, value=value)


def filled(place: Place, column: str, value: str) -> str:
    """Fill a column with a value that is never NULL, by the primary key if it has one column."""
    if key := place.key():
        verify = _VERIFY.format(table=place.table, column=column)
        return _in_batches(place, column, value, key, verify) or by_key(place, column, value, key)
    if place.is_partitioned():
        rows, at, end = "(tableoid, ctid) IN", "tableoid, ctid", ""
    else:
        rows, at, end = "ctid = ANY (ARRAY", "ctid", ")"
    return _BY_PLACE.format(table=place.table, column=column, value=value, rows=rows, place=at, end=end, batch=_BATCH)
