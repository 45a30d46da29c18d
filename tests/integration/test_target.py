"""From the settings to the database: a named one as it is, or one of our own with the bootstrap in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate import connection
from sqlmigrate.config import Config
from sqlmigrate.errors import ExecutionError
from sqlmigrate.target import Choice, opened, prepared

WHO = "SELECT session_user, current_database(), rolsuper FROM pg_roles WHERE rolname = session_user"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Migrations with a bootstrap that notes each of its runs."""
    folder = tmp_path / "sql" / "bootstrap"
    folder.mkdir(parents=True)
    folder.joinpath("1.sql").write_text(
        "CREATE TABLE public.runs AS SELECT current_user::text AS who; GRANT SELECT ON public.runs TO PUBLIC;"
    )
    return Config(migrations=tmp_path / "sql", project=tmp_path, state_dir=tmp_path / "state")


def test_a_private_database_is_bootstrapped_once_and_belongs_to_an_ordinary_role(config, pg_server, database_factory):
    """The server of the tests stands for a private one of the user's."""
    first = prepared(pg_server, config)
    second = prepared(pg_server, config)

    try:
        assert first == second
        assert first.private
        assert "private server" in first.description
        with connection.session(first.conninfo) as session:
            assert session.execute(WHO).fetchone() == ("migrator", "app", False)
            assert session.execute("SELECT who FROM public.runs").fetchall() == [("postgres",)]
            session.execute("CREATE SCHEMA mine")
    finally:
        _drop_app(pg_server)


def test_a_bootstrap_that_fails_is_reported_and_tried_again(config, pg_server):
    script = config.migrations / "bootstrap" / "1.sql"
    good = script.read_text()
    script.write_text("SELECT nonsense;")
    with pytest.raises(ExecutionError, match="nonsense"):
        prepared(pg_server, config)
    script.write_text(good)
    try:
        with connection.session(prepared(pg_server, config).conninfo) as session:
            assert session.execute("SELECT count(*) FROM public.runs").fetchone() == (1,)
    finally:
        _drop_app(pg_server)


def test_the_bootstrap_never_runs_in_a_database_that_was_named(config, database, conn):
    with opened(Choice(database.conninfo, "option --database-url"), config) as target:
        assert target.conninfo == database.conninfo
        assert not target.private
        assert target.description == "named by option --database-url"
        assert conn.execute("SELECT to_regclass('public.runs')").fetchone() == (None,)
    assert not (config.project / "state").exists()


def _drop_app(server) -> None:
    with connection.session(server.conninfo()) as session:
        session.execute("DROP DATABASE app WITH (FORCE)")
