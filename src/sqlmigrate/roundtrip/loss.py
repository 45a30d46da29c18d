"""Find what a round trip dropped and made anew, so that what it held is gone even where the schema is restored."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import sql

from sqlmigrate import queries
from sqlmigrate.roundtrip.zones import TIMESTAMP, TIMESTAMPTZ, there_and_back
from sqlmigrate.sql.statement.rows import emptied, may_empty_more, overwritten

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlmigrate.connection import Connection
    from sqlmigrate.migrations import Migration
    from sqlmigrate.roundtrip.contents import Contents


OBJECT = "large object"
_STYLES = re.compile(r"extra_float_digits|datestyle|intervalstyle", re.IGNORECASE)
"""Settings that decide how values are written out, and whether that can be read again as the same."""
_REWRITES = re.compile(r"\b(?:ALTER|CLUSTER|VACUUM)\b", re.IGNORECASE)
"""What gives a table another file and keeps its rows; of DROP, CREATE and REFRESH a table that stays has none."""
_OF_ANY = re.compile(r"\b(?:EXECUTE|USING|EXPRESSION)\b", re.IGNORECASE)
"""With these words such a command may do it to a table that it does not name."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its place in its table, with what decides whether another type holds all of its values.

    `type` is the type below a domain, `labels` are those of an enumeration, `attributes` those of the composite types
    in it, each by its place; a `generated` one holds nothing of its own.
    """

    number: int
    type: int
    modifier: int
    generated: bool
    labels: list[str] | None
    attributes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Holder:
    """A table, sequence or large object that can hold data, by its oid; `names` is its schema and its name as they are.

    As JSON, since most holders are only compared: `described` are its columns, `above` are the names of what it is a
    partition of, and its own. `storage` is the number of its file, `column` the one that owns a sequence.
    """

    kind: str
    oid: int
    names: tuple[str, str]
    described: str
    above: str | None
    storage: int
    column: str | None

    def emptied_as(self) -> list[tuple[str, str]]:
        """Return the names by which a TRUNCATE empties it."""
        return [(space, name) for space, name in json.loads(self.above)] if self.above else [self.names]

    def columns(self) -> dict[str, Column]:
        """Return the columns by their names."""
        return {name: _column(*rest) for name, *rest in json.loads(self.described)}


def _column(number: int, type_: int, modifier: int, generated: bool, own: list[Any] | None) -> Column:  # noqa: FBT001
    if own is None:
        return Column(number, type_, modifier, generated, None)
    base, base_modifier, labels, attributes = own
    modifier = base_modifier if base != type_ else modifier
    return Column(number, base, modifier, generated, labels, frozenset(attributes))


def read_holders(connection: Connection, *, leave_out: Collection[str] = ()) -> dict[str, Holder]:
    """Read the tables and sequences of a database by their qualified names, and its large objects by their oids."""
    rows = connection.execute(queries.load("roundtrip")["holders"], {"leave_out": list(leave_out)})
    return {shown: Holder(kind, oid, (schema, name), *rest) for shown, kind, oid, schema, name, *rest in rows}


def _shown(contents: Contents) -> set[str]:
    """Return the names of what has rows or a value, so that its loss would show."""
    return {name for name, rows in contents.tables.items() if rows.count} | {*contents.sequences, *contents.objects}


def find_lost(
    connection: Connection,
    migration: Migration,
    before: Mapping[str, Holder],
    between: Mapping[str, Holder],
    after: Mapping[str, Holder],
    *,
    contents: Contents | None = None,
) -> Iterator[str]:
    """Name what was dropped and recreated, emptied, narrowed or overwritten.

    What is the same table, sequence or column is told by its oid and number: it may have had other names in between.
    `contents` are the rows that were there before, and that have been found to be there afterwards: what they show to
    come back is not lost. The connection is to the database as it is after the rollback.
    """
    shown = _shown(contents) if contents else set()
    then, now = ({item.oid: item for item in found.values() if item.kind != OBJECT} for found in (between, after))
    truncated, overwritten = _truncated(migration, before, then, after), set(_overwritten(migration))
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            continue
        if old.kind == OBJECT:  # whoever makes one may choose its oid
            if name not in between and name not in shown:
                yield f"{OBJECT} {name} is dropped and recreated"
            continue
        if new.oid != old.oid:
            # the sequence of a column that is recreated comes with it
            if name not in shown and (old.column is None or old.column == new.column):
                anew = f"{old.kind} {name} is dropped and recreated"
                yield f"{old.kind} {name} is not the same one as before" if old.oid in now else anew
            continue
        seen = [holder for holder in (old, then.get(old.oid)) if holder is not None]
        if name not in shown and name in truncated:
            yield f"table {name} is emptied"
        elif name not in shown and _is_emptied_unseen(migration, seen, new):
            yield f"table {name} is emptied or rewritten by SQL that the scripts do not show"
        lost = dict(_columns(connection, migration, seen, new))
        if new.storage != old.storage:
            lost = dict.fromkeys(_own(seen, overwritten), "is given values that are not computed from its own") | lost
        for column, words in lost.items():
            if not (name in shown and _has_values(connection, old.names, column)):
                yield f"column {name}.{column} {words}"


def _is_emptied_unseen(migration: Migration, seen: Sequence[Holder], new: Holder) -> bool:
    """Tell whether a table that stays has another file, which neither its columns nor any text of the scripts explain.

    Then a function or SQL that is put together while it runs has emptied it by TRUNCATE, most likely.
    """
    if new.kind != "table" or new.storage == seen[0].storage or any(old.described != new.described for old in seen):
        return False
    names = {name for holder in seen for _, name in holder.emptied_as()}
    texts = (statement.text for script in migration.scripts() for statement in script.statements())
    return not any(
        _REWRITES.search(text) and (_OF_ANY.search(text) or any(name in text.lower() or name in text for name in names))
        for text in texts
    )


def _own(seen: Sequence[Holder], columns: set[tuple[str | None, str, str]]) -> list[str]:
    """Return those columns, each by schema, table and name, that a holder has, whichever of its names they go by.

    One without a schema is in any. The names that are given are those of before.
    """
    if not columns:
        return []
    numbers = {
        column.number
        for holder in seen
        for name, column in holder.columns().items()
        if not columns.isdisjoint(((None, holder.names[1], name), (*holder.names, name)))
    }
    return sorted(name for name, column in seen[0].columns().items() if column.number in numbers)


def _columns(
    connection: Connection, migration: Migration, seen: Sequence[Holder], new: Holder
) -> Iterator[tuple[str, str]]:
    old = seen[0]
    if all(holder == new for holder in seen):
        return
    columns, then = new.columns(), _by_number(seen[-1])
    left = {column.number for column in columns.values()}
    for name, column in old.columns().items():
        if name not in columns or column.generated:
            continue
        called, between = then.get(column.number, (name, column))
        if columns[name].number != column.number:
            yield name, "is not the same one as before" if column.number in left else "is dropped and recreated"
        elif not column.attributes <= columns[name].attributes:
            yield name, "has an attribute of its type dropped and recreated"
        elif not _holds(connection, migration, column, between) and not (
            _is_of_time(column, between)
            and there_and_back(connection, migration, [holder.names for holder in seen], (name, called))
        ):
            yield name, "has a type in between that cannot hold all values"


def _by_number(holder: Holder) -> dict[int, tuple[str, Column]]:
    return {column.number: (name, column) for name, column in holder.columns().items()}


def _is_of_time(old: Column, new: Column) -> bool:
    """Tell whether one is a timestamp, the other one with time zone, and it has as many digits."""
    holds = new.modifier == -1 or new.modifier >= old.modifier >= 0
    return {old.type, new.type} == {TIMESTAMP, TIMESTAMPTZ} and holds


def _holds(connection: Connection, migration: Migration, old: Column, new: Column) -> bool:
    """Tell whether every value of one type has a place in another."""
    if old == new:
        return True
    if old.labels is not None and new.labels is not None:
        # the values of an enumeration stay where its labels get other names
        return old.type == new.type or set(old.labels) <= set(new.labels)
    statements = (statement.text for script in migration.scripts() for statement in script.statements())
    values = {
        "old": old.type,
        "new": new.type,
        "old_modifier": old.modifier,
        "new_modifier": new.modifier,
        "styled": any(map(_STYLES.search, statements)),
    }
    row: Any = connection.execute(queries.load("roundtrip")["holds"], values).fetchone()
    return bool(row[0])


def _has_values(connection: Connection, table: tuple[str, str], column: str) -> bool:
    query = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} IS NOT NULL)")
    row: Any = connection.execute(query.format(sql.Identifier(*table), sql.Identifier(column))).fetchone()
    return bool(row[0])


def _truncated(
    migration: Migration, before: Mapping[str, Holder], then: Mapping[int, Holder], after: Mapping[str, Holder]
) -> set[str]:
    """Return the known tables that the scripts have emptied by TRUNCATE: it names them, and they have another file.

    Where the statement does not name all of them, these are all tables that have another file.
    """
    texts = [statement.text for script in migration.scripts() for statement in script.statements()]
    named = {(table.schema or None, table.name) for text in texts for table in emptied(text)}
    whole = any(map(may_empty_more, texts))
    if not named and not whole:
        return set()
    return {
        name
        for name, old in before.items()
        if old.kind == "table" and (new := after.get(name)) is not None and new.storage != old.storage
        # a name without a schema is any of that name
        if whole
        or not named.isdisjoint(
            (part, table)
            for holder in (old, then.get(old.oid, old))
            for space, table in holder.emptied_as()
            for part in (None, space)
        )
    }


def _overwritten(migration: Migration) -> Iterator[tuple[str | None, str, str]]:
    """Return the schema, table and name of columns whose values are not made of their own by TYPE ... USING."""
    for script in migration.scripts():
        for statement in script.statements():
            for table, column in overwritten(statement.text):
                yield table.schema or None, table.name, column
