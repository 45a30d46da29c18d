"""`mark --from yoyo`: what yoyo has applied is taken over, in its order, and nothing of yoyo's is touched."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest
from yoyo import internalmigrations

from sqlmigrate import runlock
from sqlmigrate.errors import HistoryError, RunLockBusy, UsageError
from sqlmigrate.history.yoyo_tables import Where
from sqlmigrate.importing.yoyo import exchange as yoyo_exchange
from support.contents import has_history
from support.runner import Runner, ids
from support.stepwise import OUTSIDE, half_way, journal
from support.yoyo import Yoyo, adopt, opened, pending, project_of_100

pytestmark = pytest.mark.contract


def test_both_agree_on_applied_pending_and_order_of_a_project_of_100_scripts(database, tmp_path):
    runner = Runner(database.conninfo, tmp_path / "migrations")
    runner.directory.mkdir()
    names = project_of_100(runner)
    with opened(database, runner.directory) as yoyo:
        yoyo.apply(first=61)
        yoyo.rollback(*yoyo.applied()[-4:])
        applied, left = yoyo.applied(), yoyo.pending()

    done = adopt(runner)

    assert (len(applied), len(left)) == (57, 43)
    assert runner.applied() == list(done.marked) == applied
    assert pending(runner) == list(done.pending) == left
    assert sorted(applied + left) == names
    assert left != sorted(left)
    assert ids(runner.apply()) == left


def test_the_project_of_100_scripts_has_what_makes_an_order_hard(tmp_path):
    runner = Runner("", tmp_path)
    project_of_100(runner)
    ordered = runner.load().ordered

    numbers = [len(item.depends) for item in ordered]
    assert {1, 2, 3} <= set(numbers)
    assert [item.migration_id for item in ordered] != sorted(item.migration_id for item in ordered)


def test_the_order_and_the_times_are_those_of_yoyo(yoyo: Yoyo, abc_runner, conn):
    for name in ("c", "a", "b"):
        yoyo.apply(name)
    theirs = conn.execute("SELECT applied_at_utc FROM _yoyo_migration ORDER BY applied_at_utc").fetchall()

    adopt(abc_runner)

    rows = abc_runner.history().applied
    assert [row.migration_id for row in rows] == ["c", "a", "b"]
    assert [(row.applied_at,) for row in rows] == theirs


def test_what_is_adopted_is_marked_and_has_the_digests_of_the_files(yoyo, abc_runner, conn):
    yoyo.apply("a")
    adopt(abc_runner)

    row = abc_runner.history().get("a")
    script = abc_runner.load().named("a").script
    reason = conn.execute("SELECT operation, reason FROM sqlmigrate.log").fetchone()
    assert (row.marked, row.checksum, row.sha256) == (True, script.checksum, script.sha256)
    [(at,)] = conn.execute("SELECT applied_at_utc FROM public._yoyo_migration").fetchall()
    assert reason == ("mark", f"applied by yoyo at {at:%Y-%m-%d %H:%M:%S} UTC, says public._yoyo_migration")


def test_nothing_of_yoyos_is_changed(yoyo, abc_runner, database):
    yoyo.apply("a", "b")
    before = database.dump("--schema=public")

    adopt(abc_runner)

    assert database.dump("--schema=public") == before


def test_adopting_again_writes_nothing(yoyo, abc_runner, database):
    yoyo.apply("a", "b")
    adopt(abc_runner)
    before = database.dump()

    done = adopt(abc_runner)

    assert (done.marked, done.already, done.pending) == ((), ("a", "b"), ("c",))
    assert database.dump() == before


def test_what_yoyo_applies_later_is_adopted_after_what_we_applied(yoyo, abc_runner):
    yoyo.apply("a")
    adopt(abc_runner)
    abc_runner.apply(to="b")
    yoyo.apply("c")

    done = adopt(abc_runner)

    assert done.marked == ("c",)
    assert abc_runner.applied() == ["a", "b", "c"]


def test_what_has_no_file_and_what_yoyo_has_not_is_named(yoyo, abc_runner):
    yoyo.apply("a", "b")
    adopt(abc_runner)
    yoyo.rollback("a")
    yoyo.apply("c")
    for path in abc_runner.directory.glob("c.*"):
        path.unlink()

    done = adopt(abc_runner)

    assert (done.without_file, done.not_in_yoyo, done.marked) == (("c",), ("a",), ())


def test_a_time_in_the_future_or_none_becomes_the_present(yoyo, abc_runner, conn):
    yoyo.apply("a", "b", "c")
    conn.execute("UPDATE _yoyo_migration SET applied_at_utc = '2999-01-01' WHERE migration_id = 'a'")
    conn.execute("UPDATE _yoyo_migration SET applied_at_utc = NULL WHERE migration_id = 'b'")

    adopt(abc_runner)

    assert abc_runner.applied() == ["c", "a", "b"]
    (now,) = conn.execute("SELECT now() AT TIME ZONE 'UTC'").fetchone()
    assert all(now - row.applied_at < timedelta(minutes=2) for row in abc_runner.history().applied)


def test_rows_of_one_time_are_ordered_as_the_files_are(yoyo, abc_runner, conn):
    abc_runner.write("b2", "-- depends: b3\n", "")
    abc_runner.write("b3", "SELECT 1;", "")
    yoyo.apply()
    conn.execute("UPDATE _yoyo_migration SET applied_at_utc = '2024-01-01'")

    adopt(abc_runner)

    assert abc_runner.applied() == ["a", "b", "b3", "b2", "c"]
    assert abc_runner.history().applied[0].applied_at == datetime(2024, 1, 1)  # noqa: DTZ001  as the column is


def test_an_adopted_migration_is_a_floor_unless_its_id_is_typed(yoyo, abc_runner):
    yoyo.apply("a")
    adopt(abc_runner)
    abc_runner.apply(to="b")

    assert ids(abc_runner.rollback(everything=True)) == ["b"]
    with pytest.raises(HistoryError, match="a was marked as applied"):
        abc_runner.rollback()
    assert ids(abc_runner.rollback(include_marked=("a",))) == ["a"]


def test_tables_are_found_in_any_schema(database, abc_runner, conn):
    conn.execute('CREATE SCHEMA "Odd one"')
    with opened(database, abc_runner.directory, schema='"Odd one"') as yoyo:
        yoyo.apply("a")

    done = adopt(abc_runner)

    assert (str(done.place), abc_runner.applied()) == ("Odd one._yoyo_migration", ["a"])


def test_several_tables_are_listed_and_one_is_to_be_named(yoyo, database, abc_runner, conn):
    yoyo.apply("a")
    conn.execute("CREATE SCHEMA app")
    with opened(database, abc_runner.directory, schema="app") as other:
        other.apply("b")

    with pytest.raises(UsageError, match=r"app\._yoyo_migration, public\._yoyo_migration") as caught:
        adopt(abc_runner)
    assert caught.value.hint == "name one: --schema app or --schema public"
    assert not has_history(database)
    assert adopt(abc_runner, "app").marked == ("b",)


def test_a_table_that_the_role_may_not_read_is_named_with_the_grant(yoyo, database, abc_runner):
    yoyo.apply("a")
    admin = database.connect_superuser()
    admin.execute("CREATE SCHEMA closed; ALTER TABLE _yoyo_migration SET SCHEMA closed")

    with pytest.raises(HistoryError, match=r"may not read closed\._yoyo_migration") as caught:
        adopt(abc_runner)

    admin.execute(caught.value.hint.removeprefix("a DBA can help: "))
    assert adopt(abc_runner).marked == ("a",)


def test_a_table_with_a_name_of_its_own_is_found_when_it_is_named(database, abc_runner):
    with opened(database, abc_runner.directory) as yoyo:
        yoyo.backend.migration_table = "versions"
        yoyo.apply("a")

    with pytest.raises(HistoryError, match="no table _yoyo_migration") as caught:
        adopt(abc_runner)
    assert caught.value.hint == "try --schema public --migration-table versions"
    assert adopt(abc_runner, table="versions").marked == ("a",)


def test_without_yoyo_there_is_nothing_to_adopt(abc_runner, database):
    with pytest.raises(HistoryError, match="there is no table _yoyo_migration of yoyo in schema public"):
        adopt(abc_runner, "public")
    assert not has_history(database)


def test_our_own_history_is_not_taken_for_yoyos(abc_runner):
    abc_runner.apply()

    with pytest.raises(HistoryError, match="no table _yoyo_migration of yoyo in any schema"):
        adopt(abc_runner)


def test_tables_of_an_old_yoyo_are_brought_up_to_date_by_yoyo_first(yoyo, abc_runner, conn):
    internalmigrations.upgrade(yoyo.backend, version=1)
    conn.execute("INSERT INTO _yoyo_migration VALUES ('a', now())")
    with pytest.raises(HistoryError, match=r"shape of a yoyo before 6\.0"):
        adopt(abc_runner)

    assert yoyo.pending() == ["b", "c"]

    assert adopt(abc_runner).marked == ("a",)


def test_tables_of_a_newer_yoyo_are_refused(yoyo, abc_runner, conn):
    yoyo.apply("a")
    conn.execute("INSERT INTO _yoyo_version VALUES (3)")

    with pytest.raises(HistoryError, match="yoyo's version 3"):
        adopt(abc_runner)


def test_nothing_is_adopted_while_yoyo_runs(yoyo, abc_runner, database):
    yoyo.apply("a")

    with yoyo.backend.lock(), pytest.raises(HistoryError, match="yoyo is running"):
        adopt(abc_runner)

    assert not has_history(database)
    assert adopt(abc_runner).marked == ("a",)


def test_adopting_waits_for_the_run_lock(yoyo, abc_runner, database):
    yoyo.apply("a")

    with runlock.held(database.conninfo, "sqlmigrate", wait=0), pytest.raises(RunLockBusy):
        adopt(abc_runner, wait_lock=0)

    assert not has_history(database)


def test_nothing_is_written_where_the_answer_is_no(yoyo, abc_runner, database):
    yoyo.apply("a")

    def refuse(*_):
        raise UsageError("no")

    with pytest.raises(UsageError):
        yoyo_exchange.adopt(database.conninfo, abc_runner.load(), abc_runner.options({}), where=Where(), gate=refuse)
    assert not has_history(database)


def test_what_fails_half_way_through_leaves_nothing(yoyo, abc_runner, conn, database):
    yoyo.apply("a", "b")
    abc_runner.mark("c")
    conn.execute("UPDATE _yoyo_migration SET applied_at_utc = '2026-01-01'")
    conn.execute("CREATE UNIQUE INDEX ON sqlmigrate._yoyo_migration (applied_at_utc)")

    with pytest.raises(psycopg.errors.UniqueViolation):
        adopt(abc_runner)

    assert abc_runner.applied() == ["c"]


def test_what_stopped_half_way_here_and_is_applied_there_is_marked(yoyo, abc_runner, conn):
    abc_runner.write("a", f"{OUTSIDE}SELECT 1;\nSELECT 1/0;\n", "DROP TABLE a;")
    half_way(abc_runner.apply)
    abc_runner.write("a", f"{OUTSIDE}SELECT 1;\n", "DROP TABLE a;")
    yoyo.apply("a")

    adopt(abc_runner)

    assert abc_runner.applied() == ["a"]
    assert journal(conn) == []
