"""What a script takes away from the rows and values of a database, and the names that it changes on the way.

They are read in their order, since a name may stand for another table by then: after a RENAME, or for one that the
script has made itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.bodies import bodies_of, run_by_block
from sqlmigrate.sql.statement.bounds import bounds_alone
from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.narrowing import Retype, read_retype
from sqlmigrate.sql.statement.parse import enum_name, node_of, parse_tree
from sqlmigrate.sql.statement.taking_words import TAKES, may_take

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sqlmigrate.sql.script import Script

_TAKING = frozenset({"drops", "empties", "retypes", "unclear"})
_IN_BLOCK = re.compile(r"\b(?:DROP|TRUNCATE|DELETE|ALTER)\b", re.IGNORECASE)
_DYNAMIC = re.compile(r"\bEXECUTE\b(?!\s+(?:FUNCTION|PROCEDURE|ON)\b)", re.IGNORECASE)
# what holds no rows cannot lose any, such as a policy or a trigger
_TAKES_ROWS = re.compile(
    r"\bDROP\s+(?:TABLE|SCHEMA|COLUMN|TYPE|DOMAIN|MATERIALIZED|SEQUENCE|EXTENSION|OWNED|%|'|\|)|\bTRUNCATE\b"
    r"|\bDELETE\s+FROM\b",
    re.IGNORECASE,
)
_READ = frozenset({"alter", "create", "drop", "truncate", "delete", "do", "select"})
_KINDS = {
    "TABLE": "relation", "VIEW": "relation", "MATVIEW": "relation", "FOREIGN_TABLE": "relation",
    "SEQUENCE": "relation", "TYPE": "type", "DOMAIN": "type", "SCHEMA": "schema", "EXTENSION": "extension",
    "FUNCTION": "routine", "PROCEDURE": "routine", "ROUTINE": "routine", "AGGREGATE": "routine",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a script does to names, rows or values.

    `how` is one of makes, renames, moves (to a schema), drops, empties, retypes and unclear. `kind` is relation,
    column, schema, type, routine, extension or role (whose objects are dropped). `part` is the column, `new` the new
    name, the new schema, or why it is unclear. `cascade` takes along what depends on it, `only` leaves out partitions
    and children, `unless_there` does nothing where it is there already, and `temporary` makes what ends with the
    session. `line` and `offset` are the statement's.
    """

    how: str
    kind: str
    name: Named
    part: str = ""
    new: str = ""
    cascade: bool = False
    only: bool = False
    unless_there: bool = False
    temporary: bool = False
    retype: Retype | None = None
    line: int = 0
    offset: int = 0


def takes_something(script: Script) -> bool:
    """Tell whether a script takes something away: only statements that hold a word for it are parsed.

    A dump has thousands of statements that make something, and to parse each takes longer than to run it.
    """
    return may_take(script) and any(
        act.how in _TAKING for act in _acts_of(script, lambda text: bool(TAKES.search(text)))
    )


def takings_of(script: Script) -> Iterator[Act]:
    """Yield what a script does to names, rows and values, in the order of its statements."""
    return _acts_of(script, lambda _: True)


def _acts_of(script: Script, chosen: Callable[[str], bool]) -> Iterator[Act]:
    for statement in script.readable_statements():
        if not chosen(statement.text):
            continue
        if set(leading_words(statement.text, 1)) & _READ:
            for act in _acts(statement.text):
                yield replace(act, line=statement.line, offset=statement.offset)


def _acts(text: str) -> Iterator[Act]:
    kind, node = node_of(text)
    if kind == "do_stmt":
        yield from _of_block(text, node)
    elif reader := _READERS.get(kind):
        yield from reader(node)
    elif node is None and _TAKES_ROWS.search(text):
        yield Act("unclear", "", Named("", ""), new="it cannot be parsed")


def _of_block(text: str, node: Any) -> Iterator[Act]:
    """Yield what the statements written in a block take; what it makes may stand behind an IF, and does not count."""
    for part in run_by_block(text, _IN_BLOCK):
        tree = parse_tree(part)
        for raw in tree.stmts if tree else ():
            kind = raw.stmt.WhichOneof("node")
            if reader := _READERS.get(kind):
                yield from (act for act in reader(getattr(raw.stmt, kind)) if act.how != "makes")
    body = " ".join(bodies_of(node.args))
    if _DYNAMIC.search(body) and _TAKES_ROWS.search(body):
        yield Act("unclear", "", Named("", ""), new="the DO block puts its SQL together as it runs (EXECUTE)")


def _words(names: Iterable[Any]) -> Named:
    words = [item.string.sval for item in names]
    return Named(words[-2] if len(words) > 1 else "", words[-1])


def _cascades(node: Any) -> bool:
    return enum_name(node, "behavior") == "DROP_CASCADE"


def _drop(node: Any) -> Iterator[Act]:
    kind = _KINDS.get(enum_name(node, "remove_type").removeprefix("OBJECT_"))
    for item in node.objects if kind else ():
        yield Act("drops", kind or "", _dropped_name(item), cascade=_cascades(node))


def _dropped_name(item: Any) -> Named:
    match item.WhichOneof("node"):
        case "list":
            return _words(item.list.items)
        case "type_name":
            return _words(item.type_name.names)
        case "object_with_args":
            return _words(item.object_with_args.objname)
    return Named("", item.string.sval)


def _drop_owned(node: Any) -> Iterator[Act]:
    for role in node.roles:
        name = role.role_spec.rolename
        yield Act("drops", "role", Named("", name), cascade=_cascades(node))


def _drop_database(node: Any) -> Iterator[Act]:
    yield Act("unclear", "", Named("", ""), new=f"it drops the database {node.dbname} with all that is in it")


def _truncate(node: Any) -> Iterator[Act]:
    for item in node.relations:
        name, only = name_of(item.range_var), not item.range_var.inh
        yield Act("empties", "relation", name, new="truncate", cascade=_cascades(node), only=only)


def _delete(node: Any) -> Iterator[Act]:
    if not node.using_clause and (not node.HasField("where_clause") or bounds_alone(node.where_clause)):
        yield Act("empties", "relation", name_of(node.relation), new="delete", only=not node.relation.inh)


def _alter(node: Any) -> Iterator[Act]:
    name, only = name_of(node.relation), not node.relation.inh
    if enum_name(node, "objtype") not in ("OBJECT_TABLE", "OBJECT_MATVIEW"):
        return  # a composite type that a table uses cannot lose an attribute, and a foreign table holds no rows
    for item in node.cmds:
        command = item.alter_table_cmd
        what = enum_name(command, "subtype")
        column = getattr(command, "def").column_def
        if what == "AT_DropColumn":
            yield Act("drops", "column", name, part=command.name, cascade=_cascades(command), only=only)
        elif what == "AT_AddColumn":
            yield Act("makes", "column", name, part=column.colname, unless_there=command.missing_ok)
        elif what == "AT_AlterColumnType":
            yield Act("retypes", "column", name, part=command.name, only=only, retype=read_retype(command.name, column))


def _rename(node: Any) -> Iterator[Act]:
    kind = enum_name(node, "rename_type").removeprefix("OBJECT_")
    if kind == "COLUMN":
        yield Act("renames", "column", name_of(node.relation), part=node.subname, new=node.newname)
    elif kind == "SCHEMA":
        yield Act("renames", "schema", Named("", node.subname), new=node.newname)
    elif _KINDS.get(kind) == "relation":
        yield Act("renames", "relation", name_of(node.relation), new=node.newname)


def _move(node: Any) -> Iterator[Act]:
    if _KINDS.get(enum_name(node, "object_type").removeprefix("OBJECT_")) == "relation":
        yield Act("moves", "relation", name_of(node.relation), new=node.newschema)


def _makes(relation: Any, *, unless_there: bool = False) -> Iterator[Act]:
    temporary = relation.relpersistence == "t"
    yield Act("makes", "relation", name_of(relation), unless_there=unless_there, temporary=temporary)


def _selects(node: Any) -> Iterator[Act]:
    if node.HasField("into_clause"):
        yield from _makes(node.into_clause.rel)


_READERS: dict[str, Callable[[Any], Iterator[Act]]] = {
    "drop_stmt": _drop,
    "drop_owned_stmt": _drop_owned,
    "dropdb_stmt": _drop_database,
    "truncate_stmt": _truncate,
    "delete_stmt": _delete,
    "alter_table_stmt": _alter,
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _move,
    "create_stmt": lambda node: _makes(node.relation, unless_there=node.if_not_exists),
    "create_foreign_table_stmt": lambda node: _makes(
        node.base_stmt.relation, unless_there=node.base_stmt.if_not_exists
    ),
    "create_table_as_stmt": lambda node: _makes(node.into.rel, unless_there=node.if_not_exists),
    "view_stmt": lambda node: _makes(node.view, unless_there=node.replace),
    "create_seq_stmt": lambda node: _makes(node.sequence, unless_there=node.if_not_exists),
    "select_stmt": _selects,
}
