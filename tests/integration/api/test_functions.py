"""The Python API: what the command does, from Python, without a word on stdout."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace

import pytest

from sqlmigrate import api
from sqlmigrate.errors import Error, ExecutionError, MigrationsError, UsageError
from sqlmigrate.events import ScriptFinished, ScriptStarted, WaitingForRunLock
from sqlmigrate.server import find_program
from support.api import ran, states, steps
from support.command import program
from support.sessions import is_there

RECORDED = """
SELECT migration_id, seq, marked, checksum, sha256, script, rollback_checksum, rollback_script
FROM sqlmigrate._yoyo_migration JOIN sqlmigrate.applied USING (migration_hash) ORDER BY seq
"""


@pytest.fixture
def psql(pg_server):
    """Run a script with psql as `migrator`, as a DBA would."""
    program = find_program("psql", pg_server.binaries)
    assert program is not None

    def run(conninfo, text):
        command = [program, "-X", "-q", "-d", conninfo, "-f", "-"]
        return subprocess.run(command, input=text, capture_output=True, encoding="utf-8", check=False)

    return run


def test_apply_runs_what_is_pending_and_says_what_it_ran(database, shop, conn):
    result = api.apply(database.url, shop.directory)

    assert ran(result) == ["1_a", "2_b", "3_c"]
    assert {item.operation for item in result.ran} == {"apply"}
    assert all(is_there(conn, name) for name in "abc")
    assert ran(api.apply(database.url, shop.directory)) == []


def test_apply_leaves_the_database_and_the_history_that_the_command_leaves(database_factory, shop):
    ours, theirs = database_factory(), database_factory()

    api.apply(ours.url, shop.directory)
    outcome = program("apply", "-d", theirs.url, "-m", shop.directory)

    assert outcome.status == 0, outcome
    exclude = ("--exclude-schema=sqlmigrate",)
    assert ours.dump(*exclude) == theirs.dump(*exclude)
    assert ours.dump(schema_only=True) == theirs.dump(schema_only=True)
    assert recorded(ours) == recorded(theirs) != []


def recorded(database):
    return database.connect().execute(RECORDED).fetchall()


def test_migrations_that_were_read_once_are_what_runs(database, shop):
    found = api.read(shop.directory)
    shop.migration("4_late", "CREATE TABLE late ();\n")

    assert [item.migration_id for item in api.status(database.url, found)] == ["1_a", "2_b", "3_c"]
    assert steps(api.plan(database.url, found)) == ["1_a", "2_b", "3_c"]
    assert ran(api.apply(database.url, found)) == ["1_a", "2_b", "3_c"]
    assert ran(api.rollback(database.url, found, everything=True)) == ["3_c", "2_b", "1_a"]


def test_status_lists_everything_and_writes_nothing(database, shop):
    before = database.dump()

    found = states(database.url, shop)

    assert found == [("1_a", "pending"), ("2_b", "pending"), ("3_c", "pending")]
    assert database.dump() == before


def test_status_says_what_needs_attention(database, shop):
    api.apply(database.url, shop.directory, steps=2)
    shop.file("1_a.sql", "CREATE TABLE a (changed integer);\n")

    found = api.status(database.url, shop.directory)

    assert [(item.migration_id, item.state, item.edited) for item in found] == [
        ("1_a", api.State.APPLIED, True),
        ("2_b", api.State.APPLIED, False),
        ("3_c", api.State.PENDING, False),
    ]
    assert [item.migration_id for item in found if api.needs_attention(item)] == ["1_a", "3_c"]


def test_a_plan_is_what_apply_runs_and_nothing_is_written(database, shop):
    before = database.dump()

    plan = api.plan(database.url, shop.directory, to="2_b")

    assert database.dump() == before
    assert (plan.operation, steps(plan)) == ("apply", ["1_a", "2_b"])
    assert plan.steps[0].script.text == 'CREATE TABLE "a" ();\n'
    assert ran(api.apply(database.url, shop.directory, to="2_b")) == steps(plan)


def test_a_plan_is_refused_for_what_apply_would_refuse(database, shop):
    shop.migration("4_commits", "CREATE TABLE d ();\nCOMMIT;\n")

    with pytest.raises(Error) as planned:
        api.plan(database.url, shop.directory)
    with pytest.raises(Error) as applied:
        api.apply(database.url, shop.directory)

    assert (type(planned.value), str(planned.value)) == (type(applied.value), str(applied.value))
    assert states(database.url, shop)[0] == ("1_a", "pending")


def test_a_plan_of_a_rollback_is_what_rollback_runs(database, shop):
    api.apply(database.url, shop.directory)
    before = database.dump()

    plan = api.plan_rollback(database.url, shop.directory, to="1_a")

    assert database.dump() == before
    assert (plan.operation, steps(plan)) == ("rollback", ["3_c", "2_b"])
    assert ran(api.rollback(database.url, shop.directory, to="1_a")) == steps(plan)


def test_rollback_takes_the_last_one_back_unless_told_otherwise(database, shop, conn):
    api.apply(database.url, shop.directory)

    assert ran(api.rollback(database.url, shop.directory)) == ["3_c"]
    assert not is_there(conn, "c")
    assert ran(api.rollback(database.url, shop.directory, everything=True)) == ["2_b", "1_a"]
    assert ran(api.rollback(database.url, shop.directory)) == []


def test_a_marked_migration_stays_unless_it_is_named(database, shop):
    assert program("mark", "1_a", "-d", database.url, "-m", shop.directory).status == 0
    database.connect().execute("CREATE TABLE a ()")
    api.apply(database.url, shop.directory)

    result = api.rollback(database.url, shop.directory, everything=True)

    assert ran(result) == ["3_c", "2_b"]
    assert "stops above 1_a" in result.plan.notes[0]
    assert ran(api.rollback(database.url, shop.directory, include_marked=iter(["1_a"]))) == ["1_a"]


def test_a_rollback_script_that_is_gone_is_run_as_it_was_recorded(database, shop, conn):
    api.apply(database.url, shop.directory)
    (shop.directory / "3_c.rollback.sql").unlink()

    with pytest.raises(MigrationsError):
        api.rollback(database.url, shop.directory)

    assert steps(api.plan_rollback(database.url, shop.directory, recorded=True)) == ["3_c"]
    assert ran(api.rollback(database.url, shop.directory, recorded=True)) == ["3_c"]
    assert not is_there(conn, "c")


def test_an_older_migration_needs_to_be_allowed(database, shop):
    api.apply(database.url, shop.directory)
    shop.migration("0_late", "CREATE TABLE late ();\n")

    for call in (api.plan, api.apply):
        with pytest.raises(MigrationsError) as caught:
            call(database.url, shop.directory)
        assert "newer ones are applied: 1_a, 2_b, 3_c" in caught.value.problems[0].message
    assert steps(api.plan(database.url, shop.directory, allow_out_of_order=True)) == ["0_late"]
    assert ran(api.apply(database.url, shop.directory, allow_out_of_order=True)) == ["0_late"]


def test_all_in_one_transaction_is_all_or_nothing(database, shop, conn):
    shop.migration("4_fails", "SELECT 1 / 0;\n")

    with pytest.raises(ExecutionError):
        api.apply(database.url, shop.directory, single_transaction=True)

    assert not is_there(conn, "a")
    assert ran(api.apply(database.url, shop.directory, to="3_c", single_transaction=True)) == ["1_a", "2_b", "3_c"]


def test_runs_at_the_same_time_apply_each_migration_once(database, shop):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: api.apply(database.url, shop.directory), range(4)))

    assert sorted(name for result in results for name in ran(result)) == ["1_a", "2_b", "3_c"]


def test_an_observer_is_told_while_it_happens(database, shop, unwatched):
    told = []

    api.apply(database.url, shop.directory, steps=1, observer=told.append)
    api.rollback(database.url, shop.directory, observer=told.append)

    told = [event for event in told if not isinstance(event, WaitingForRunLock)]  # the first session ends by itself
    kinds = [(type(event), event.operation, event.migration_id) for event in told]
    assert kinds == [
        (kind, operation, "1_a") for operation in ("apply", "rollback") for kind in (ScriptStarted, ScriptFinished)
    ]


def test_nothing_is_printed(database, shop, colours, conn, capfd):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")
    shop.migration("4_says", "DO $$ BEGIN RAISE WARNING 'loud'; END $$;\nSELECT 1 AS row;\n", rollback="SELECT 1;\n")

    api.apply(database.url, shop.directory)
    api.status(database.url, shop.directory)
    api.seed(database.url, colours)
    api.rollback(database.url, shop.directory, everything=True)
    with pytest.raises(UsageError):
        api.apply(database.url, shop.directory, to="nowhere")

    assert capfd.readouterr() == ("", "")


def test_results_cannot_be_changed(database, shop):
    result = api.apply(database.url, shop.directory)

    for value, name in [
        (result, "ran"),
        (result.plan, "steps"),
        (api.status(database.url, shop.directory)[0], "state"),
    ]:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)
    assert replace(result, ran=()).ran == ()


def test_neither_click_nor_rich_is_imported():
    code = "import sys; from sqlmigrate import api; print({'click', 'rich', 'sqlmigrate.cli'} & sys.modules.keys())"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_public_name_is_there():
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
    assert len(set(api.__all__)) == len(api.__all__)


def test_a_plan_as_sql_leaves_what_apply_leaves(database_factory, shop, psql):
    ours, theirs = database_factory(), database_factory()

    text = api.plan_as_sql(theirs.url, shop.directory, to="2_b")
    api.apply(ours.url, shop.directory, to="2_b")
    done = psql(theirs.conninfo, text)

    assert (done.returncode, done.stderr) == (0, "")
    assert ours.dump(schema_only=True) == theirs.dump(schema_only=True)
    assert recorded(ours) == recorded(theirs) != []


def test_a_rollback_as_sql_leaves_what_rollback_leaves(database_factory, shop, psql):
    ours, theirs = database_factory(), database_factory()
    for database in (ours, theirs):
        api.apply(database.url, shop.directory)

    text = api.plan_rollback_as_sql(theirs.url, shop.directory, steps=2)
    api.rollback(ours.url, shop.directory, steps=2)
    done = psql(theirs.conninfo, text)

    assert (done.returncode, done.stderr) == (0, "")
    assert ours.dump(schema_only=True) == theirs.dump(schema_only=True)
    assert recorded(ours) == recorded(theirs) != []


def test_a_plan_as_sql_is_for_the_history_that_it_was_made_for(database, shop, psql, conn):
    text = api.plan_as_sql(database.url, shop.directory)
    api.apply(database.url, shop.directory, steps=1)

    done = psql(database.conninfo, text)

    assert done.returncode != 0
    assert not is_there(conn, "b")


def test_a_plan_as_sql_of_nothing_is_a_remark(database, shop):
    api.apply(database.url, shop.directory)

    assert api.plan_as_sql(database.url, shop.directory) == "-- nothing to apply\n"
    api.rollback(database.url, shop.directory, everything=True)
    assert api.plan_rollback_as_sql(database.url, shop.directory) == "-- nothing to roll back\n"


def test_drift_is_what_the_command_finds(database, shop, conn, shadow_url):
    api.apply(database.url, shop.directory)
    conn.execute("CREATE INDEX by_hand ON a ((1)); CREATE TABLE ignored (); DROP TABLE b")

    found = api.drift(database.url, shop.directory, shadow_url=shadow_url, ignore=["table public.ignored"])

    assert [str(change.object) for change in found.extra] == ["index public.by_hand"]
    assert [str(change.object) for change in found.missing] == ["table public.b"]
    assert (found.different, found.ignored, found.migrations) == ((), 1, 3)


def test_a_round_trip_is_made_on_the_targets_major_version(database, shop, shadow_url):
    (first, *_) = api.roundtrip(shop.directory, ["1_a"], database=database.url, shadow_url=shadow_url)

    assert (first.verdict.value, first.postgresql) == ("exact", database.connect().info.server_version // 10000)


def test_a_round_trip_says_what_took_no_part_and_what_the_scratch_server_lacks(project, shadow_url):
    project.migration("1_a", "CREATE EXTENSION no_such_extension;", rollback="DROP EXTENSION no_such_extension;")
    (samples := project.directory / "samples").mkdir()
    (samples / "1_b.sql").write_text("SELECT 1;")
    (project.directory / "2_b.rollback.sql").write_text("SELECT 1;")
    (project.directory / "bootstrap").mkdir()
    (bootstrap := project.directory / "bootstrap" / "1.sql").write_text("CREATE ROLE of_the_platform;")

    found = api.roundtrip(project.directory, shadow_url=shadow_url)

    assert [trip.verdict.value for trip in found] == ["fails"]
    assert found.notes == (
        f"{project.directory / '2_b.rollback.sql'}: there is no 2_b.sql that this would roll back",
        f"{samples / '1_b.sql'}: belongs to no migration: samples are named ID.sql, ID.after.sql or ID.expect.sql",
        f"not run, since it would change the whole cluster of --shadow-url: {bootstrap}:1:1",
        found.notes[-1],
    )
    assert "has no extension no_such_extension there" in found.notes[-1]
