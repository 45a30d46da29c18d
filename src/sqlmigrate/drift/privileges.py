"""Default privileges as values: read them, say what they were before some migrations, and make them so."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import psycopg
from psycopg import sql

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from sqlmigrate.connection import Connection

_KINDS = {
    "r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS",
}  # fmt: skip


class Key(NamedTuple):
    """What an entry is about: objects of a type that a role makes, in one schema or (None) in any."""

    role: str
    schema: str | None
    type: str


class Right(NamedTuple):
    """One right that is given; the grantee is None for PUBLIC."""

    grantee: str | None
    privilege: str
    grantable: bool


Rights = frozenset[Right]
_NONE: Rights = frozenset()


@dataclass(frozen=True, slots=True)
class DefaultPrivileges:
    """All entries of a database; `built_in` is what holds where an entry of this key is missing."""

    entries: Mapping[Key, Rights]
    built_in: Mapping[Key, Rights]

    def get(self, key: Key, other: DefaultPrivileges) -> Rights:
        """Return what new objects get; of a key that is not here, another database knows what is built in."""
        if key in self.entries:
            return self.entries[key]
        return self.built_in.get(key) or other.built_in.get(key) or _NONE

    def keys(self, roles: Collection[str]) -> set[Key]:
        """Return the keys of some roles."""
        return {key for key in self.entries if key.role in roles}

    def grantees(self, roles: Collection[str]) -> set[str]:
        """Return who gets something of what these roles make."""
        rights = (right for key in self.keys(roles) for right in self.entries[key])
        return {right.grantee for right in rights if right.grantee}

    def only(self, wanted: Callable[[Key], bool]) -> DefaultPrivileges:
        """Return those entries whose key is wanted."""
        return DefaultPrivileges({key: rights for key, rights in self.entries.items() if wanted(key)}, self.built_in)

    def without(self, privilege: str) -> DefaultPrivileges:
        """Return the same without one privilege, which the other server does not know."""

        def rest(found: Mapping[Key, Rights]) -> dict[Key, Rights]:
            return {
                key: frozenset(right for right in rights if right.privilege != privilege)
                for key, rights in found.items()
            }

        return DefaultPrivileges(rest(self.entries), rest(self.built_in))

    def renamed(self, name: Callable[[str], str]) -> DefaultPrivileges:
        """Return the same under other names of roles."""

        def mapped(found: Mapping[Key, Rights]) -> dict[Key, Rights]:
            return {
                key._replace(role=name(key.role)): frozenset(
                    right if right.grantee is None else right._replace(grantee=name(right.grantee)) for right in rights
                )
                for key, rights in found.items()
            }

        return DefaultPrivileges(mapped(self.entries), mapped(self.built_in))


def read_default_privileges(connection: Connection) -> DefaultPrivileges:
    """Read all entries; any role can."""
    entries, built_in = {}, {}
    for role, schema, kind, items, defaults in connection.execute(queries.load("drift")["default_privileges"]):
        key = Key(role, schema, kind)
        entries[key] = frozenset(Right(*item) for item in items)
        built_in[key] = frozenset(Right(*item) for item in defaults)
    return DefaultPrivileges(entries, built_in)


def before(
    live: DefaultPrivileges, ground: DefaultPrivileges, made: DefaultPrivileges, roles: Collection[str]
) -> DefaultPrivileges:
    """Say what the live database had before the migrations, of these roles.

    `made` is what the migrations make of `ground`: what they give was not there, what they take away was.
    """
    anywhere = DefaultPrivileges({}, {**ground.built_in, **made.built_in, **live.built_in})
    entries = {}
    for key in live.keys(roles) | ground.keys(roles) | made.keys(roles):
        old, new = ground.get(key, anywhere), made.get(key, anywhere)
        entries[key] = (live.get(key, anywhere) - (new - old)) | (old - new)
    return DefaultPrivileges(entries, anywhere.built_in)


def statements(wanted: DefaultPrivileges, there: DefaultPrivileges, roles: Collection[str]) -> Iterator[sql.Composed]:
    """Yield what makes the entries of these roles as wanted; none where they are so."""
    for key in sorted(wanted.keys(roles) | there.keys(roles), key=str):
        want, have = wanted.get(key, there), there.get(key, wanted)
        yield from _each(key, have - want, "REVOKE", "FROM")
        yield from _each(key, want - have, "GRANT", "TO")


def _each(key: Key, rights: Rights, verb: str, towards: str) -> Iterator[sql.Composed]:
    ordered = sorted(rights, key=lambda right: (right.grantee or "", right.grantable, right.privilege))
    for (grantee, grantable), group in groupby(ordered, key=lambda right: (right.grantee, right.grantable)):
        space = sql.SQL("IN SCHEMA {} ").format(sql.Identifier(key.schema)) if key.schema else sql.SQL("")
        yield sql.SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} {}{} {} ON {} {} {}{}").format(
            sql.Identifier(key.role),
            space,
            sql.SQL(verb),
            sql.SQL(", ".join(right.privilege for right in group)),  # words that PostgreSQL gave us
            sql.SQL(_KINDS[key.type]),
            sql.SQL(towards),
            sql.Identifier(grantee) if grantee else sql.SQL("PUBLIC"),
            sql.SQL(" WITH GRANT OPTION" if grantable and verb == "GRANT" else ""),
        )


def make(connection: Connection, commands: Collection[sql.Composed]) -> list[str]:
    """Run them; those that this server refuses, since a schema or role is not there yet, are given back as reasons."""
    refused = []
    for command in commands:
        try:
            connection.execute(command)
        except psycopg.ProgrammingError as error:
            refused.append(error.diag.message_primary or str(error))
    return refused
