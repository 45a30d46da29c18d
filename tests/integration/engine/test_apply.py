"""Apply: each pending script once, in order, in one transaction with its history row."""

from __future__ import annotations

import pytest
from psycopg.rows import dict_row

from sqlmigrate.errors import ConfirmationRequired, ExecutionError, HistoryError, MigrationsError
from sqlmigrate.events import ScriptFinished, ScriptStarted
from sqlmigrate.migrations import migration_hash
from support.runner import ids, place
from support.sessions import is_there


def test_pending_scripts_run_in_the_order_of_their_names(runner):
    runner.write("0002.b", "INSERT INTO t VALUES (2);")
    runner.write("0001.a", "CREATE TABLE t (n integer);")

    result = runner.apply()

    assert ids(result) == ["0001.a", "0002.b"]
    assert runner.applied() == ["0001.a", "0002.b"]


def test_a_dependency_runs_before_what_depends_on_it(runner):
    runner.write("a", "-- depends: b\nINSERT INTO t VALUES (2);")
    runner.write("b", "CREATE TABLE t (n integer);")

    assert ids(runner.apply()) == ["b", "a"]


def test_what_is_applied_does_not_run_again(runner):
    runner.write("a", "CREATE TABLE t (n integer);")
    runner.apply()
    runner.write("b", "INSERT INTO t VALUES (1);")

    assert ids(runner.apply()) == ["b"]
    assert ids(runner.apply()) == []


def test_to_applies_up_to_and_with_that_migration(runner):
    for name in ("a", "b", "c"):
        runner.write(name, f"CREATE TABLE {name} ();")

    assert ids(runner.apply(to="b")) == ["a", "b"]
    assert ids(runner.apply(steps=1)) == ["c"]


def test_events_tell_what_runs_and_how_far_it_is(runner):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();")

    runner.apply()

    started = [(event.migration_id, event.operation, event.number, event.total) for event in runner.told(ScriptStarted)]
    assert started == [("a", "apply", 1, 2), ("b", "apply", 2, 2)]
    assert [event.migration_id for event in runner.told(ScriptFinished)] == ["a", "b"]


def test_the_history_records_both_digests_the_text_and_who_ran_it(runner, conn):
    path = runner.write("a", "\ufeffCREATE TABLE a ();\r\n", "DROP TABLE a;\n")

    runner.apply()

    script, rollback = runner.load().named("a").script, runner.load().named("a").rollback
    cursor = conn.cursor(row_factory=dict_row)
    row = cursor.execute("SELECT * FROM sqlmigrate._yoyo_migration JOIN sqlmigrate.applied USING (migration_hash)")
    found = row.fetchone()
    assert found["migration_id"] == "a"
    assert found["migration_hash"] == migration_hash("a")
    assert (found["checksum"], found["sha256"], found["size"]) == (script.checksum, script.sha256, path.stat().st_size)
    assert found["script"] == "CREATE TABLE a ();\r\n"
    assert (found["rollback_checksum"], found["rollback_sha256"]) == (rollback.checksum, rollback.sha256)
    assert found["rollback_script"] == "DROP TABLE a;\n"
    assert found["marked"] is False
    cursor.execute("SELECT * FROM sqlmigrate._yoyo_log AS y JOIN sqlmigrate.log AS o USING (id)")
    log = cursor.fetchone()
    assert (log["operation"], log["migration_id"], log["login_role"]) == ("apply", "a", "migrator")
    assert log["run_id"] == found["run_id"]
    assert log["duration_ms"] >= 0


def test_the_times_are_in_utc_whatever_the_time_zone_of_the_role(runner, admin, conn):
    admin.execute("ALTER ROLE migrator IN DATABASE test_1 SET timezone TO 'Pacific/Kiritimati'")
    runner.write("a", "SET timezone TO 'Pacific/Pago_Pago'; CREATE TABLE a ();")

    runner.apply()

    query = """
    SELECT abs(extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - applied_at_utc)) < 60,
           abs(extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - created_at_utc)) < 60
    FROM sqlmigrate._yoyo_migration JOIN sqlmigrate._yoyo_log USING (migration_id)
    """
    assert conn.execute(query).fetchall() == [(True, True)]


def test_an_error_leaves_neither_the_change_nor_the_history_row(runner, conn):
    runner.write("a", "CREATE TABLE before ();")
    runner.write("b", "CREATE TABLE b (); SELECT 1 / 0; CREATE TABLE c ();")
    runner.write("d", "CREATE TABLE d ();")

    with pytest.raises(ExecutionError, match="division by zero") as caught:
        runner.apply()

    assert caught.value.done == ("a",)
    assert caught.value.migration_id == "b"
    assert runner.applied() == ["a"]
    assert [is_there(conn, name) for name in ("before", "b", "c", "d")] == [True, False, False, False]
    assert conn.execute("SELECT count(*) FROM sqlmigrate.log").fetchone() == (1,)


def test_an_error_anywhere_in_a_script_longer_than_any_window_leaves_nothing(runner, conn):
    for at in (1, 2, 127, 128, 129, 255, 256, 257, 300, 511, 599):
        statements = ["CREATE TABLE t ();", *(f"SELECT {number};" for number in range(1, 600))]
        statements[at] = "SELECT nonsense;"
        runner.write("long", "\n".join(statements))

        with pytest.raises(ExecutionError) as caught:
            runner.apply()

        assert caught.value.statement == at + 1
        assert place(caught.value) == f"long.sql:{at + 1}:8"
        assert runner.applied() == []
        assert not is_there(conn, "t")


def test_a_script_of_thousands_of_statements_runs(runner, conn):
    lines = ["CREATE TABLE t (n integer, text text);"]
    lines += [f"INSERT INTO t VALUES ({number}, '{'x' * 500}');" for number in range(3_000)]
    runner.write("long", "\n".join(lines))

    runner.apply()

    assert conn.execute("SELECT count(*), sum(n) FROM t").fetchone() == (3_000, 4_498_500)


def test_statements_that_return_many_rows_do_no_harm(runner, conn):
    runner.write("a", "SELECT repeat('x', 1000) FROM generate_series(1, 5000); CREATE TABLE a (); SELECT 1;")

    runner.apply()

    assert is_there(conn, "a")


def test_a_script_without_statements_is_applied_too(runner):
    for number, text in enumerate(["", "\n\n", "-- nothing to do\n", "/* nothing */", ";", ";;\n;"]):
        runner.write(f"empty{number}", text, text)

    assert len(ids(runner.apply())) == 6
    assert len(ids(runner.rollback(everything=True))) == 6


def test_percent_signs_and_parameters_are_plain_text(runner, conn):
    runner.write(
        "a",
        """
        CREATE TABLE a (t text);
        INSERT INTO a VALUES ('100%s %(x)s %% {} :name ? $1 \\n');
        PREPARE p AS INSERT INTO a VALUES ($1 || '%');
        EXECUTE p('50');
        """,
    )

    runner.apply()

    rows = conn.execute("SELECT t FROM a").fetchall()
    assert rows == [("100%s %(x)s %% {} :name ? $1 \\n",), ("50%",)]


def test_the_gate_sees_server_and_plan_before_anything_is_written(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    seen = []

    def gate(info, plan):
        seen.append((info.database, info.role, [step.migration_id for step in plan.steps]))
        raise ConfirmationRequired("no")

    with pytest.raises(ConfirmationRequired):
        runner.apply(gate=gate)

    assert seen == [("test_1", "migrator", ["a"])]
    assert conn.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'sqlmigrate'").fetchone() == (0,)


def test_nothing_is_written_where_nothing_is_pending(runner, conn):
    assert ids(runner.apply()) == []
    assert conn.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'sqlmigrate'").fetchone() == (0,)


UNSAFE = [
    "COMMIT;",
    "BEGIN;",
    "ROLLBACK;",
    "END;",
    "ABORT;",
    "START TRANSACTION;",
    "PREPARE TRANSACTION 'x';",
    "VACUUM;",
    "CREATE DATABASE other;",
    "CREATE INDEX CONCURRENTLY i ON a (x);",
    "\\i other.sql\n",
    "COPY a TO stdout;",
    "SELECT 'unclosed",
]


def test_a_script_that_cannot_run_safely_stops_the_plan_before_its_first_script(runner, conn):
    runner.write("a", "CREATE TABLE a (x integer);")
    for text in UNSAFE:
        path = runner.write("b", text)

        with pytest.raises(MigrationsError) as caught:
            runner.apply()

        assert [problem.place.path for problem in caught.value.problems] == [path], text
    assert not is_there(conn, "a")
    assert not is_there(conn, "sqlmigrate._yoyo_migration")


def test_an_edited_script_is_refused(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    runner.write("a", "CREATE TABLE a (x integer);")
    runner.write("b", "CREATE TABLE b ();")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    assert "edited" in caught.value.problems[0].message
    assert not is_there(conn, "b")


def test_line_ends_and_byte_order_mark_are_not_an_edit(runner):
    runner.write("a", "CREATE TABLE a (\n);\n")
    runner.apply()
    runner.write("a", "\ufeffCREATE TABLE a (\r\n);\r\n")

    assert ids(runner.apply()) == []


def test_a_missing_script_is_refused(runner):
    path = runner.write("a", "CREATE TABLE a ();")
    runner.apply()
    path.unlink()
    runner.write("b", "CREATE TABLE b ();")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    assert "missing" in caught.value.problems[0].message


def test_a_script_that_comes_late_is_refused_unless_it_is_meant(runner, conn):
    runner.write("b", "CREATE TABLE b ();")
    runner.apply()
    runner.write("a", "CREATE TABLE a ();")
    runner.write("c", "CREATE TABLE c ();")

    with pytest.raises(MigrationsError) as caught:
        runner.apply()

    assert [problem.place.path.name for problem in caught.value.problems] == ["a.sql"]
    assert not is_there(conn, "c")
    assert ids(runner.apply(allow_out_of_order=True)) == ["a", "c"]
    assert runner.applied() == ["b", "a", "c"]


def test_an_edited_rollback_script_is_only_a_warning(runner):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE IF EXISTS a;")
    runner.write("b", "CREATE TABLE b ();")

    result = runner.apply()

    assert ids(result) == ["b"]
    assert "a.rollback.sql" in result.plan.notes[0]


def test_what_another_run_applied_while_we_asked_is_not_applied_twice(runner, conn):
    runner.write("a", "CREATE TABLE a ();")
    runner.write("b", "CREATE TABLE b ();")

    def gate(*_):
        runner.apply(steps=1)

    assert ids(runner.apply(gate=gate)) == ["b"]
    assert runner.applied() == ["a", "b"]


def test_more_than_was_agreed_on_is_not_applied(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.write("b", "CREATE TABLE b ();")
    runner.apply(steps=1)

    def gate(*_):
        runner.rollback()

    with pytest.raises(HistoryError, match="changed the history in the meantime"):
        runner.apply(gate=gate)

    assert runner.applied() == []
    assert not is_there(conn, "b")
