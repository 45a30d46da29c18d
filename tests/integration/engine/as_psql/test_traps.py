"""What psql would do to a script or to its session is prevented, or the plan is refused before anything is written."""

from __future__ import annotations

import pytest
from psycopg import sql

from sqlmigrate.errors import ScriptError
from support.runner import Runner
from support.sessions import is_there
from support.stepwise import OUTSIDE
from support.twins import Twins, psql, written_plan

PSQLRC = r"""
\set AUTOCOMMIT off
\set ON_ERROR_ROLLBACK on
\set FETCH_COUNT 1
\set SINGLELINE on
\set b replaced
"""


def test_settings_of_psql_do_not_matter(twins, tmp_path_factory):
    rc = tmp_path_factory.mktemp("rc") / "psqlrc"
    rc.write_text(PSQLRC)
    twins.write("a", "SELECT 1 AS x\nINTO a;\nCREATE TABLE t (a int);\nSELECT 2;")
    twins.write("b", OUTSIDE + "CREATE INDEX CONCURRENTLY i\nON t (a);\nINSERT INTO t\nVALUES (1);\nVACUUM t;")

    twins.apply(options=["-v", "VERBOSITY=verbose"], PSQLRC=str(rc))


def test_no_variable_of_psql_gets_into_a_script(twins):
    twins.write(
        "a",
        """
        CREATE TABLE a AS
        SELECT (ARRAY['x', 'y', 'z'])[1:2] AS slice, (ARRAY['x', 'y', 'z'])[n:größe] AS named,
               ':n' AS text, $$:n$$ AS dollar, n::text AS cast /* :n */ -- :'n'
        FROM (VALUES (1, 2)) AS v(n, größe);
        """,
    )
    names = ("1", "2", "n", "größe", "text")

    twins.apply(options=["-X", *(f"--set={name}=3" for name in names)])

    assert twins.right.connect().execute("SELECT slice, named, text FROM a").fetchone() == (
        ["x", "y"],
        ["x", "y"],
        ":n",
    )


def test_only_what_psql_would_replace_is_unset(runner):
    runner.write("a", """INSERT INTO t VALUES ('{"a":"b", "c":true}', '12:30', a[1:n], x::text); -- :comment""")

    assert [line for line in written_plan(runner).splitlines() if line.startswith("\\unset")] == ["\\unset n"]


@pytest.mark.parametrize("head", ["", OUTSIDE])
@pytest.mark.parametrize(
    "text",
    [
        "SELECT :x$a$ ' $a$\n\\! touch x\n-- '",
        "SELECT :E' \\' \n\\! touch x\n-- '",
        "SELECT 1.e' \\' \n\\! touch x\n-- '",
        "SELECT 1e'\\' || ' \n\\! touch x\n-- '",
        "SELECT $e'\\' || ' \n\\! touch x\n-- '",
        "SELECT $$x$$e'\\' || ' \n\\! touch x\n-- '",
        "SELECT 1e5$a$ ' $a$\n\\! touch x\n-- '",
    ],
)
def test_what_psql_or_an_older_one_reads_on_differently_is_refused(runner, head, text):
    runner.write("a", f"{head}SELECT 1;\n{text};")

    with pytest.raises(ScriptError, match=r"read what follows .* differently") as caught:
        written_plan(runner)

    assert caught.value.place.line == (3 if head else 2)


@pytest.mark.parametrize("head", ["", OUTSIDE])
@pytest.mark.parametrize("name", ["ROW_COUNT", "ON_ERROR_STOP", "QUIET", "'SQLSTATE'"])
def test_a_name_that_psql_always_replaces_is_refused(runner, head, name):
    runner.write("a", f"{head}SELECT ':QUIET';\nSELECT a[1:{name}] FROM t;")

    with pytest.raises(ScriptError, match="psql would put a value of its own for `:") as caught:
        written_plan(runner)

    assert caught.value.place.line == 2 + bool(head)
    runner.write("a", f"{head}SELECT ':QUIET';\nSELECT a[1: {name}] FROM t;")
    assert written_plan(runner)


@pytest.mark.parametrize("head", ["", OUTSIDE])
def test_a_statement_whose_end_psql_would_not_see_is_refused(runner, head):
    runner.write("0", "CREATE TABLE z (begin int);")
    body = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT z.{} FROM z; END;\nSELECT 1;"
    runner.write("a", head + body.format("begin"))

    with pytest.raises(ScriptError, match="would not see where this statement ends"):
        written_plan(runner)

    runner.write("a", head + body.format('"begin"'))
    assert written_plan(runner)


def test_a_plan_is_refused_where_the_same_migrations_were_applied_in_another_order(runner, database):
    for name in ("a", "b"):
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    runner.apply()
    script = written_plan(runner, "rollback")
    runner.rollback(everything=True)
    (runner.directory / "a.sql").rename(runner.directory / "a.away")
    (runner.directory / "a.rollback.sql").rename(runner.directory / "a.rollback.away")
    runner.apply()
    (runner.directory / "a.away").rename(runner.directory / "a.sql")
    (runner.directory / "a.rollback.away").rename(runner.directory / "a.rollback.sql")
    runner.apply(allow_out_of_order=True)

    stopped = psql(database, script)

    assert (stopped.returncode, runner.applied()) == (3, ["b", "a"])
    assert "is not the one that this plan was made for" in stopped.stderr


def test_the_guard_knows_names_in_every_encoding_of_a_database(database, admin, tmp_path):
    # in KOI8-R, letters stand in another order than in UTF-8
    name = f"{database.name}_koi8"
    admin.execute(
        sql.SQL("CREATE DATABASE {} OWNER migrator ENCODING 'KOI8R' LOCALE 'C' TEMPLATE template0").format(
            sql.Identifier(name)
        )
    )
    try:
        runner = Runner(database.server.conninfo(name, "migrator"), tmp_path)
        for number, letter in enumerate("юдц"):
            runner.write(letter, f"CREATE TABLE t_{number} ();")
        runner.apply()
        runner.write("я", "CREATE TABLE last ();")
        twin = type(database)(database.server, name, database.resources)
        done = psql(twin, written_plan(runner), PGCLIENTENCODING="UTF8")

        assert (done.returncode, done.stderr) == (0, "")
        assert runner.applied() == ["д", "ц", "ю", "я"]
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_a_name_with_the_end_of_a_line_stays_in_its_comment(database_factory, tmp_path):
    left, right = database_factory(), database_factory(name="line\nCREATE TABLE injected ();")
    twins = Twins(left, right, tmp_path)
    twins.write("a", "CREATE TABLE a ();")

    twins.apply()


def test_the_run_lock_is_given_back_at_the_end(runner, database):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();")
    script = written_plan(runner)

    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    done = psql(
        database, f"{script}\nSELECT 'held: ' || count(*) FROM pg_locks WHERE locktype = 'advisory' AND {here};"
    )

    assert "held: 0" in done.stdout
    assert script.count("DISCARD ALL") == 1


def test_a_script_that_takes_its_row_out_of_the_history_is_stopped_by_psql_too(runner, database, conn):
    runner.write("a", "CREATE TABLE a ();\nDELETE FROM sqlmigrate._yoyo_migration;")
    runner.write("b", "CREATE TABLE b ();")

    done = psql(database, written_plan(runner))

    assert done.returncode == 3
    assert "has removed its row from there" in done.stderr
    assert not is_there(conn, "a")
    assert not is_there(conn, "b")


# each ends a string or a comment for psql where it does not end, so that what follows is a command of psql's own
MISREAD = {
    "no standard strings": "SET standard_conforming_strings TO off;\nSELECT 'x\\', '\n{command}\n--', 'x';",
    "in a function": "SELECT set_config('standard_' || 'conforming_strings', 'off', false);\n"
    "SELECT 'x\\', '\n{command}\n--', 'x';",
    "SJIS": "SET client_encoding TO 'SJIS';\nSELECT 'あ', ' \n{command}\n--', 'x';",
    "GBK, in a comment": "SET client_encoding TO 'GBK'; /* あ*/ SELECT '*/\n{command}\n--';",
    "at the end": "SELECT 1; SET client_encoding TO 'GBK';\n/* あ*/ /*\n{command}\n*/",
}


@pytest.mark.parametrize("head", ["", OUTSIDE])
@pytest.mark.parametrize("script", MISREAD.values(), ids=MISREAD)
def test_no_text_of_a_script_becomes_a_command_of_psql(runner, database, tmp_path, script, head):
    started = tmp_path / "started"
    runner.write("a", head + script.replace("{command}", f"\\! touch {started}"))

    done = psql(database, written_plan(runner))

    assert not started.exists()
    assert head or "psql would misread the next statement" in done.stderr


def test_what_is_set_for_the_database_makes_no_command_of_psql_of_a_text(runner, database, admin, tmp_path):
    started = tmp_path / "started"
    name = sql.Identifier(database.name)
    admin.execute(sql.SQL("ALTER DATABASE {} SET standard_conforming_strings TO off").format(name))
    runner.write("a", f"SELECT 'x\\', '\n\\! touch {started}\n--', 'x';")

    done = psql(database, written_plan(runner))

    assert not started.exists()
    assert "psql would misread the next statement under this standard_conforming_strings" in done.stderr


@pytest.mark.parametrize("head", ["", OUTSIDE])
def test_texts_that_psql_could_misread_are_the_same_to_it_otherwise(twins, head):
    twins.write(
        "a",
        head
        + r"""/* größe */ CREATE TABLE a (n text); -- größe
        INSERT INTO a VALUES ('x\'), (E'it\'s'), ('größe \d') /* あ*/ ; /* あ*/ INSERT INTO a VALUES ('あ'); -- あ
        COPY a FROM stdin;
größe\\
/* あ*/
\.
        /* あ*/ INSERT INTO a VALUES ('あ')
        /* あ*/""",
    )
    twins.write("b", f"{head}SELECT 'あ'")

    twins.apply()

    assert twins.right.connect().execute("SELECT count(*) FROM a").fetchone() == (7,)
