"""Every column of every catalog of this PostgreSQL is read, or left out for a reason.

Each one is changed behind PostgreSQL's back, in the row of some object of ours, and the schema must show it: by a
difference, or since an invalid value made reading fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from sqlmigrate.schema.read import Snapshot, read_schema
from support.catalog_columns import CATALOGS, COLUMNS

ROWS = 12
FEW = {"pg_extension", "pg_largeobject_metadata"}
"""Catalogs that hold nothing but what is ours, whatever its oid."""
# An expression that differs from what the column holds, by the column's type; anything else is taken from another row.
OTHER = {
    "boolean": "NOT {}",
    "name": "'zz'",
    "text": "'zz'",
    "text[]": "'{{zz=1}}'",
    "aclitem[]": "ARRAY[pg_catalog.makeaclitem(0, 10, 'SELECT', false)]",
    "smallint": "coalesce({}, 0) + 1",
    "integer": "coalesce({}, 0) + 1",
    "bigint": "coalesce({}, 0) + 1",
    "real": "coalesce({}, 0) + 100",
    "timestamp with time zone": "'2040-01-01'",
}
CHARACTERS = "abcdefinoprstuwxADFORSULf"
LIST = """
SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, NULL)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r'
ORDER BY c.relname, a.attnum
"""
# The columns that tell whose a row is.
KEY = """
SELECT attname::text
FROM pg_catalog.pg_attribute
WHERE attrelid = pg_catalog.to_regclass('pg_catalog.' || %s)
  AND attnum BETWEEN 1 AND 2
  AND atttypid IN ('oid'::regtype, 'regproc'::regtype)
"""
COLUMNS_OF_TABLES = """
attrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'c', 'f', 'v', 'm'))
"""
REFERENCES = """
SELECT c.relname::text
FROM pg_catalog.pg_get_catalog_foreign_keys() AS f
JOIN pg_catalog.pg_class AS c ON c.oid = f.pktable
WHERE f.fktable = pg_catalog.to_regclass('pg_catalog.' || %s) AND f.fkcols = ARRAY[%s]
"""


@pytest.fixture(scope="session")
def columns(rich_session: psycopg.Connection[Any]) -> dict[str, dict[str, str]]:
    """The columns of all catalogs, with their types."""
    found: dict[str, dict[str, str]] = {}
    for relation, column, kind in rich_session.execute(LIST):
        found.setdefault(relation, {})[column] = kind
    rich_session.rollback()
    return found


def test_the_catalogs_are_those_that_refer_to_each_other(rich, columns):
    query = "SELECT DISTINCT fktable::text FROM pg_catalog.pg_get_catalog_foreign_keys()"

    assert {name for (name,) in rich.execute(query)} <= columns.keys()


def test_what_is_left_out_has_a_reason_and_is_there(columns):
    assert all([*CATALOGS.values(), *COLUMNS.values()])
    known = {f"{relation}.{column}" for relation, names in columns.items() for column in names}
    gone = {
        "pg_attribute.attcacheoff",
        "pg_class.relallfrozen",
        "pg_constraint.confdelsetcols",
        "pg_database.datcollversion",
        "pg_database.dathasloginevt",
        "pg_database.datlastsysoid",
        "pg_subscription.subskiplsn",
    }

    assert COLUMNS.keys() - known <= gone


@pytest.mark.parametrize(
    "relation",
    sorted(
        CATALOGS_READ := [
            "pg_aggregate",
            "pg_am",
            "pg_amop",
            "pg_amproc",
            "pg_attrdef",
            "pg_attribute",
            "pg_auth_members",
            "pg_authid",
            "pg_cast",
            "pg_class",
            "pg_collation",
            "pg_constraint",
            "pg_conversion",
            "pg_database",
            "pg_db_role_setting",
            "pg_default_acl",
            "pg_depend",
            "pg_description",
            "pg_enum",
            "pg_event_trigger",
            "pg_extension",
            "pg_foreign_data_wrapper",
            "pg_foreign_server",
            "pg_foreign_table",
            "pg_index",
            "pg_inherits",
            "pg_language",
            "pg_largeobject_metadata",
            "pg_namespace",
            "pg_opclass",
            "pg_operator",
            "pg_opfamily",
            "pg_parameter_acl",
            "pg_partitioned_table",
            "pg_policy",
            "pg_proc",
            "pg_publication",
            "pg_publication_namespace",
            "pg_publication_rel",
            "pg_range",
            "pg_rewrite",
            "pg_sequence",
            "pg_shdescription",
            "pg_statistic_ext",
            "pg_subscription",
            "pg_transform",
            "pg_trigger",
            "pg_ts_config",
            "pg_ts_config_map",
            "pg_ts_dict",
            "pg_ts_parser",
            "pg_ts_template",
            "pg_type",
            "pg_user_mapping",
        ]
    ),
)
def test_every_column_shows_in_the_schema(relation, rich, start, columns):
    rich.execute("SET LOCAL allow_system_table_mods = on")
    tried = [name for name in columns.get(relation, {}) if name != "oid" and f"{relation}.{name}" not in COLUMNS]
    before = read_schema(rich, cluster=True, since=start)
    unseen = [name for name in tried if not _shows_somewhere(rich, before, relation, name, columns[relation][name])]

    assert " ".join(unseen) == ""


def test_no_catalog_is_forgotten(columns):
    assert columns.keys() - CATALOGS.keys() <= set(CATALOGS_READ)


def _values(session, relation: str, column: str, kind: str) -> Iterator[sql.Composable]:
    """Give values that the column may hold: of its type, of other rows, of what it refers to."""
    name = sql.Identifier(column)
    if kind in OTHER:
        yield sql.SQL(OTHER[kind]).format(name)
        return
    query = sql.SQL("SELECT DISTINCT {}::text FROM pg_catalog.{} WHERE {} IS NOT NULL ORDER BY 1 DESC LIMIT 8")
    found = session.execute(query.format(name, sql.Identifier(relation), name)).fetchall()
    for (table,) in session.execute(REFERENCES, [relation, column]).fetchall():
        # by the number: as a text, an oid of ours from 100000 on would come behind those of PostgreSQL's own
        query = sql.SQL("SELECT t.oid::text FROM pg_catalog.{} AS t ORDER BY t.oid DESC LIMIT 3")
        found += session.execute(query.format(sql.Identifier(table))).fetchall()
    for (value,) in found:
        yield sql.SQL("{}::{}").format(sql.Literal(value), sql.SQL(kind))
    if kind == '"char"':  # after the characters that are in use, which are the most likely to be read
        yield from (sql.Literal(character) for character in CHARACTERS)
    yield sql.SQL("NULL")


def _shows_somewhere(session, start: Snapshot, relation: str, column: str, kind: str) -> bool:
    return any(_shows(session, start, relation, column, value) for value in _values(session, relation, column, kind))


def _shows(session, start: Snapshot, relation: str, column: str, value: sql.Composable) -> bool:
    for row in _rows(session, relation, column):
        session.execute("SAVEPOINT row")
        try:
            change = sql.SQL("UPDATE pg_catalog.{} SET {} = {} WHERE ctid = {}")
            session.execute(change.format(sql.Identifier(relation), sql.Identifier(column), value, sql.Literal(row)))
            seen = read_schema(session, cluster=True, since=start).schema != start.schema
        except (psycopg.errors.IntegrityError, psycopg.errors.DataException):
            seen = False
        except psycopg.Error:
            seen = True
        session.execute("ROLLBACK TO row")
        if seen:
            return True
    return False


def _rows(session, relation: str, column: str) -> list[str]:
    """Give some rows of our own objects, first those where the column holds what is rare."""
    keys = [key for (key,) in session.execute(KEY, [relation])]
    ours = sql.SQL(" OR ").join(sql.SQL("{} >= 16384").format(sql.Identifier(key)) for key in keys)
    if relation in FEW:
        ours = sql.SQL("true")
    elif relation == "pg_attribute":
        ours = sql.SQL(COLUMNS_OF_TABLES)
    # A wrong function for a type that others use could crash the server.
    last = sql.SQL("typtype <> 'b' OR typarray = 0" if relation == "pg_type" else "0 > 1")
    query = sql.SQL(
        "SELECT ctid::text FROM pg_catalog.{} WHERE {} "
        "ORDER BY {}, count(*) OVER (PARTITION BY {}::text), ctid LIMIT {}"
    )
    rows = session.execute(query.format(sql.Identifier(relation), ours, last, sql.Identifier(column), ROWS))
    return [row for (row,) in rows]
