"""What decides, beside the planner, whether a row of an application's is taken: read from the catalogs of one state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg.rows import tuple_row

from sqlmigrate import queries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlmigrate.connection import Connection


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `required` must be given a value by an INSERT, `not_null` takes no NULL."""

    name: str
    type: str
    required: bool
    not_null: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """What may refuse a row: `kind` is c (CHECK), f (foreign key), x (exclusion) or u (unique), as in pg_constraint.

    `refers_to` is the oid of the table that a foreign key refers to, 0 else.
    """

    oid: int
    kind: str
    name: str
    definition: str
    columns: tuple[str, ...]
    refers_to: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """A permissive policy: for which command (`*` for all, r, a, w, d as in pg_policy) and which roles."""

    command: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in their order, and what may refuse or hide its rows.

    `fills` says that a trigger runs before each row that comes in, which may give columns a value.
    """

    oid: int
    name: str
    columns: tuple[Column, ...]
    owner: str
    row_security: bool = False
    fills: bool = False
    rules: tuple[Rule, ...] = ()
    policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """All tables of a database by their oids, and the labels of its enums by the names of the types."""

    tables: Mapping[int, Table] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_facts(connection: Connection) -> Facts:
    """Read them through a session under our own settings."""
    asked = queries.load("workload")
    cursor = connection.cursor(row_factory=tuple_row)
    rules: dict[int, list[Rule]] = {}
    for table, oid, kind, name, definition, columns, refers_to in cursor.execute(asked["rules"]).fetchall():
        rules.setdefault(table, []).append(Rule(oid, kind, name, definition, tuple(columns), refers_to))
    policies: dict[int, list[Policy]] = {}
    for oid, command, roles in cursor.execute(asked["policies"]).fetchall():
        policies.setdefault(oid, []).append(Policy(command, frozenset(roles)))
    tables = {}
    for oid, name, *columns, owner, secured, fills in cursor.execute(asked["tables"]).fetchall():
        found = tuple(map(Column, *columns))
        tables[oid] = Table(
            oid, name, found, owner, secured, fills, tuple(rules.get(oid, ())), tuple(policies.get(oid, ()))
        )
    labels = {name: tuple(found) for _, name, found in cursor.execute(asked["labels"]).fetchall()}
    return Facts(tables, labels)
