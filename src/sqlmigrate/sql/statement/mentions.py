"""What an application's statement names: tables, their columns as far as the text tells, and functions."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.statement.names import Named, name_of
from sqlmigrate.sql.statement.parse import children, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

ALL = "*"
"""In the place of a column: all of them."""

# statements that use what they name; the others make, change, maintain or describe it
_USES = frozenset({
    "select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "copy_stmt", "call_stmt", "lock_stmt",
    "refresh_mat_view_stmt", "declare_cursor_stmt", "create_table_as_stmt", "truncate_stmt", "prepare_stmt",
})  # fmt: skip
_ACCESS_SHARE = 1
_EXCLUDED = "excluded"


@dataclass(slots=True)
class Mentions:
    """What a statement names.

    `columns` are pairs of a relation, None where it may be each of them, and a name, `ALL` for all columns. `backup`
    says that it is a statement as pg_dump sends it, which reads every table and needs none of them.
    """

    relations: set[Named] = field(default_factory=set)
    columns: set[tuple[Named | None, str]] = field(default_factory=set)
    routines: set[Named] = field(default_factory=set)
    backup: bool = False

    def uses_relation(self, names: Iterable[Named]) -> bool:
        """Whether it may use one of these relations: a bare name may be that of any schema."""
        return any(item.may_be(name) for item in self.relations for name in names)

    def uses_column(self, names: Iterable[Named], column: str) -> bool:
        """Whether it may use a column of a relation that has these names (its own, and those of its partitions)."""
        names = list(names)
        return self.uses_relation(names) and any(
            of is None or any(of.may_be(name) for name in names) for of, found in self.columns if found in (column, ALL)
        )

    def uses_routine(self, name: Named) -> bool:
        """Whether it may call a function of this name."""
        return any(item.may_be(name) for item in self.routines)


@lru_cache(maxsize=4096)
def mentions_of(statement: str) -> Mentions | None:
    """Read what a statement uses; None where it cannot be told: it cannot be parsed, or is a DO block.

    What makes, changes or maintains objects uses nothing.
    """
    tree = parse_tree(statement)
    if tree is None or not tree.stmts:
        return None
    found = Mentions()
    for raw in tree.stmts:
        kind = raw.stmt.WhichOneof("node")
        if kind == "do_stmt":
            return None
        if kind not in _USES or (kind == "lock_stmt" and raw.stmt.lock_stmt.mode == _ACCESS_SHARE):
            continue
        if kind == "copy_stmt":
            _copy(raw.stmt.copy_stmt, found)
        _Reader(found).read(raw.stmt)
    return found


def holds_word(text: str, name: str) -> bool:
    """Whether a text that cannot be parsed holds a name as a word, in any case."""
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.IGNORECASE) is not None


def _copy(node: Any, found: Mentions) -> None:
    if not node.HasField("relation"):
        return
    name = name_of(node.relation)
    found.columns |= {(name, item.string.sval) for item in node.attlist} or {(name, ALL)}
    to_client = not (node.is_from or node.filename or node.is_program or node.options)
    found.backup = bool(to_client and name.schema and node.attlist)


class _Reader:
    """Walks through one statement; which names stand for which relations is found first."""

    def __init__(self, found: Mentions) -> None:
        self.found = found
        self.names: dict[str, set[Named]] = {}

    def read(self, node: Any) -> None:
        """Add what a statement's parse tree names."""
        self._relations(node)
        self._columns(node, None)

    def _relations(self, node: Any) -> None:
        kind = node.DESCRIPTOR.name
        if kind == "CommonTableExpr":
            self.names.setdefault(node.ctename, set())
        elif kind == "RangeVar":
            self._relation(node)
        elif kind in ("RangeSubselect", "RangeFunction", "JoinExpr") and node.HasField("alias"):
            self.names.setdefault(node.alias.aliasname, set())
        for _, items in children(node):
            for item in items:
                self._relations(item)

    def _relation(self, node: Any) -> None:
        name = name_of(node)
        self.found.relations.add(name)  # of a WITH query too: in it, its own name may stand for a table
        alias = node.alias.aliasname if node.HasField("alias") else node.relname
        self.names.setdefault(alias, set()).add(name)

    def _columns(self, node: Any, target: Named | None) -> None:
        kind = node.DESCRIPTOR.name
        if kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
            target = name_of(node.relation)
        if reader := getattr(self, f"_{kind}", None):
            reader(node, target)
        for field_name, items in children(node):
            inner = None if kind == "SelectStmt" or field_name == "returning_list" else target
            for item in items:
                self._columns(item, inner)

    def _add(self, of: Named | None, column: str) -> None:
        self.found.columns.add((of, column))

    def _InsertStmt(self, node: Any, target: Named | None) -> None:  # noqa: N802  the node's own name
        if not node.cols and node.HasField("select_stmt"):
            self._add(target, ALL)

    def _ResTarget(self, node: Any, target: Named | None) -> None:  # noqa: N802  same
        if target is not None and node.name:
            self._add(target, node.name)

    def _MergeWhenClause(self, node: Any, target: Named | None) -> None:  # noqa: N802  same
        if node.values and not node.target_list:
            self._add(target, ALL)

    def _IndexElem(self, node: Any, target: Named | None) -> None:  # noqa: N802  same
        if node.name:
            self._add(target, node.name)

    def _JoinExpr(self, node: Any, _: Named | None) -> None:  # noqa: N802  same
        for item in node.using_clause:
            self._add(None, item.string.sval)
        if node.is_natural:
            self._add(None, ALL)

    def _A_Indirection(self, node: Any, _: Named | None) -> None:  # noqa: N802  same
        for item in node.indirection:
            if (kind := item.WhichOneof("node")) in ("string", "a_star"):
                self._add(None, item.string.sval if kind == "string" else ALL)

    def _FuncCall(self, node: Any, _: Named | None) -> None:  # noqa: N802  same
        words = [item.string.sval for item in node.funcname]
        self.found.routines.add(Named(words[-2] if len(words) > 1 else "", words[-1]))

    def _ColumnRef(self, node: Any, target: Named | None) -> None:  # noqa: N802  same
        words = [item.string.sval if item.WhichOneof("node") == "string" else ALL for item in node.fields]
        *qualifier, last = words
        if qualifier:
            for of in self._of(qualifier[-1], target):
                self._add(of, last)
            return
        self._add(None, last)
        for of in self.names.get(last, ()):  # the whole row
            self._add(of, ALL)

    def _of(self, qualifier: str, target: Named | None) -> set[Named] | set[None]:
        if qualifier in self.names:
            return self.names[qualifier]
        return {target} if qualifier == _EXCLUDED and target else {None}
