"""Scripts that ask where they run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.review.whereabouts import asks_where
from sqlmigrate.sql.script import script_from_text

ASKS = {
    "SELECT current_database()": "current_database()",
    'SELECT pg_catalog."current_database"()': "current_database()",
    "SELECT current_catalog": "current_catalog",
    "DO $$ BEGIN IF inet_server_addr() IS NULL THEN NULL; END IF; END $$": "inet_server_addr()",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT VERSION ( )'": "version()",
    "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT current_setting(''cluster_name'')'": (
        "current_setting('cluster_name')"
    ),
    "SELECT current_setting( 'port', true)": "current_setting('port')",
    "SHOW data_directory": "data_directory",
    "SELECT 1 FROM pg_catalog.pg_settings": "pg_settings",
    "SELECT pg_is_in_recovery(), inet_client_addr()": "pg_is_in_recovery(), inet_client_addr()",
}
SILENT = [
    "SELECT 1",
    "SELECT current_setting('server_version_num')::int >= 150000",
    "SELECT current_setting('app.tenant')",
    "SELECT current_user, session_user",
    "CREATE TABLE port (version int)",
    "INSERT INTO t (version) VALUES (1)",
    "-- asks current_database() for nothing\nSELECT 1",
]


def notes(text: str) -> list[str]:
    return list(asks_where(script_from_text(Path("sql/1.sql"), text)))


@pytest.mark.parametrize(("statement", "asked"), ASKS.items())
def test_a_script_that_asks_where_it_runs_is_noted_with_its_place(statement, asked):
    [note] = notes(f"SELECT 1;\n{statement};\n")

    assert note.startswith(f"sql/1.sql:2:1 asks where it runs ({asked}): it may behave differently")


@pytest.mark.parametrize("statement", SILENT)
def test_other_questions_are_none(statement):
    assert notes(statement) == []
