"""What scripts need of the cluster that they run in: roles, extensions, and the right to change it as a whole.

It is read from the parse trees; in the body of a DO block or function what `bodies` finds there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlmigrate.sql.scan import leading_words
from sqlmigrate.sql.statement.bodies import bodies_of, candidates, run_by_block
from sqlmigrate.sql.statement.parse import enum_name, has_option, node_of, parse_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmigrate.sql.script import Script, Statement

_FIRST = frozenset({"alter", "comment", "create", "do", "drop", "grant", "reassign", "revoke", "security", "set"})
_TELLING = re.compile(
    r"\b(?:authorization|extension|grant|group|mapping|own(?:er|ed)|policy|privileges|revoke|role|user"
    r"|(?:default_)?tablespace)\b",
    re.IGNORECASE,
)
# In a body, `SET role = ...` is rather the end of an UPDATE.
_START = re.compile(
    r"\b(?:alter|create|grant|reassign|revoke|set\s+(?:(?:local|session)\s+)?(?:role\s+(?!=)|session\s+auth))",
    re.IGNORECASE,
)
_CHANGE = re.compile(r"\b(?:alter|comment|create|drop|grant|reassign|revoke|security)\b", re.IGNORECASE)
_CREATE = re.compile(r"\bcreate\b", re.IGNORECASE)
_DO = re.compile(r"\bdo\b", re.IGNORECASE)
_TABLESPACES = frozenset({"indexspace", "new_tablespacename", "table_space", "table_space_name", "tablespacename"})
_ROLE_SETTINGS = frozenset({"role", "session_authorization"})
_SHARED_KINDS = frozenset({"role", "user", "group", "database", "tablespace", "subscription", "system", "owned"})
_SHARED = re.compile(rf"\b(?:comment|do|grant|revoke|security|{'|'.join(sorted(_SHARED_KINDS))})\b", re.IGNORECASE)
"""A word of each statement that may change the cluster."""
_SHARED_OBJECTS = frozenset(
    {"OBJECT_DATABASE", "OBJECT_ROLE", "OBJECT_TABLESPACE", "OBJECT_PARAMETER_ACL", "OBJECT_SUBSCRIPTION"}
)
_SHARED_STATEMENTS = frozenset(
    {
        "alter_database_refresh_coll_stmt", "alter_database_set_stmt", "alter_database_stmt", "alter_role_set_stmt",
        "alter_role_stmt", "alter_subscription_stmt", "alter_system_stmt", "alter_table_space_options_stmt",
        "create_role_stmt", "create_table_space_stmt", "createdb_stmt", "drop_owned_stmt", "drop_role_stmt",
        "drop_subscription_stmt", "drop_table_space_stmt", "dropdb_stmt", "grant_role_stmt", "reassign_owned_stmt",
    }
)  # fmt: skip
_OBJECT_FIELDS = {
    "alter_owner_stmt": "object_type",
    "comment_stmt": "objtype",
    "grant_stmt": "objtype",
    "rename_stmt": "rename_type",
    "sec_label_stmt": "objtype",
}


@dataclass(frozen=True, slots=True)
class Needs:
    """What scripts name and do not make themselves; `owners` are those roles that own something or are acted as."""

    roles: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    tablespaces: frozenset[str] = frozenset()


class _Gathered:
    def __init__(self) -> None:
        self.tablespaces: set[str] = set()
        self.made_tablespaces: set[str] = set()
        self.roles: set[str] = set()
        self.owners: set[str] = set()
        self.extensions: set[str] = set()
        self.made: set[str] = set()


def needs_of(scripts: Iterable[Script]) -> Needs:
    """Gather what the scripts need, as far as they can be read: what cannot be does not run.

    A role that a DO block makes is one that they need: such a block makes it only where it is missing.
    """
    found = _Gathered()
    for script in scripts:
        if script.directives.role:
            found.owners.add(script.directives.role)
        for statement in _with_words(script, _TELLING):
            _look(statement.text, found)
    known = {name for name in found.roles | found.owners if not name.startswith("pg_")} - found.made
    spaces = {name for name in found.tablespaces if not name.startswith("pg_")} - found.made_tablespaces
    return Needs(frozenset(known), frozenset(known & found.owners), frozenset(found.extensions), frozenset(spaces))


def roles_named(scripts: Iterable[Script]) -> frozenset[str]:
    """Return the roles that the scripts name, without those that they make, and without PUBLIC and PostgreSQL's own."""
    return needs_of(scripts).roles


def extensions_named(scripts: Iterable[Script]) -> frozenset[str]:
    """Return the extensions that the scripts create."""
    return needs_of(scripts).extensions


def with_version(statement: str, versions: Mapping[str, str]) -> str:
    """Have a CREATE EXTENSION that names no version ask for the one in `versions`; others stay as they are."""
    if not versions or leading_words(statement, 2) != ["create", "extension"]:
        return statement
    kind, node = node_of(statement)
    version = versions.get(node.extname) if kind == "create_extension_stmt" else None
    if version is None or any(item.def_elem.defname == "new_version" for item in node.options):
        return statement
    quoted = version.replace("'", "''")
    return f"{statement}\nVERSION '{quoted}'"  # on a line of its own: a comment may stand behind the statement


def roles_made_by_blocks(scripts: Iterable[Script]) -> frozenset[str]:
    """Return the roles that DO blocks of the scripts make, mostly where they are missing."""
    made: set[str] = set()
    for script in scripts:
        for statement in _with_words(script, _DO):
            for text in run_by_block(statement.text, _CREATE):
                tree = parse_tree(text)
                made.update(raw.stmt.create_role_stmt.role for raw in (tree.stmts if tree else ()))
    return frozenset(made - {""})


def cluster_wide(script: Script, *, blocks: bool = False) -> tuple[Statement, ...]:
    """Return the statements that change more than the database that they run in, or reach another server.

    With `blocks` also those DO blocks in whose body such a statement stands; never what a function would do.
    """
    return tuple(
        statement
        for statement in _with_words(script, _SHARED)
        if _is_cluster_wide(statement.text)
        or (blocks and any(_is_cluster_wide(text, inside=True) for text in run_by_block(statement.text, _CHANGE)))
    )


def _with_words(script: Script, words: re.Pattern[str]) -> Iterator[Statement]:
    """Yield the statements of a script that has such words; most have none, and need not be taken apart."""
    if script.text is None or words.search(script.text):
        yield from script.readable_statements()


def _is_cluster_wide(statement: str, *, inside: bool = False) -> bool:
    words = leading_words(statement, 3)
    if not words or words[0] not in _FIRST - {"do", "set"}:
        return False
    by_words = words[1:2] and words[1] in _SHARED_KINDS and words[1:3] != ["user", "mapping"]
    if words[0] in {"alter", "create", "drop", "reassign"} and not by_words:
        return False
    kind, node = node_of(statement)
    if not kind:
        return bool(by_words) and not inside
    if field := _OBJECT_FIELDS.get(kind):
        return enum_name(node, field) in _SHARED_OBJECTS
    if kind == "create_subscription_stmt":
        return has_option(node.options, "connect", default=True)
    return kind in _SHARED_STATEMENTS


def _look(statement: str, found: _Gathered, *, inside: bool = False) -> bool:
    """Note what a statement needs; False where it cannot be parsed. `inside` a body, a role that is made is needed."""
    words = leading_words(statement, 1)
    if not words or words[0] not in _FIRST or not _TELLING.search(statement):
        return True
    tree = parse_tree(statement)
    if tree is None:
        return False
    for raw in tree.stmts:
        kind = raw.stmt.WhichOneof("node")
        node = getattr(raw.stmt, kind)
        if kind == "create_extension_stmt":
            found.extensions.add(node.extname)
        elif kind == "create_role_stmt":
            (found.roles if inside else found.made).add(node.role)
        elif kind == "create_table_space_stmt":
            found.made_tablespaces.add(node.tablespacename)
        elif kind == "rename_stmt" and enum_name(node, "rename_type") == "OBJECT_ROLE":
            found.roles.add(node.subname)
            found.made.add(node.newname)
        elif kind in {"do_stmt", "create_function_stmt"}:
            for body in bodies_of(node.args if kind == "do_stmt" else node.options):
                _look_inside(body, found)
        _walk(node, found)
    return True


def _walk(node: Any, found: _Gathered) -> None:
    """Note the roles and tablespaces in a parse tree."""
    name = node.DESCRIPTOR.name
    if name == "RoleSpec":
        if node.rolename:
            found.roles.add(node.rolename)
        return
    if name == "GrantRoleStmt":
        found.roles.update(item.access_priv.priv_name for item in node.granted_roles)
    elif name == "VariableSetStmt" and node.name in _ROLE_SETTINGS:
        found.owners.update(item.a_const.sval.sval for item in node.args if item.a_const.sval.sval != "none")
    elif name == "VariableSetStmt" and node.name == "default_tablespace":
        found.tablespaces.update(item.a_const.sval.sval for item in node.args if item.a_const.sval.sval)
    elif name == "AlterTableCmd" and enum_name(node, "subtype") == "AT_SetTableSpace":
        found.tablespaces.add(node.name)
    for field, value in node.ListFields():
        if field.message_type is None:
            if field.name in _TABLESPACES:
                found.tablespaces.add(value)
            continue
        for item in (value,) if hasattr(value, "DESCRIPTOR") else value:
            if field.name in {"newowner", "newrole"} and item.rolename:
                found.owners.add(item.rolename)
            _walk(item, found)


def _look_inside(body: str, found: _Gathered) -> None:
    """Note what the statements of a body need, as far as they stand there."""
    if not _TELLING.search(body):
        return
    for texts in candidates(body, _START):
        any(_look(text, found, inside=True) for text in texts)
