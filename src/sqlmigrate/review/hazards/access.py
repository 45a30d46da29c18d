"""Who may do what with which rows, as one state of the catalog says it: privileges, policies, row level security."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from sqlmigrate.sql.statement.expressions import relations_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlmigrate.review.trace.follow import State
    from sqlmigrate.schema import Value

    Properties = Mapping[str, Value]
    Privileges = Mapping[str, frozenset[str]]

PUBLIC = "PUBLIC"
"""Every role, as GRANT names it."""

COMMANDS = {"select": "r", "insert": "a", "update": "w", "delete": "d"}
"""What a policy is for, with the letter of the privilege that it needs."""

PRIVILEGES = {
    "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "D": "TRUNCATE", "x": "REFERENCES", "t": "TRIGGER",
    "m": "MAINTAIN", "U": "USAGE", "C": "CREATE", "X": "EXECUTE", "c": "CONNECT", "T": "TEMPORARY", "s": "SET",
    "A": "ALTER SYSTEM",
}  # fmt: skip
"""The letters of an access list (https://www.postgresql.org/docs/current/ddl-priv.html)."""

RELATIONS = ("table", "view", "materialized view", "foreign table", "sequence")
"""Kinds that share their names: one may stand where another was."""

_ITEM = re.compile(r'("(?:[^"]|"")*"|[^"=]*)=([^/]*)/')
_TRUE = frozenset({"true", "on", "1", "yes"})
_DEFINER = re.compile(r"^.*\bSECURITY DEFINER\b", re.MULTILINE)
_INTERNAL = re.compile(r"^ RETURNS (event_)?trigger$", re.MULTILINE)


def privileges(acl: object) -> Privileges:
    """Read an access list: the letters of what each role may do, PUBLIC among them."""
    return _privileges(acl) if isinstance(acl, tuple) else {}


@lru_cache
def _privileges(acl: tuple[str, ...]) -> Privileges:
    """Read a list; thousands of objects have the same few."""
    found: dict[str, frozenset[str]] = {}
    for match in map(_ITEM.match, acl):
        if match and (letters := frozenset(match[2].replace("*", ""))):
            role = match[1][1:-1].replace('""', '"') if match[1].startswith('"') else match[1] or PUBLIC
            found[role] = found.get(role, frozenset()) | letters
    return found


def words(letters: Iterable[str]) -> list[str]:
    """Name the privileges of some letters, in the order of the documentation."""
    given = set(letters)
    return [name for letter, name in PRIVILEGES.items() if letter in given]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy; `roles` are those that it is for, PUBLIC for all, and `commands` what they do."""

    name: str
    table: str
    roles: frozenset[str]
    commands: frozenset[str]
    restrictive: bool
    using: str | None
    check: str | None

    def lets(self, role: str, command: str) -> bool:
        """Whether it may let a role do something with some rows; PUBLIC is whoever a policy names."""
        return (
            not self.restrictive and command in self.commands and (role == PUBLIC or bool(self.roles & {PUBLIC, role}))
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A table, with its policies; `forced` says that row level security counts for its owner too.

    It counts for none of the `unbound` roles.
    """

    name: str
    owner: str
    granted: Privileges
    secured: bool
    forced: bool
    policies: tuple[Policy, ...]
    unbound: frozenset[str] = frozenset()

    def others(self) -> Iterator[tuple[str, frozenset[str]]]:
        """Yield the roles for which row level security counts, with the commands that they have the privilege for."""
        for role, letters in self.granted.items():
            commands = frozenset(command for command, letter in COMMANDS.items() if letter in letters)
            if commands and role not in self.unbound and (role != self.owner or self.forced):
                yield role, commands

    def shut_out(self) -> dict[str, frozenset[str]]:
        """Return the roles that have a privilege, but whom no policy lets use it, with those commands."""
        if not self.secured:
            return {}
        found = {
            role: frozenset(one for one in commands if not any(policy.lets(role, one) for policy in self.policies))
            for role, commands in self.others()
        }
        return {role: commands for role, commands in found.items() if commands}

    def reached(self, roles: Iterable[str]) -> list[str]:
        """Return those of some roles that have a privilege on its rows, perhaps as everybody has."""
        able = {role for role, _ in self.others()}
        return [role for role in roles if role in able or PUBLIC in able]


@dataclass(frozen=True, slots=True)
class View:
    """A view or materialized view; an `invoker` reads with the privileges of whoever uses it."""

    name: str
    owner: str
    granted: Privileges
    invoker: bool
    definition: str = field(repr=False)


@dataclass(frozen=True)
class Access:
    """All of this in one state of the catalog; `unbound` are the roles for which row level security does not count."""

    state: State = field(repr=False)
    unbound: frozenset[str] = frozenset()

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The tables by name."""
        policies: dict[str, list[Policy]] = defaultdict(list)
        for name, properties in self.state.of("policy").items():
            policy = _policy(name, properties)
            policies[policy.table].append(policy)
        return {
            name: Table(
                name,
                str(properties.get("owner")),
                privileges(properties.get("acl")),
                bool(properties.get("row security")),
                bool(properties.get("forced row security")),
                tuple(policies[name]),
                self.unbound,
            )
            for name, properties in self.state.of("table").items()
        }

    @cached_property
    def views(self) -> dict[str, View]:
        """The views and materialized views by name."""
        return {
            name: View(
                name,
                str(properties.get("owner")),
                privileges(properties.get("acl")),
                kind == "view" and _is_invoker(properties.get("options")),
                str(properties.get("definition", "")),
            )
            for kind in ("view", "materialized view")
            for name, properties in self.state.of(kind).items()
        }

    @cached_property
    def granted(self) -> dict[str, Properties]:
        """Whatever has an access list, by its kind and name."""
        objects = self.state.objects.items()
        return {str(name): properties for name, properties in objects if properties.get("acl") is not None}

    @cached_property
    def definers(self) -> dict[str, Properties]:
        """The functions and procedures, by kind and name, that run as their owner and can be called by name."""
        found = {}
        for kind in ("function", "procedure"):
            for name, properties in self.state.of(kind).items():
                head = str(properties.get("definition", "")).partition("AS $")[0]
                if _DEFINER.search(head) and not _INTERNAL.search(head):
                    found[f"{kind} {name}"] = properties
        return found

    def read_past(self) -> Iterator[tuple[View, Table]]:
        """Yield each view with each table whose row level security does not count for who reads the view."""
        secured = {name: table for name, table in self.tables.items() if table.secured and not table.forced}
        if not secured:
            return
        wanted = self._leading_to(secured)
        for view in wanted:
            if not view.invoker:
                tables = self._read_as(view, view.owner, secured, frozenset())
                yield from ((view, table) for table in tables.values() if view.owner in {table.owner, *self.unbound})

    def _leading_to(self, secured: Iterable[str]) -> list[View]:
        """Return the views whose text names one of these tables, or a view that does; most need not be parsed so."""
        names = set(secured)
        found: dict[str, View] = {}
        while True:
            more = {
                name: view
                for name, view in self.views.items()
                if name not in found and any(one in view.definition for one in names)
            }
            if not more:
                return list(found.values())
            found |= more
            names |= more.keys()

    def _read_as(self, view: View, role: str, secured: Mapping[str, Table], outer: frozenset[str]) -> dict[str, Table]:
        """Return the tables that a view reads as this role, also through views within."""
        found: dict[str, Table] = {}
        for name in relations_read(view.definition):
            inner = self.views.get(name)
            if name in secured:
                found[name] = secured[name]
            elif inner is not None and name not in outer and (inner.invoker or inner.owner == role):
                found |= self._read_as(inner, role, secured, outer | {name})
        return found


def _policy(name: str, properties: Properties) -> Policy:
    kind, roles = str(properties.get("for")), properties.get("to")
    named = frozenset(roles if isinstance(roles, tuple) else ())
    using, check = properties.get("using"), properties.get("with check")
    return Policy(
        name=name.removesuffix(f" on {properties.get('table')}"),
        table=str(properties.get("table")),
        roles=frozenset({PUBLIC}) if "public" in named else named,
        commands=frozenset(COMMANDS) if kind == "all" else frozenset({kind}),
        restrictive=bool(properties.get("restrictive")),
        using=None if using is None else str(using),
        check=None if check is None else str(check),
    )


def _is_invoker(options: object) -> bool:
    pairs = (item.partition("=") for item in options) if isinstance(options, tuple) else ()
    return any(name == "security_invoker" and value.lower() in _TRUE for name, _, value in pairs)
