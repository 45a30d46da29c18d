"""Which scripts depend on when they run: those that run the clock or chance, not those that only write it down."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.clock import Clocks, clocks

PARTITIONS = """
DO $$
BEGIN
    EXECUTE format('CREATE TABLE events_%s PARTITION OF events DEFAULT', to_char({}, 'YYYYMM'));
END
$$
"""
RUN = [
    *(
        PARTITIONS.format(name)
        for name in ("now()", "current_date", "CURRENT_TIMESTAMP", "pg_catalog.clock_timestamp()")
    ),
    "SELECT setval('s', (random() * 1000)::int)",
    "INSERT INTO t VALUES (gen_random_uuid())",
    "UPDATE t SET at = localtimestamp",
    "CREATE TABLE copies AS SELECT now() AS at",
    "CREATE MATERIALIZED VIEW m AS SELECT current_date",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM (current_date) TO ('infinity')",
    "ALTER TABLE t ALTER COLUMN at SET DEFAULT 'now'::timestamp",
    "CREATE ROLE r VALID UNTIL 'tomorrow'",
    "WITH x AS (SELECT now() AS at) INSERT INTO t SELECT at FROM x",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN EXECUTE 'CREATE TABLE t' || now(); END$$",
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN IF NEW.at < now() THEN RAISE 'too late'; END IF; RETURN NEW; END$$"
    ),
    "CALL make(now())",
]
WRITTEN = [
    "CREATE TABLE t (at timestamptz DEFAULT now(), id uuid DEFAULT gen_random_uuid())",
    "ALTER TABLE t ADD COLUMN at timestamptz NOT NULL DEFAULT current_timestamp",
    "ALTER TABLE t ADD CHECK (at <= now())",
    "CREATE VIEW v AS SELECT * FROM t WHERE at > now() - interval '1 day'",
    "CREATE FUNCTION f() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.at := now(); RETURN NEW; END$$",
    "CREATE POLICY p ON t USING (at < now())",
    "COMMENT ON TABLE t IS 'filled by random() rows'",
    "INSERT INTO t VALUES (1, 'then')",
    "CREATE TABLE p PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
]


def look(*statements: str) -> Clocks:
    return clocks([script_from_text(Path("1.sql"), ";\n".join(statements) + ";\n")])


@pytest.mark.parametrize("statement", RUN)
def test_it_depends_on_when_it_runs(statement):
    assert look(statement).asks


@pytest.mark.parametrize("statement", WRITTEN)
def test_it_is_the_same_on_every_day(statement):
    assert not look(statement).asks


def test_a_zone_of_its_own_is_noticed():
    assert look("INSERT INTO t SELECT (now() AT TIME ZONE 'Asia/Tokyo')::date").elsewhere
    assert not look("INSERT INTO t SELECT now()").elsewhere


def test_what_may_be_called_is_told_by_name():
    found = look('SELECT app.make(), "Own"(1)', "CREATE FUNCTION make() RETURNS int LANGUAGE sql AS 'SELECT other()'")

    assert found.calls >= {"make", "Own"}
    assert "other" not in found.calls
    assert list(found.routines) == ["make"]
    assert not found.drops
    assert look("DROP FUNCTION f").drops


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "WITH x AS (SELECT 1) UPDATE t SET n = 1",
        "SELECT fill()",
        "ALTER TABLE t ADD CHECK (at > now())",
        "ALTER TABLE t VALIDATE CONSTRAINT future",
    ],
)
def test_rows_meet_what_is_asked_of_them(statement):
    assert look(statement).writes
    assert not look("CREATE TABLE t (n integer)", "DROP TABLE u", "COMMENT ON TABLE t IS 'insert'").writes
