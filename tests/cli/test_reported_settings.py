"""What public reports tell of settings: the login's, the database's, and those that a script leaves behind."""

from __future__ import annotations

import pytest
from psycopg import sql

from cli.conftest import Project
from fixtures.postgres import Database
from support.command import Call

pytestmark = pytest.mark.pg

PARTITIONED = """
CREATE TABLE events (id int, at timestamptz NOT NULL, day date DEFAULT '01/02/2026', span interval DEFAULT '1 day 2:00')
    PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-05') TO ('2026-02-06');
CREATE TABLE days (day date) PARTITION BY RANGE (day);
CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('01/02/2026') TO ('02/03/2026');
"""
DUMPED = """
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;
SET client_min_messages = warning;
CREATE TABLE public.a ();
"""
SETTINGS = {
    "another zone and date": {"timezone": "America/New_York", "datestyle": "SQL, DMY", "intervalstyle": "sql_standard"},
    "serializable": {"default_transaction_isolation": "serializable", "default_transaction_deferrable": "on"},
    "unread bodies": {"check_function_bodies": "off", "plpgsql.extra_errors": "all"},
    "quoted names": {"quote_all_identifiers": "on", "extra_float_digits": "-5", "bytea_output": "escape"},
    "short times": {"statement_timeout": "300ms", "idle_in_transaction_session_timeout": "1s"},
}


def alter(target: Database, settings: dict[str, str]) -> None:
    """Set something for everybody who logs in to the database."""
    with target.connect_superuser() as session:
        for name, value in settings.items():
            text = sql.SQL("ALTER DATABASE {} SET {} = {}")
            if name == "datestyle":
                value = sql.SQL(value)  # type: ignore[assignment]  # noqa: PLW2901  a list, not one word
            setting = sql.SQL(".").join(map(sql.Identifier, name.split(".")))
            session.execute(text.format(sql.Identifier(target.name), setting, value))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_what_was_applied_under_settings_is_exact_and_no_drift_under_them(
    target: Database, project: Project, sqlmigrate: Call, settings: dict[str, str]
) -> None:
    alter(target, settings)
    project.migration("1", PARTITIONED, rollback="DROP TABLE events, days;")
    body = "CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM later'; CREATE TABLE later ();"
    late = "SELECT pg_sleep(0.4); CREATE TABLE later ();" if "statement_timeout" in settings else ""
    project.migration(
        "2",
        late or (body if "check_function_bodies" in settings else "CREATE TABLE later ();"),
        rollback="DROP TABLE later; DROP FUNCTION IF EXISTS f;",
    )
    project.migration(
        "3",
        "-- transactional: false\nCREATE INDEX CONCURRENTLY days_day ON days_1 (day);",
        rollback="DROP INDEX days_day;",
    )

    applied = sqlmigrate("apply")
    assert applied.status == 0, applied.stderr
    for command in ("drift", "roundtrip", "review"):
        done = sqlmigrate(command)
        assert done.status == 0, (command, done.stdout, done.stderr)


def test_a_dump_that_empties_the_path_does_not_matter_to_what_follows(
    target: Database, project: Project, sqlmigrate: Call
) -> None:
    project.migration("1", DUMPED, rollback="SELECT set_config('search_path', '', false); DROP TABLE public.a;")
    project.tables("b")

    assert sqlmigrate("apply").lines[-1] == "2 applied"
    assert sqlmigrate("drift").status == 0
    assert sqlmigrate("roundtrip").status == 0
    assert sqlmigrate("rollback", "--all", "--yes").lines[-1] == "2 rolled back"


def test_a_database_that_is_read_only_for_its_logins_is_refused_and_can_be_looked_at(
    target: Database, project: Project, sqlmigrate: Call
) -> None:
    alter(target, {"default_transaction_read_only": "on"})
    project.tables("a")

    refused = sqlmigrate("apply")

    assert refused.status == 1
    assert "read only" in refused.stderr
    for command in ("status", "drift", "roundtrip", "review"):
        assert sqlmigrate(command).status == 0, command


def test_a_database_of_no_encoding_with_bytes_that_are_not_text_is_reported(
    target: Database, project: Project, sqlmigrate: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{target.name}_ascii"
    with target.connect_superuser() as session:
        create = "CREATE DATABASE {} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0 OWNER migrator"
        session.execute(sql.SQL(create).format(sql.Identifier(name)))
    try:
        monkeypatch.setenv("DATABASE_URL", target.url.replace(f"/{target.name}?", f"/{name}?"))
        project.migration("1", "SET client_encoding = 'SQL_ASCII'; COMMENT ON SCHEMA public IS E'caf\\351';")
        assert sqlmigrate("apply").status == 0

        told = sqlmigrate("drift")

        assert told.status == 1
        assert "cannot be read as UTF-8" in told.stderr
    finally:
        with target.connect_superuser() as session:
            session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
