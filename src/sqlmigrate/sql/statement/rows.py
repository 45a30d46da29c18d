"""What a statement does to rows and values: the tables that it writes whole or empties, the columns that it rewrites.

Each question is answered for the statement itself and, where it is a DO block, for the statements written in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.bodies import itself_and_run_by_block
from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.parse import children, node_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALTER, _USING = re.compile(r"\balter\b", re.IGNORECASE), re.compile(r"\busing\b", re.IGNORECASE)
_TRUNCATE = re.compile(r"\btruncate\b", re.IGNORECASE)
_WRITES = re.compile(r"\b(?:UPDATE|DELETE|TRUNCATE)\b", re.IGNORECASE)
# CASCADE, or the beginning of a text that a DO block puts together while it runs.
_NOT_ALL_NAMED = re.compile(r"['$]\s*truncate\b|\btruncate\b[^;]*\bcascade\b", re.IGNORECASE)
_CHANGES_COLUMN = re.compile(r"\b(?:SET\s+NOT\s+NULL|DROP\s+DEFAULT)\b", re.IGNORECASE)
_READS = re.compile(r"\b(?:SELECT|TABLE|EXECUTE)\b", re.IGNORECASE)
_ZONE_FUNCTION = "timezone"
_JOINED = {"update_stmt": "from_clause", "delete_stmt": "using_clause"}


@dataclass(frozen=True, slots=True)
class Retyping:
    """A command that changes the type of a column; `zone` is that of `USING column AT TIME ZONE 'zone'`, and only that.

    Without USING it is the session's zone, which need not be the same on both ways: None.
    """

    table: Named
    column: str
    zone: str | None


@dataclass(frozen=True, slots=True)
class EnumChange:
    """An ALTER TYPE that adds `new` to an enum, or gives the value `old` that name; "" where there is none."""

    old: str
    new: str


def written_whole(statement: str) -> Iterator[tuple[str, Named]]:
    """Yield the tables whose every row is written, by UPDATE or DELETE without WHERE, or TRUNCATE, with the command."""
    for text in itself_and_run_by_block(statement, _WRITES):
        if not _WRITES.search(text):
            continue
        kind, node = node_of(text)
        command = kind.partition("_")[0].upper()
        if kind == "truncate_stmt":
            yield from ((command, name_of(item.range_var)) for item in node.relations)
        elif (joined := _JOINED.get(kind)) and not (node.HasField("where_clause") or getattr(node, joined)):
            yield command, name_of(node.relation)


def inserts_given_rows(statement: str) -> bool:
    """Tell whether an INSERT writes the rows that stand in it, in VALUES, and none that it reads."""
    if leading_words(statement, 1) == ["insert"] and not _READS.search(statement):
        return True  # most are, and are not parsed for it
    kind, node = node_of(statement)
    return kind == "insert_stmt" and bool(node.select_stmt.select_stmt.values_lists)


def inserted_columns(statement: str) -> tuple[Named, tuple[str, ...] | None, frozenset[int]] | None:
    """Return the table of an INSERT, the columns that it names (None: all in their order), and which it leaves out.

    Left out are the places at which every row of its VALUES says DEFAULT. None where the statement is no INSERT.
    """
    kind, node = node_of(statement)
    if kind != "insert_stmt" or not node.HasField("select_stmt"):
        return None
    rows = [values.list.items for values in node.select_stmt.select_stmt.values_lists]
    width = min(map(len, rows), default=0)
    default = frozenset(at for at in range(width) if all(row[at].HasField("set_to_default") for row in rows))
    names = tuple(Named("", item.res_target.name).quoted for item in node.cols)
    return name_of(node.relation), names or None, default


def emptied(statement: str) -> Iterator[Named]:
    """Yield the tables that a TRUNCATE names."""
    if leading_words(statement, 1) not in (["do"], ["truncate"]):
        return
    for text in itself_and_run_by_block(statement, _TRUNCATE):
        if leading_words(text, 1) == ["truncate"]:
            kind, node = node_of(text)
            yield from (name_of(item.range_var) for item in (node.relations if kind == "truncate_stmt" else ()))


def may_empty_more(statement: str) -> bool:
    """Tell whether a TRUNCATE may empty tables that it does not name, or is put together while a DO block runs."""
    return leading_words(statement, 1) in (["do"], ["truncate"]) and bool(_NOT_ALL_NAMED.search(statement))


def overwritten(statement: str) -> Iterator[tuple[Named, str]]:
    """Yield the tables and columns whose values are not made of their own by TYPE ... USING."""
    for text in itself_and_run_by_block(statement, _ALTER):
        if _USING.search(text):
            for table, column, new in _changed_columns(text):
                if new.HasField("raw_default") and column not in _columns_in(new.raw_default):
                    yield table, column


def retypings(statement: str) -> Iterator[Retyping]:
    """Yield the commands that change a column's type."""
    for text in itself_and_run_by_block(statement, _ALTER):
        for table, column, new in _changed_columns(text):
            if new.HasField("type_name"):
                yield Retyping(table, column, _zone(new.raw_default, column))


def changes_columns_later(statement: str) -> bool:
    """Tell whether a statement says SET NOT NULL or DROP DEFAULT anywhere."""
    return bool(_CHANGES_COLUMN.search(statement))


def enum_change(statement: str) -> EnumChange | None:
    """Return what an ALTER TYPE does to the values of an enum, None where the statement does nothing to them."""
    if leading_words(statement, 2) != ["alter", "type"]:
        return None
    kind, node = node_of(statement)
    return EnumChange(node.old_val, node.new_val) if kind == "alter_enum_stmt" else None


def _changed_columns(statement: str) -> Iterator[tuple[Named, str, Any]]:
    """Yield table, column and definition of each command of an ALTER TABLE that is about a column that is there."""
    if leading_words(statement, 2) != ["alter", "table"]:
        return
    kind, node = node_of(statement)
    for item in node.cmds if kind == "alter_table_stmt" else ():
        command = item.alter_table_cmd
        if command.name:
            yield name_of(node.relation), command.name, getattr(command, "def").column_def


def _columns_in(node: Any) -> Iterator[str]:
    """Yield the names that stand for columns in an expression."""
    if node.DESCRIPTOR.name == "ColumnRef":
        yield from (field.string.sval for field in node.fields)
    for _, items in children(node):
        for item in items:
            yield from _columns_in(item)


def columns_named(expression: str) -> frozenset[str]:
    """Return the columns that an expression reads, quoted as the catalogs do it; none where it cannot be parsed."""
    _, node = node_of(f"SELECT {expression}")
    names = _columns_in(node) if node is not None else ()
    return frozenset(Named("", name).quoted for name in names)


def _zone(using: Any, column: str) -> str | None:
    """Return the zone of `column AT TIME ZONE 'zone'`, which is parsed as timezone('zone', column)."""
    call = using.func_call
    if len(call.args) != 2 or call.funcname[-1].string.sval != _ZONE_FUNCTION:  # noqa: PLR2004
        return None
    zone, value = call.args
    names = [field.string.sval for field in value.column_ref.fields]
    return zone.a_const.sval.sval or None if names[-1:] == [column] else None
