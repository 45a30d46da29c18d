"""A server that answers what PostgreSQL never would ends a command with words, and is never taken for a bug of ours."""

from __future__ import annotations

import pytest
from psycopg.conninfo import make_conninfo

from support.liar import HOW, Liar, Lie
from support.seeds import SeedFiles

pytestmark = pytest.mark.pg
FIRST = 2
"""The answers that come before anything is read of the database: to our settings, and to who and where we are."""

UNNOTICED = {(1, "each row twice"), (1, "other names"), (2, "numbers"), (2, "a column less")}


def test_no_answer_is_taken_for_a_bug(project, database, sqlmigrate):
    project.tables(**{"1_a": "a", "2_b": "b"})
    assert sqlmigrate("apply", "-d", database.conninfo, "--to", "1_a").status == 0

    for how in HOW:
        for number in range(1, 7):
            with Liar(database.server.host, database.server.port, Lie(number, how)) as liar:
                outcome = sqlmigrate("status", "-d", make_conninfo(database.conninfo, host=liar.host))
            assert outcome.status in {0, 1}, (number, how, outcome)
            assert outcome.status == 1 or number > FIRST or (number, how) in UNNOTICED, (number, how, outcome)


def test_no_answer_to_a_run_is_taken_for_a_bug_and_none_is_told_as_done(project, database, sqlmigrate):
    project.tables(**{"1_a": "a"})

    for how in HOW:
        for number in range(3, 12):
            with Liar(database.server.host, database.server.port, Lie(number, how)) as liar:
                outcome = sqlmigrate("apply", "-d", make_conninfo(database.conninfo, host=liar.host))
            assert outcome.status in {0, 1}, (number, how, outcome)
            with database.connect() as conn:
                [(made,)] = conn.execute("SELECT to_regclass('a') IS NOT NULL").fetchall()
                conn.execute("DROP TABLE IF EXISTS a; DROP SCHEMA IF EXISTS sqlmigrate CASCADE")
            assert made or outcome.status == 1, (number, how, outcome)


@pytest.mark.parametrize("command", [("seed", "--prune", "--accept-loss"), ("seed", "diff")], ids=" ".join)
def test_no_answer_to_seeds_is_taken_for_a_bug(database, sqlmigrate, tmp_path, command):
    data = tmp_path / "data"
    data.mkdir()
    SeedFiles(data).file("rows", {"list": "rows", "table": "public.s", "conflict": ["k"]}, "rows:\n  - k: a\n")
    with database.connect() as conn:
        conn.execute("CREATE TABLE s (k text PRIMARY KEY)")

    for how in HOW:
        for number in range(3, 14):
            with Liar(database.server.host, database.server.port, Lie(number, how)) as liar:
                lied_to = make_conninfo(database.conninfo, host=liar.host)
                outcome = sqlmigrate(*command, "-d", lied_to, "--data", data)
            assert outcome.status in {0, 1, 3}, (number, how, outcome)


def test_the_rows_of_the_log_may_be_anything(project, database, sqlmigrate):
    project.tables(**{"1_a": "a"})
    assert sqlmigrate("apply", "-d", database.conninfo).status == 0

    for how in HOW:
        with Liar(database.server.host, database.server.port, Lie(7, how)) as liar:
            outcome = sqlmigrate("history", "-d", make_conninfo(database.conninfo, host=liar.host))
        assert outcome.status in {0, 1}, (how, outcome)


def test_rows_of_yoyo_without_a_name_or_a_time(project, database, sqlmigrate):
    project.tables(**{"1_a": "a"})
    assert sqlmigrate("apply", "-d", database.conninfo).status == 0
    with database.connect() as conn:
        conn.execute("INSERT INTO sqlmigrate._yoyo_log (id) VALUES ('x')")
        conn.execute("INSERT INTO sqlmigrate._yoyo_migration (migration_hash) VALUES ('x')")

    outcome = sqlmigrate("status", "-d", database.conninfo)

    assert outcome.status == 1
    assert 'a row of "sqlmigrate"."_yoyo_migration" names no migration' in outcome.stderr
    with database.connect() as conn:
        conn.execute(outcome.stderr.partition("what to do: ")[2])
    for options in ((), ("--json",)):
        assert sqlmigrate("history", "-d", database.conninfo, *options).status == 0
