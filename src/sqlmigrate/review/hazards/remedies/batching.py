"""An UPDATE or DELETE of many rows, written so that it runs in batches: see docs/backfilling.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlmigrate.review.remedy import Remedy, RemedyStep
from sqlmigrate.review.work import is_called
from sqlmigrate.sql.batches import CTID, Batched
from sqlmigrate.sql.statement.batching import assigned, in_batches, target_of
from sqlmigrate.sql.statement.bounds import repeats
from sqlmigrate.sql.statement.names import Named, index_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.review.trace.tracer import Traced

_KEY = re.compile(r"(?:PRIMARY KEY|UNIQUE) \((.*?)\)(?: |$)")
_PATH = re.compile(r'"(?:[^"]|"")+"|[^".]+')
_NAMES = re.compile(r'"(?:[^"]|"")+"|[^",\s]+')
_PLAIN = re.compile(r"[\w.$]+(?:,[\w.$]+)*")
THROTTLE = "-- sqlmigrate-throttle: lag=5s waiters=0"
"""What holds the next batch back in a file that we write: standbys that lag, and sessions that wait."""
_TELLS_NOTHING = "-- No query tells from a row whether it is done: every row is changed once all the same."


def batched(one: Traced) -> tuple[Remedy, ...]:
    """Return an UPDATE or DELETE as one that runs in batches, at best with a query that verifies it.

    None where it cannot run so, or its table has no key for it.
    """
    table = _table(one)
    if table is None:
        return ()
    state = one.step.before
    changed = assigned(one.statement.text)
    has_places = not state.get(f"table {table}", {}).get("partition key")
    keys = (*_keys(state, table), *([(CTID,)] if has_places else []))
    key = next((key for key in keys if not changed.intersection(key)), None)
    if key is None:
        return ()
    types = {
        _unquoted(name.removeprefix(f"{table}.")): str(properties.get("type"))
        for name, properties in state.of("column").items()
        if properties.get("table") == table
    }
    found = (_remedy(one.statement.text, table, key, types, telling=telling) for telling in (True, False))
    return tuple(dict.fromkeys(remedy for remedy in found if remedy is not None))


def _table(one: Traced) -> str | None:
    """Return the full name of the table that a statement changes, as it finds it; None where it has another kind."""
    named = target_of(one.statement.text) if one.command in ("UPDATE", "DELETE") else None
    if named is None:
        return None
    locked = {lock.name for lock in one.locks}
    found = [name for name, known in one.step.known.items() if is_called(name, named) and known.name in locked]
    return found[0] if len(found) == 1 else None


def _remedy(text: str, table: str, key: tuple[str, ...], types: dict[str, str], *, telling: bool) -> Remedy | None:
    path = tuple(map(_unquoted, _PATH.findall(table)))
    wanted = Batched(0, 0, path, key)
    made = in_batches(text, wanted, types, telling=telling)
    if key == (CTID,) and (made is None or made.verify is None or repeats(made.text, wanted)):
        return None  # a row may be in two batches
    head = batch_remark(table, [Named("", name).quoted for name in key])
    if made is None or head is None:
        return None
    lines = [head, THROTTLE]
    lines.append(f"-- sqlmigrate-verify: {made.verify}" if made.verify else _TELLS_NOTHING)
    sql = "\n".join([*lines, f"{made.text};"])
    return Remedy((RemedyStep("backfill", sql, None, transactional=False),), same=True)


def batch_remark(table: str, key: Sequence[str]) -> str | None:
    """Return the remark by which a statement runs in batches of a table, by a key; None where it cannot hold a name.

    The names are as SQL writes them.
    """
    pairs = [_pair("table", table), _pair("key", ",".join(key))]
    return None if None in pairs else f"-- sqlmigrate-batch: {' '.join(filter(None, pairs))} time=500ms"


def _pair(name: str, value: str) -> str | None:
    """Write a value of a remark, in quotes where it needs them; None where it can stand in none."""
    if _PLAIN.fullmatch(value):
        return f"{name}={value}"
    return None if "'" in value or "\n" in value else f"{name}='{value}'"


def _keys(state: State, table: str) -> Iterator[tuple[str, ...]]:
    """Yield the keys by which batches of a table could be cut: first the primary one."""
    definitions = [
        str(properties.get("definition", ""))
        for properties in state.of("constraint").values()
        if properties.get("table") == table
    ]
    found = [_NAMES.findall(match[1]) for text in definitions if (match := _KEY.match(text)) and "PRIMARY" in text]
    found += [_NAMES.findall(match[1]) for text in definitions if (match := _KEY.match(text)) and "UNIQUE" in text]
    for properties in state.of("index").values():
        text = str(properties.get("definition", ""))
        if properties.get("table") == table and text.startswith("CREATE UNIQUE") and " WHERE " not in text:
            found.append(index_columns(text))
    for names in found:
        columns = [state.get(f"column {table}.{name}", {}) for name in names]
        if names and all(column.get("not null") for column in columns):
            yield tuple(map(_unquoted, names))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
