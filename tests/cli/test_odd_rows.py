"""Rows of the history that no release writes end a command with words, and are never taken for a bug of ours."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
from psycopg import sql

from support.seeds import SeedFiles

pytestmark = pytest.mark.pg

TEXTS = ("NULL", "''", "E'odd\\033]0;\\n'")
TIMES = ("NULL", "'infinity'", "'4000-01-01 BC'", "'20000-01-01'")
ODD = {
    "text": TEXTS,
    "character varying": TEXTS,
    "integer": ("NULL", "-1", "2147483647"),
    "bigint": ("NULL", "9223372036854775807"),
    "boolean": ("NULL", "true"),
    "uuid": ("NULL",),
    "jsonb": ("NULL", "'1'", "'[5]'", "'{}'", """'{"kind": "backfill"}'""", """'{"kind": 5}'"""),
    "timestamp without time zone": TIMES,
    "timestamp with time zone": TIMES,
    "inet": ("NULL", "'::/0'"),
}
CALLS = ("status", "history", "rollback --dry-run")
COLUMNS = """
SELECT relname, attname, format_type(atttypid, NULL)
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'sqlmigrate'::regnamespace AND relkind = 'r' AND attnum > 0 AND attidentity = ''
ORDER BY 1, attnum
"""


@pytest.fixture
def lived_in(project, target, sqlmigrate):
    """A history with rows in all its tables: applied, seeded, tried in vain, and half way."""
    (project.root / "data").mkdir()
    SeedFiles(project.root / "data").file(
        "colours", {"list": "a", "table": "public.a", "conflict": ["name"]}, "a: [{name: red}]\n"
    )
    project.migration("1_a", "CREATE TABLE a (name text PRIMARY KEY);", rollback="DROP TABLE a;")
    assert [sqlmigrate("apply").status, sqlmigrate("seed").status] == [0, 0]
    project.migration("2_b", "-- transactional: false\nSELECT 1;\nSELECT 1 / 0;", rollback="SELECT 1;")
    assert sqlmigrate("apply").status == 6
    return target


def test_no_row_is_taken_for_a_bug(lived_in, admin, sqlmigrate):
    admin.execute("SET session_replication_role = replica")
    columns = admin.execute(COLUMNS).fetchall()
    tables = {table: sql.Identifier("sqlmigrate", table) for table, *_ in columns}
    for table, place in tables.items():
        assert admin.execute(sql.SQL("SELECT FROM {}").format(place)).rowcount, table
        admin.execute(sql.SQL("CREATE TABLE {} AS SELECT * FROM {}").format(sql.Identifier(f"kept {table}"), place))

    for table, column, kind in columns:
        place, kept = tables[table], sql.Identifier(f"kept {table}")
        for value in ODD[kind]:
            with suppress(psycopg.errors.NotNullViolation, psycopg.errors.UniqueViolation):
                admin.execute(sql.SQL("UPDATE {} SET {} = ").format(place, sql.Identifier(column)) + sql.SQL(value))
                for call in CALLS:
                    outcome = sqlmigrate(*call.split())
                    assert outcome.status in {0, 1}, (table, column, value, call, outcome)
            restore = "DELETE FROM {0}; INSERT INTO {0} OVERRIDING SYSTEM VALUE SELECT * FROM {1}"
            admin.execute(sql.SQL(restore).format(place, kept))


@pytest.mark.parametrize("odd", ["operation = 'other'", "state = 'other'", "number = 0", "migration_hash = 'other'"])
def test_a_row_of_the_journal_that_no_release_writes_is_named(lived_in, admin, sqlmigrate, odd):
    admin.execute(f"UPDATE sqlmigrate.journal SET {odd} WHERE number = 2")

    for command in ("status", "apply", "rollback"):
        outcome = sqlmigrate(command)
        assert (outcome.status, 'a row of "sqlmigrate"."journal" for 2_b has values' in outcome.stderr) == (1, True)
    looked_at = outcome.stderr.partition("look at it: ")[2].partition(";")[0]
    assert admin.execute(looked_at).fetchall()


def test_a_history_under_another_name_is_told(lived_in, admin, sqlmigrate):
    admin.execute("ALTER SCHEMA sqlmigrate RENAME TO moved")

    for command in ("status", "rollback --dry-run", "rollback"):
        outcome = sqlmigrate(*command.split())
        assert outcome.status == 0
        assert "there is another history of sqlmigrate in schema moved" in " ".join(outcome.stderr.split())
