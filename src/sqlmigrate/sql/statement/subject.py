"""What a statement is about: the relation, index or database that it makes, drops or changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.gap import skip_gap
from sqlmigrate.sql.statement.bodies import itself_and_run_by_block
from sqlmigrate.sql.statement.command import command_of
from sqlmigrate.sql.statement.names import Named, name_of, quote
from sqlmigrate.sql.statement.parse import has_option, node_of, parse_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = r"""(?:"[^"]+"|[\w$]+)"""
_INDEX_HEAD = re.compile(
    rf"create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(?:{_NAME}\s+)?"
    rf"on\s+(?:only\s+)?{_NAME}(?:\s*\.\s*{_NAME})*",
    re.IGNORECASE,
)
_DETACH = re.compile(r"\bDETACH\s+PARTITION\b", re.IGNORECASE)
_DETACH_SLOWLY = re.compile(r"\b(CONCURRENTLY|FINALIZE)\b", re.IGNORECASE)
_MAKES = re.compile(r"\b(?:CREATE|SELECT|WITH)\b", re.IGNORECASE)
_MAINTENANCE = frozenset({"VACUUM", "ANALYZE", "CLUSTER"})


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: `relation` and `name` are quoted, qualified as far as the statement does it.

    `action` is one of create index, drop index, reindex, detach partition, create database, drop database,
    create tablespace, drop tablespace, alter system, or other.
    """

    action: str
    relation: str | None = None
    name: str | None = None
    concurrently: bool = False


def subject_of(statement: str) -> Subject:
    """Find out what a statement is about; `other` where it is none of the kinds whose outcome can be looked up."""
    tree = parse_tree(statement)
    if tree is None and (head := _INDEX_HEAD.match(statement, skip_gap(statement, 0))):
        tree = parse_tree(f"{head[0]} (x)")  # what follows is too large or too new to be parsed, and not needed
    if tree is None or not tree.stmts:
        return Subject("other", concurrently="concurrently" in statement.lower())
    node = tree.stmts[0].stmt
    kind = node.WhichOneof("node")
    reader = _READERS.get(kind)
    return reader(getattr(node, kind)) if reader else Subject("other")


def altered_table(statement: str) -> Named | None:
    """Return the relation of an ALTER TABLE, None where the statement is none."""
    kind, node = node_of(statement)
    return Named(node.relation.schemaname, node.relation.relname) if kind == "alter_table_stmt" else None


def tables_made(statement: str) -> Iterator[Named]:
    """Yield the tables and materialized views that a statement makes, itself or as it stands in its DO block."""
    for text in itself_and_run_by_block(statement, _MAKES):
        if not _MAKES.search(text):
            continue
        kind, node = node_of(text)
        if kind == "create_stmt":
            yield name_of(node.relation)
        elif kind == "create_table_as_stmt":
            yield name_of(node.into.rel)
        elif kind == "select_stmt" and node.HasField("into_clause"):
            yield name_of(node.into_clause.rel)


def index_built_if_missing(statement: str) -> Named | None:
    """Return the index that CREATE INDEX CONCURRENTLY IF NOT EXISTS names, None where the statement is none."""
    if command_of(statement) != "CREATE INDEX":
        return None
    kind, node = node_of(statement)
    if kind == "index_stmt" and node.concurrent and node.if_not_exists:
        return Named(node.relation.schemaname, node.idxname)
    return None


def vacuumed(statement: str) -> list[str]:
    """Return the tables that a VACUUM or ANALYZE names, quoted."""
    if command_of(statement) not in _MAINTENANCE:
        return []
    kind, node = node_of(statement)
    relations = [item.vacuum_relation.relation for item in node.rels] if kind == "vacuum_stmt" else []
    return [_relation(item) for item in relations]


def is_vacuum_full(statement: str) -> bool:
    """Tell whether a statement is VACUUM FULL."""
    if command_of(statement) != "VACUUM":
        return False
    _, node = node_of(statement)
    return node is not None and has_option(node.options, "full", default=False)


def detaches_at_once(statement: str) -> bool:
    """Tell whether a statement says DETACH PARTITION, and neither CONCURRENTLY nor FINALIZE."""
    return bool(_DETACH.search(statement)) and not _DETACH_SLOWLY.search(statement)


def validates_constraint(statement: str) -> bool:
    """Tell whether a statement says VALIDATE anywhere."""
    return "VALIDATE" in statement.upper()


def speaks_of_partition(statement: str) -> bool:
    """Tell whether a statement says PARTITION, as one does that attaches a partition or makes one."""
    return "PARTITION" in statement.upper().split()


def _relation(node: Any) -> str:
    return quote(node.schemaname, node.relname)


def _create_index(node: Any) -> Subject:
    name = quote(node.relation.schemaname, node.idxname) if node.idxname else None
    return Subject("create index", _relation(node.relation), name, concurrently=node.concurrent)


def _drop(node: Any) -> Subject:
    names = [item.string.sval for item in node.objects[0].list.items]
    return Subject("drop index" if node.concurrent else "other", name=quote(*names), concurrently=node.concurrent)


def _reindex(node: Any) -> Subject:
    concurrently = has_option(node.params, "concurrently", default=False)
    relation = _relation(node.relation) if node.HasField("relation") else None
    return Subject("reindex", relation, node.name or None, concurrently=concurrently)


def _alter_table(node: Any) -> Subject:
    for command in node.cmds:
        definition = getattr(command.alter_table_cmd, "def")
        if definition.WhichOneof("node") == "partition_cmd" and definition.partition_cmd.concurrent:
            name = _relation(definition.partition_cmd.name)
            return Subject("detach partition", _relation(node.relation), name, concurrently=True)
    return Subject("other")


_READERS: dict[str, Callable[[Any], Subject]] = {
    "index_stmt": _create_index,
    "drop_stmt": _drop,
    "reindex_stmt": _reindex,
    "alter_table_stmt": _alter_table,
    "createdb_stmt": lambda node: Subject("create database", name=node.dbname),
    "dropdb_stmt": lambda node: Subject("drop database", name=node.dbname),
    "create_table_space_stmt": lambda node: Subject("create tablespace", name=node.tablespacename),
    "drop_table_space_stmt": lambda node: Subject("drop tablespace", name=node.tablespacename),
    "alter_system_stmt": lambda _: Subject("alter system"),
}
