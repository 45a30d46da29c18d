"""Which objects a script reads and writes, as far as its parse trees tell; what they cannot tell counts as all."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.parse import children, enum_name, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlmigrate.sql.script import Script

_NEEDS_NO_QUOTES = re.compile(r"[a-z_][a-z0-9_$]*")
_INDEXED = re.compile(r" USING \w+ \((.*?)\)(?: INCLUDE .*| NULLS NOT DISTINCT.*| WITH .*| TABLESPACE .*| WHERE .*)*$")
_ORDERING = re.compile(r" (?:DESC|ASC|NULLS FIRST|NULLS LAST)\b")
_OPAQUE = {"do_stmt": "a DO block", "call_stmt": "CALL", "execute_stmt": "EXECUTE"}
_OWNED = {"drop_owned_stmt": "DROP OWNED", "reassign_owned_stmt": "REASSIGN OWNED"}
_DATA = frozenset({"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
_HARMLESS = frozenset({"variable_set_stmt", "variable_show_stmt", "transaction_stmt"})
_READ_FIELDS = frozenset({"query", "pktable", "select_stmt", "source_relation", "using_clause", "from_clause"})
_NAME_FIELDS = frozenset({"funcname", "type_name", "domainname", "defnames", "typevar", "objname", "opclassname"})
_ON_TABLES = frozenset({"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_TABCONSTRAINT", "OBJECT_COLUMN"})


@dataclass(frozen=True, slots=True, order=True)
class Named:
    """A name as a script writes it; `schema` is empty where the script leaves it to the search_path."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def quoted(self) -> str:
        """The name as the catalogs' quote_ident writes it: with quotes only where it needs them."""
        return ".".join(
            part if _NEEDS_NO_QUOTES.fullmatch(part) else quote(part) for part in (self.schema, self.name) if part
        )

    def may_be(self, other: Named) -> bool:
        """Whether two names can be one object."""
        return self.name == other.name and (not self.schema or not other.schema or self.schema == other.schema)


def quote(*parts: str) -> str:
    """Quote a name, qualified by what comes before it; empty parts are left out."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts if part)


def index_columns(definition: str) -> list[str]:
    """Return the columns and expressions of an index, without their order, from what PostgreSQL prints of it."""
    match = _INDEXED.search(definition)
    return [_ORDERING.sub("", column).strip() for column in match[1].split(",")] if match else []


def name_of(relation: Any) -> Named:
    """Return the name of a relation in a parse tree."""
    return Named(relation.schemaname, relation.relname)


@dataclass(slots=True)
class Accesses:
    """What a script reads and writes; `schemas` are written as a whole, and `all_of_it` says why it may be anything."""

    reads: set[Named] = field(default_factory=set)
    writes: set[Named] = field(default_factory=set)
    schemas: set[str] = field(default_factory=set)
    all_of_it: list[str] = field(default_factory=list)


def accesses_of(script: Script, functions: Iterable[str] = ()) -> Accesses:
    """Gather what a script touches; a call of one of `functions`, which are not PostgreSQL's own, may be anything."""
    found = Accesses()
    known = set(functions)
    for statement in script.statements():
        tree = parse_tree(statement.text)
        if tree is None:
            found.all_of_it.append(f"line {statement.line}, which cannot be parsed")
            continue
        for raw in tree.stmts:
            kind = raw.stmt.WhichOneof("node")
            node = getattr(raw.stmt, kind)
            if why := _OPAQUE.get(kind) or _OWNED.get(kind):
                found.all_of_it.append(f"{why} in line {statement.line}")
            elif kind not in _HARMLESS:
                _statement(kind, node, found)
            if called := sorted(_called(node) & known):
                found.all_of_it.append(f"a call of {called[0]} in line {statement.line}")
    return found


def relations_in(statement: str) -> set[Named]:
    """Return the tables and views that a statement names, without those that its WITH makes; empty where none is."""
    tree = parse_tree(statement)
    if tree is None or not tree.stmts:
        return set()
    named: set[Named] = set()
    made: set[str] = set()
    _gather(tree.stmts[0].stmt, named, made)
    return {item for item in named if item.schema or item.name not in made}


def _gather(node: Any, named: set[Named], made: set[str]) -> None:
    kind = node.DESCRIPTOR.name
    if kind == "RangeVar":
        named.add(name_of(node))
    elif kind == "CommonTableExpr":
        made.add(node.ctename)
    for _, items in children(node):
        for item in items:
            _gather(item, named, made)


def _statement(kind: str, node: Any, found: Accesses) -> None:
    if kind == "select_stmt":
        _walk(node, found.reads, found)
    elif kind in _DATA:
        found.writes.add(name_of(node.relation))
        _walk(node, found.reads, found, leave_out="relation")
    elif kind in ("drop_stmt", "comment_stmt", "sec_label_stmt"):
        _named_by_list(node, found)
    elif kind == "create_schema_stmt":
        found.schemas.add(node.schemaname)
    elif kind == "alter_default_privileges_stmt":
        found.schemas.update(_schemas(node) or {"public"})
    else:
        _walk(node, found.writes, found)
        if kind == "rename_stmt":
            found.writes.add(Named(node.relation.schemaname, node.newname or node.subname))
        elif kind == "index_stmt" and node.idxname:
            found.writes.add(Named(node.relation.schemaname, node.idxname))
        elif kind == "grant_stmt" and enum_name(node, "targtype") == "ACL_TARGET_ALL_IN_SCHEMA":
            found.schemas.update(item.string.sval for item in node.objects)
        elif kind == "alter_object_schema_stmt":
            found.schemas.add(node.newschema)


def _walk(node: Any, into: set[Named], found: Accesses, *, leave_out: str = "") -> None:
    """Gather the names in a parse tree; what only is read there goes to the reads."""
    kind = node.DESCRIPTOR.name
    if kind == "RangeVar":
        into.add(name_of(node))
        return
    if kind == "TypeName":
        _add(node.names, found.reads)
        return
    if kind == "FuncCall":
        _add(node.funcname, found.reads)
    elif kind == "ObjectWithArgs":
        _add(node.objname, into)
        return
    elif kind == "SelectStmt":
        into = found.reads
    for field_name, items in children(node):
        if field_name == leave_out:
            continue
        if field_name in _NAME_FIELDS and kind != "FuncCall" and _is_names(items):
            _add(items, into)
            continue
        target = found.reads if field_name in _READ_FIELDS else into
        for item in items:
            _walk(item, target, found)


def _named_by_list(node: Any, found: Accesses) -> None:
    """Take the names of DROP, COMMENT and SECURITY LABEL, which are lists of words."""
    what = enum_name(node, "remove_type" if node.DESCRIPTOR.name == "DropStmt" else "objtype")
    objects = node.objects if node.DESCRIPTOR.name == "DropStmt" else [node.object]
    for item in objects:
        inner = item.WhichOneof("node")
        if inner == "list":
            words = [word.string.sval for word in item.list.items if word.WhichOneof("node") == "string"]
            words = words[:-1] if what in _ON_TABLES else words
            found.writes.update([Named(".".join(words[:-1]), words[-1])] if words else [])
        elif inner == "string":
            (found.schemas.add if what == "OBJECT_SCHEMA" else lambda name: found.writes.add(Named("", name)))(
                item.string.sval
            )
        elif inner == "type_name":
            _add(item.type_name.names, found.writes)
        elif inner is not None:
            _walk(getattr(item, inner), found.writes, found)


def _add(names: Iterable[Any], into: set[Named]) -> None:
    words = [item.string.sval for item in names]
    if words and words[0] != "pg_catalog":
        into.add(Named(".".join(words[:-1]), words[-1]))


def _is_names(items: list[Any]) -> bool:
    return all(item.DESCRIPTOR.name == "Node" and item.WhichOneof("node") == "string" for item in items)


def _schemas(node: Any) -> set[str]:
    return {
        item.string.sval
        for option in node.options
        if option.def_elem.defname == "schemas"
        for item in option.def_elem.arg.list.items
    }


def _called(node: Any) -> set[str]:
    return set(_calls(node))


def _calls(node: Any) -> Iterator[str]:
    if node.DESCRIPTOR.name == "FuncCall":
        yield node.funcname[-1].string.sval
    for _, items in children(node):
        for item in items:
            yield from _calls(item)
