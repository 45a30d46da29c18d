"""Which objects a script drops or renames, as its parse trees tell; what they cannot tell is said."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.bodies import bodies_of, run_by_block
from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.parse import children, enum_name, parse_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlmigrate.sql.script import Script

_REMOVES = re.compile(r"\b(?:DROP|ALTER)\b", re.IGNORECASE)
_MAY_REMOVE = re.compile(r"\b(?:DROP|RENAME|SET\s+SCHEMA)\b", re.IGNORECASE)
_DYNAMIC = re.compile(r"\bEXECUTE\b(?!\s+(?:FUNCTION|PROCEDURE|ON)\b)", re.IGNORECASE)
_PATH = re.compile(r"\bsearch_path\b", re.IGNORECASE)
_RELATIONS = frozenset({"TABLE", "VIEW", "MATVIEW", "FOREIGN_TABLE", "INDEX"})
_ROUTINES = frozenset({"FUNCTION", "PROCEDURE", "ROUTINE", "AGGREGATE"})
# no statement of an application names these, or PostgreSQL refuses what would take something away from one
_NAMED_BY_NONE = frozenset({
    "ACCESS_METHOD", "CAST", "DATABASE", "DOMCONSTRAINT", "EVENT_TRIGGER", "FDW", "FOREIGN_SERVER", "POLICY",
    "PUBLICATION", "ROLE", "RULE", "STATISTIC_EXT", "SUBSCRIPTION", "TABCONSTRAINT", "TABLESPACE", "TRIGGER",
    "USER_MAPPING",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Removed:
    """An object that a statement drops or renames; `how` is one of `drops`, `renames` and `moves` (to a schema).

    `kind` is relation (an index too), column, constraint, routine or schema; `part` is the column or the constraint.
    """

    kind: str
    how: str
    name: Named
    part: str
    line: int

    def __str__(self) -> str:
        return f"{self.kind} {self.name}{f'.{self.part}' if self.part else ''}"


@dataclass(slots=True)
class Removals:
    """What a script drops and renames.

    - `unclear` says of which statements that cannot be told, each with its line.
    - `made` are the new names of what it renames, with the column where it is one.
    - `routines` are the functions that it makes or replaces, `called` all that it calls, by their names.
    """

    objects: list[Removed] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    made: set[tuple[str, str]] = field(default_factory=set)
    routines: set[Named] = field(default_factory=set)
    called: set[str] = field(default_factory=set)
    _harmful: set[str] = field(default_factory=set)
    _has_path: bool = False

    def add(self, kind: str, how: str, name: Named, line: int, part: str = "") -> None:
        """Add an object; under a search_path of the script's own, a bare name may be that of any schema."""
        item = Removed(kind, how, name, part, line)
        if self._has_path and kind != "schema" and not name.schema:
            self.unclear.append(f"line {line}: the script sets search_path; write {name} with its schema")
        self.objects.append(item)


def removals_of(script: Script) -> Removals:
    """Gather what a script drops and renames, itself and in its DO blocks."""
    found = Removals()
    for statement in script.statements():
        _read(statement.text, statement.line, found)
    found.unclear += [f"{name}() is made here and called, and may drop something" for name in
                      sorted(found.called & found._harmful)]  # noqa: SLF001  # fmt: skip
    return found


def _read(text: str, line: int, found: Removals) -> None:
    tree = parse_tree(text)
    if tree is None:
        if _MAY_REMOVE.search(text) and leading_words(text, 1) not in (["insert"], ["copy"]):
            found.unclear.append(f"line {line} cannot be parsed")
        return
    for raw in tree.stmts:
        kind = raw.stmt.WhichOneof("node")
        node = getattr(raw.stmt, kind)
        found.called |= set(_called(node))
        if kind == "do_stmt":
            _block(text, node, line, found)
        elif kind == "create_function_stmt":
            _routine(text, node, found)
        elif reader := _READERS.get(kind):
            reader(node, line, found)
        elif _PATH.search(text) and kind in ("variable_set_stmt", "select_stmt"):
            found._has_path = True  # noqa: SLF001


def _block(text: str, node: Any, line: int, found: Removals) -> None:
    body = " ".join(bodies_of(node.args))
    if _DYNAMIC.search(body):
        found.unclear.append(f"line {line}: the DO block runs SQL that is put together as it runs (EXECUTE)")
    taken = [tree for part in run_by_block(text, _REMOVES) if (tree := parse_tree(part)) is not None]
    readable = 0
    for tree in taken:
        for raw in tree.stmts:
            kind = raw.stmt.WhichOneof("node")
            readable += kind in _READERS
            if reader := _READERS.get(kind):
                reader(getattr(raw.stmt, kind), line, found)
    if not _DYNAMIC.search(body) and readable < len(_MAY_REMOVE.findall(body)):
        found.unclear.append(f"line {line}: the DO block drops or renames something that cannot be told")
    found.called |= {word.lower() for word in re.findall(r"(\w+)\s*\(", body)}


def _routine(text: str, node: Any, found: Removals) -> None:
    name = _words(node.funcname)
    found.routines.add(name)
    if may_remove(text):
        found._harmful.add(name.name)  # noqa: SLF001


def may_remove(body: str) -> bool:
    """Whether the body of a function holds a word with which it may drop or rename something."""
    return bool(_MAY_REMOVE.search(body) or _DYNAMIC.search(body))


def _drop(node: Any, line: int, found: Removals) -> None:
    kind = enum_name(node, "remove_type").removeprefix("OBJECT_")
    for item in node.objects:
        _object(kind, "drops", item, line, found)


def _object(kind: str, how: str, item: Any, line: int, found: Removals) -> None:
    if kind in _RELATIONS:
        found.add("relation", how, _words(item.list.items), line)
    elif kind in _ROUTINES:
        found.add("routine", how, _words(item.object_with_args.objname), line)
    elif kind == "SCHEMA":
        found.add("schema", how, Named("", item.string.sval), line)
    elif kind not in _NAMED_BY_NONE:
        _unclear(kind, how, line, found)


def _unclear(kind: str, how: str, line: int, found: Removals) -> None:
    what = kind.lower().replace("_", " ")
    found.unclear.append(f"line {line} {how} a {what}, and whether that is in use cannot be told")


def _rename(node: Any, line: int, found: Removals) -> None:
    kind = enum_name(node, "rename_type").removeprefix("OBJECT_")
    if kind == "COLUMN":
        found.add("column", "renames", name_of(node.relation), line, node.subname)
        found.made.add((node.relation.relname, node.newname))
    elif kind in _RELATIONS:
        found.add("relation", "renames", name_of(node.relation), line)
        found.made.add((node.newname, ""))
    elif kind == "SCHEMA":
        found.add("schema", "renames", Named("", node.subname), line)
    else:
        _object(kind, "renames", node.object, line, found)
        found.made.add((node.newname, ""))


def _move(node: Any, line: int, found: Removals) -> None:
    kind = enum_name(node, "object_type").removeprefix("OBJECT_")
    if kind in _RELATIONS:
        found.add("relation", "moves", name_of(node.relation), line)
    else:
        _object(kind, "moves", node.object, line, found)


def _alter(node: Any, line: int, found: Removals) -> None:
    for item in node.cmds:
        command = item.alter_table_cmd
        what = enum_name(command, "subtype")
        if what == "AT_DropColumn":
            found.add("column", "drops", name_of(node.relation), line, command.name)
        elif what == "AT_DropConstraint":
            found.add("constraint", "drops", name_of(node.relation), line, command.name)


def _words(names: Iterable[Any]) -> Named:
    words = [item.string.sval for item in names]
    return Named(words[-2] if len(words) > 1 else "", words[-1])


def _called(node: Any) -> Iterable[str]:
    if node.DESCRIPTOR.name == "FuncCall":
        yield node.funcname[-1].string.sval
    for _, items in children(node):
        for item in items:
            yield from _called(item)


_READERS: dict[str, Callable[[Any, int, Removals], None]] = {
    "drop_stmt": _drop,
    "rename_stmt": _rename,
    "alter_table_stmt": _alter,
    "alter_object_schema_stmt": _move,
    "drop_owned_stmt": lambda _, line, found: found.unclear.append(f"line {line}: DROP OWNED"),
}
