from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.command import command_of


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("select 1", "SELECT"),
        ("(SELECT 1) UNION SELECT 2", "SELECT"),
        ("WITH a AS (SELECT 1) UPDATE t SET b = 1", "UPDATE"),
        ("WITH a AS (SELECT 1) SELECT 1", "SELECT"),
        ("-- prose\nALTER TABLE t ADD a integer", "ALTER TABLE"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX"),
        ("CREATE OR REPLACE FUNCTION f() RETURNS integer", "CREATE FUNCTION"),
        ("CREATE OR REPLACE CONSTRAINT TRIGGER x", "CREATE TRIGGER"),
        ("CREATE CONSTRAINT TRIGGER x", "CREATE TRIGGER"),
        ("CREATE TEMP TABLE t (a integer)", "CREATE TABLE"),
        ("CREATE TABLE t AS SELECT 1", "CREATE TABLE AS"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "CREATE MATERIALIZED VIEW"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", "REFRESH MATERIALIZED VIEW"),
        ("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO x", "ALTER DEFAULT PRIVILEGES"),
        ("CREATE EVENT TRIGGER e ON ddl_command_end", "CREATE EVENT TRIGGER"),
        ("DO $$ BEGIN END $$", "DO"),
        ("LOCK TABLE t", "LOCK"),
        ("", ""),
    ],
)
def test_a_statement_is_called_as_the_documentation_does(text, name):
    assert command_of(text) == name
