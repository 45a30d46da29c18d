"""An error is told in PostgreSQL's words, with its place in the file."""

from __future__ import annotations

import itertools

import pytest

from sqlmigrate.errors import ExecutionError
from support.runner import place


def failure(runner, script: str) -> ExecutionError:
    runner.write("a", script)
    with pytest.raises(ExecutionError) as caught:
        runner.apply()
    assert caught.value.migration_id == "a"
    return caught.value


PLACES = [
    ("SELECT nonsense;", "a.sql:1:8"),
    ("SELECT 1;\nSELECT 2; SELECT nonsense;", "a.sql:2:18"),
    ("SELECT 1;\r\n\r\nSELECT\r\n  nonsense;\r\n", "a.sql:4:3"),
    ("\ufeffSELECT nonsense;", "a.sql:1:8"),
    ("SELECT '😀😀', nonsense;", "a.sql:1:14"),
    ("SELECT '😀';\nSELECT 'ä€', '日本',\n  '😀😀' || nonsense;", "a.sql:3:11"),
    ("-- 😀\n/* é /* nested */ */ SELECT\n\t'\t😀' AS x, nonsense;", "a.sql:3:13"),
    ("SELECT 1;\nSELEC 1;", "a.sql:2:1"),
    ("SELECT 1;\n\n  CREATE TABLE x (y nonsense);", "a.sql:3:21"),
    ("SELECT (1 + ;", "a.sql:1:13"),
    ("SELECT nonsense", "a.sql:1:8"),
    ("CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS $$\n  SELECT 1;\n  SELECT nonsense\n$$;", "a.sql:3:10"),
    (
        "SELECT 1;\nCREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$\nBEGIN\n  IF THEN;\nEND\n$$;",
        "a.sql:4:6",
    ),
]


def test_the_place_is_where_postgresql_points_to(runner):
    found = [place(failure(runner, script)) for script, _ in PLACES]

    assert found == [where for _, where in PLACES]


def test_an_error_in_a_do_block_is_placed_on_its_line(runner):
    for quote, end in itertools.product(["$$", "$body_1$", "'"], ["\n", "\r\n"]):
        lines = ["SELECT 1;", "", f"DO LANGUAGE plpgsql {quote}", "DECLARE", "  n integer;", "BEGIN", "    n := 1 / 0;"]
        script = end.join([*lines, "END", f"{quote};", "SELECT 2;"])

        assert place(failure(runner, script)) == "a.sql:7:5", (quote, end)


def test_an_error_in_a_query_of_a_do_block_is_placed_on_its_line(runner):
    error = failure(runner, "DO $$\nBEGIN\n  PERFORM 1;\n  PERFORM nonsense\n    FROM pg_class;\nEND $$;")

    assert place(error) == "a.sql:4:3"
    assert "column" in error.server.message


def test_an_error_in_a_function_called_by_a_do_block_is_placed_at_the_call(runner):
    error = failure(
        runner,
        """\
        CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $f$
        BEGIN

          RAISE EXCEPTION 'stop' USING HINT = 'go on', DETAIL = 'because', ERRCODE = 'P0042';
        END $f$;
        DO $$ BEGIN
          NULL;
          PERFORM f();
        END $$;
        """,
    )

    assert place(error) == "a.sql:8:3"
    assert (error.server.message, error.server.hint, error.server.detail) == ("stop", "go on", "because")
    assert error.server.sqlstate == "P0042"
    assert "PL/pgSQL function f() line 4 at RAISE" in error.server.context
    assert "inline_code_block line 3 at PERFORM" in error.server.context


WITHOUT_POSITION = [
    "INSERT INTO t\nVALUES (1), (1);",
    "ALTER TABLE t\nADD COLUMN n integer;",
    "INSERT INTO t VALUES\n(NULL);",
    "SELECT\nboom();",
    "DROP TABLE\nmissing;",
]


def test_an_error_without_a_position_is_placed_at_the_start_of_its_statement(runner):
    for statement in WITHOUT_POSITION:
        script = f"""\
CREATE TABLE t (n integer PRIMARY KEY);
CREATE FUNCTION boom() RETURNS void LANGUAGE plpgsql AS $$ BEGIN

  RAISE EXCEPTION 'boom'; END $$;
-- a comment before it
  {statement}
"""
        assert place(failure(runner, script)) == "a.sql:6:3", statement


def test_the_line_is_kept_for_the_caret(runner):
    error = failure(runner, "SELECT 1;\n\tSELECT 'é', nonsense;  -- why\r\n")

    assert error.place.text == "\tSELECT 'é', nonsense;  -- why"
    assert error.place.column == 14


def test_the_servers_message_is_kept_whole(runner):
    error = failure(
        runner,
        """
        CREATE TABLE t (n integer CONSTRAINT positive CHECK (n > 0));
        INSERT INTO t VALUES (-5);
        """,
    )

    assert error.message == 'new row for relation "t" violates check constraint "positive"'
    assert error.server.severity == "ERROR"
    assert error.server.sqlstate == "23514"
    assert error.server.detail == "Failing row contains (-5)."
    assert error.statement == 2


def test_postgresqls_hint_is_kept(runner):
    error = failure(runner, "SELECT lengthh('x');")

    assert "No function matches" in error.server.hint


def test_the_first_error_is_the_one_that_is_reported(runner):
    error = failure(runner, "SELECT one;\nSELECT two;\nSELECT three;")

    assert error.message == 'column "one" does not exist'
    assert error.statement == 1


def test_an_error_of_a_rollback_script_names_that_file(runner):
    runner.write("a", "SELECT 1;", "SELECT 2;\nSELECT nonsense;")
    runner.apply()

    with pytest.raises(ExecutionError) as caught:
        runner.rollback()

    assert place(caught.value) == "a.rollback.sql:2:8"
    assert runner.applied() == ["a"]


def test_a_place_is_right_in_a_database_with_another_encoding(runner, admin, pg_server):
    """Positions count characters as the client sees them, whatever the database stores."""
    provider = "LOCALE_PROVIDER libc" if pg_server.major >= 15 else ""
    options = f"OWNER migrator TEMPLATE template0 ENCODING 'LATIN1' {provider} LOCALE 'C'"
    admin.execute(f"CREATE DATABASE test_latin1 {options}")
    try:
        runner.conninfo = pg_server.conninfo("test_latin1", "migrator")
        assert place(failure(runner, "SELECT 'äöü', nonsense;")) == "a.sql:1:15"
        assert "cannot" not in failure(runner, "SELECT 'äöü', nonsense;").message
        assert "has no equivalent" in failure(runner, "SELECT '日本';").message
    finally:
        admin.execute("DROP DATABASE test_latin1 WITH (FORCE)")


def test_the_query_that_a_block_put_together_is_reported_with_its_place(runner):
    runner.write("a", "DO $$BEGIN EXECUTE format('CREATE TABLE %I (n integr)', 'orders'); END$$;")

    with pytest.raises(ExecutionError) as caught:
        runner.apply()

    said = caught.value.server
    assert (said.internal_query, said.message) == ("CREATE TABLE orders (n integr)", 'type "integr" does not exist')
    assert said.internal_query[said.internal_position - 1 :] == "integr)"


def test_a_setting_that_postgresql_refuses_is_reported_as_that(runner):
    runner.write("a", '-- sqlmigrate: search_path="a,,b"\nSELECT 1;')

    with pytest.raises(ExecutionError, match="the settings of the script could not be made: invalid value for"):
        runner.apply()


def test_an_isolation_level_that_comes_too_late_is_reported_with_what_to_write(runner):
    runner.write("a", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;")

    with pytest.raises(ExecutionError, match="must be called before any query") as caught:
        runner.apply()

    assert "-- sqlmigrate: isolation=LEVEL" in caught.value.hint
