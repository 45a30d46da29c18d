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
    """A column: `oid` is that of its type; `required` must be given a value by an INSERT, `not_null` takes no NULL."""

    name: str
    oid: int
    type: str
    required: bool
    not_null: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """What may refuse a row: `kind` is c (CHECK), f (foreign key), x (exclusion) or u (unique), as in pg_constraint.

    `refers_to` is the oid of the table that a foreign key refers to, 0 else, `referred_table` its name, and `referred`
    its columns there.
    `columns` are in the order of the table; `plain` is a unique index without expressions and without a predicate.
    """

    oid: int
    kind: str
    name: str
    definition: str
    columns: tuple[str, ...]
    refers_to: int = 0
    referred: tuple[str, ...] = ()
    plain: bool = False
    referred_table: str = ""

    @property
    def refuses(self) -> tuple[object, ...]:
        """What it refuses: two rules with the same value refuse the same rows, whatever their names are."""
        if self.kind == "f":
            return self.kind, self.columns, self.referred_table, self.referred
        if self.plain:  # the order of the columns of an index is no matter
            return self.kind, self.columns
        return self.kind, self.definition.replace(self.name, "", 1) if self.kind == "u" else self.definition


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
class Index:
    """An index: what a btree is sorted by first, "" of others, and the types and collations of its columns."""

    oid: int
    valid: bool
    first: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All tables of a database by their oids; by the names of types, the labels of enums and the checks of domains.

    Indexes are by their schemas and names.
    """

    tables: Mapping[int, Table] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    checks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    indexes: Mapping[tuple[str, str], Index] = field(default_factory=dict)

    def keeps_indexes(self, later: Facts) -> bool:
        """Tell whether each valid index is there later as it is now: then no statement can have lost one."""
        kept = {(index.oid, index.columns) for index in later.indexes.values() if index.valid}
        return all((index.oid, index.columns) in kept for index in self.indexes.values() if index.valid)


def read_facts(connection: Connection) -> Facts:
    """Read them through a session under our own settings."""
    asked = queries.load("workload")
    cursor = connection.cursor(row_factory=tuple_row)
    rules: dict[int, list[Rule]] = {}
    for table, *said, columns, to, referred, plain, name in cursor.execute(asked["rules"]).fetchall():
        oid, kind, rule_name, definition = said
        rule = Rule(oid, kind, rule_name, definition, tuple(columns), to, tuple(referred), plain, name)
        rules.setdefault(table, []).append(rule)
    policies: dict[int, list[Policy]] = {}
    for oid, command, roles in cursor.execute(asked["policies"]).fetchall():
        policies.setdefault(oid, []).append(Policy(command, frozenset(roles)))
    tables = {}
    for oid, name, *columns, owner, secured, fills in cursor.execute(asked["tables"]).fetchall():
        found = tuple(map(Column, *columns))
        tables[oid] = Table(
            oid, name, found, owner, secured, fills, tuple(rules.get(oid, ())), tuple(policies.get(oid, ()))
        )
    labels, checks = (
        {type_name: tuple(found) for type_name, found in cursor.execute(asked[name]).fetchall()}
        for name in ("labels", "domains")
    )
    indexes = {
        (schema, name): Index(oid, valid, first, tuple(columns))
        for schema, name, oid, valid, first, columns in cursor.execute(asked["indexes"]).fetchall()
    }
    return Facts(tables, labels, checks, indexes)
