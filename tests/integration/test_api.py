"""The Python API: what the command does, from Python, without a word on stdout."""

from __future__ import annotations

import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, replace
from inspect import signature

import psycopg
import pytest
from psycopg import sql

from sqlmigrate import api, runlock
from sqlmigrate.engine import Options
from sqlmigrate.errors import (
    ConfigError,
    ConnectionFailed,
    Error,
    ExecutionError,
    HalfWayError,
    HistoryError,
    LockBudgetSpent,
    MigrationsError,
    NoTargetError,
    RunLockBusy,
    SeedError,
    UsageError,
)
from sqlmigrate.events import Notice, RowsReturned, ScriptFinished, ScriptStarted
from support.command import program
from support.sessions import is_there
from support.waiting import wait_until

SECRET = "hunter2secret"
RECORDED = """
SELECT migration_id, seq, marked, checksum, sha256, script, rollback_checksum, rollback_script
FROM sqlmigrate._yoyo_migration JOIN sqlmigrate.applied USING (migration_hash) ORDER BY seq
"""


@pytest.fixture
def shop(project):
    """Three migrations, each with its rollback."""
    for number, name in enumerate(("a", "b", "c"), 1):
        project.migration(f"{number}_{name}", f"CREATE TABLE {name} ();\n", rollback=f"DROP TABLE {name};\n")
    return project


@pytest.fixture
def colours(tmp_path):
    """A folder of seed data for the table `colours`."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "colours.yaml").write_text("colours:\n  - name: red\n  - name: blue\n")
    (folder / "colours.schema.json").write_text(
        '{"x-sqlmigrate": {"list": "colours", "table": "public.colours", "conflict": ["name"]}}'
    )
    return folder


def ran(result):
    return [item.migration_id for item in result.ran]


def steps(plan):
    return [item.migration_id for item in plan.steps]


def states(database, project, **options):
    return [(item.migration_id, item.state.value) for item in api.status(database.url, project.directory, **options)]


def whole_text(error):
    """Give everything that anybody could print of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


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


@pytest.mark.parametrize("form", ["url", "conninfo", "dialect"])
def test_a_database_is_named_in_any_form_that_the_command_takes(database, shop, form):
    text = {
        "url": database.url,
        "conninfo": database.conninfo,
        "dialect": database.url.replace("postgresql://", "postgresql+psycopg://", 1),
    }[form]

    assert len(api.apply(text, str(shop.directory)).ran) == 3


@pytest.mark.parametrize("text", ["", "  ", None])
@pytest.mark.parametrize("call", [api.status, api.plan, api.apply, api.rollback])
def test_an_empty_url_is_refused_and_not_taken_for_a_default(database, shop, monkeypatch, call, text):
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("PGHOST", database.server.host)

    with pytest.raises(NoTargetError, match="no database is named"):
        call(text, shop.directory)


def test_no_setting_comes_from_the_environment_or_a_file(database, shop, monkeypatch):
    (shop.root / "sqlmigrate.toml").write_text('history_schema = "elsewhere"\nprotected = true\n')
    monkeypatch.setenv("SQLMIGRATE_HISTORY_SCHEMA", "elsewhere")
    monkeypatch.setenv("SQLMIGRATE_ROLE", "nobody")
    monkeypatch.chdir(shop.root)

    api.apply(database.url, "sql")

    assert is_there(database.connect(), "sqlmigrate._yoyo_migration")


def test_migrations_that_were_read_once_are_what_runs(database, shop):
    found = api.read(shop.directory)
    shop.migration("4_late", "CREATE TABLE late ();\n")

    assert [item.migration_id for item in api.status(database.url, found)] == ["1_a", "2_b", "3_c"]
    assert steps(api.plan(database.url, found)) == ["1_a", "2_b", "3_c"]
    assert ran(api.apply(database.url, found)) == ["1_a", "2_b", "3_c"]
    assert ran(api.rollback(database.url, found, everything=True)) == ["3_c", "2_b", "1_a"]


def test_files_that_are_refused_are_all_named(shop, database):
    shop.file("5_d.py", "import os\n")
    shop.file("6_gone.rollback.sql", "SELECT 1;\n")

    for call in (lambda: api.read(shop.directory), lambda: api.apply(database.url, shop.directory)):
        with pytest.raises(MigrationsError) as caught:
            call()
        assert {problem.place.path.name for problem in caught.value.problems} == {"5_d.py", "6_gone.rollback.sql"}


def test_status_lists_everything_and_writes_nothing(database, shop):
    before = database.dump()

    found = states(database, shop)

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
    assert plan.steps[0].script.text == "CREATE TABLE a ();\n"
    assert ran(api.apply(database.url, shop.directory, to="2_b")) == steps(plan)


def test_a_plan_is_refused_for_what_apply_would_refuse(database, shop):
    shop.migration("4_commits", "CREATE TABLE d ();\nCOMMIT;\n")

    with pytest.raises(Error) as planned:
        api.plan(database.url, shop.directory)
    with pytest.raises(Error) as applied:
        api.apply(database.url, shop.directory)

    assert (type(planned.value), str(planned.value)) == (type(applied.value), str(applied.value))
    assert states(database, shop)[0] == ("1_a", "pending")


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


@pytest.mark.parametrize("number", [0, -1])
@pytest.mark.parametrize("call", [api.plan, api.plan_rollback, api.apply, api.rollback])
def test_a_number_of_steps_below_one_is_refused(database, shop, call, number):
    api.apply(database.url, shop.directory, steps=2)

    with pytest.raises(UsageError, match=f"steps counts from 1, so it cannot be {number}"):
        call(database.url, shop.directory, steps=number)
    assert [state for _, state in states(database, shop)] == ["applied", "applied", "pending"]


@pytest.mark.parametrize("call", [api.plan, api.plan_rollback, api.apply, api.rollback])
def test_two_ends_exclude_each_other(database, shop, call):
    with pytest.raises(UsageError, match="to and steps exclude each other"):
        call(database.url, shop.directory, to="1_a", steps=1)


@pytest.mark.parametrize("call", [api.plan_rollback, api.rollback])
def test_everything_and_an_end_exclude_each_other(database, shop, call):
    with pytest.raises(UsageError, match="everything and steps exclude each other"):
        call(database.url, shop.directory, everything=True, steps=1)


def test_an_older_migration_needs_to_be_allowed(database, shop):
    api.apply(database.url, shop.directory)
    shop.migration("0_late", "CREATE TABLE late ();\n")

    for call in (api.plan, api.apply):
        with pytest.raises(MigrationsError) as caught:
            call(database.url, shop.directory)
        assert "newer ones are applied: 1_a, 2_b, 3_c" in caught.value.problems[0].message
    assert steps(api.plan(database.url, shop.directory, allow_out_of_order=True)) == ["0_late"]
    assert ran(api.apply(database.url, shop.directory, allow_out_of_order=True)) == ["0_late"]


@pytest.mark.parametrize("call", [api.apply, api.rollback, api.seed])
def test_the_defaults_are_those_of_the_command(call):
    times = {"lock_timeout", "lock_budget", "statement_timeout", "wait_lock"}
    given = {name: item.default for name, item in signature(call).parameters.items() if name in times}

    assert given
    assert api._options(**given) == Options()


@pytest.mark.parametrize("value", [1500, "1500", "1500ms"])
def test_times_are_milliseconds_or_text(database, project, value):
    shown = "current_setting('lock_timeout'), current_setting('statement_timeout')"
    project.migration("1_times", f"DO $$ BEGIN RAISE NOTICE '% %', {shown}; END $$;\n")
    told = []

    api.apply(database.url, project.directory, lock_timeout=value, statement_timeout="2min", observer=told.append)

    assert [event.message.message for event in told if isinstance(event, Notice)] == ["1500ms 2min"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("lock_timeout", 0),
        ("lock_timeout", "soon"),
        ("lock_timeout", True),
        ("statement_timeout", -1),
        ("wait_lock", 1.5),
        ("lock_budget", "2 parsecs"),
        ("history_schema", "pg_mine"),
        ("history_schema", ""),
        ("role", 5),
    ],
)
def test_a_setting_that_does_not_fit_is_named_before_anything_runs(database, shop, option, value):
    with pytest.raises(ConfigError, match=rf"^{option}: .* \(an argument\)$"):
        api.apply(database.url, shop.directory, **{option: value})
    assert states(database, shop)[0] == ("1_a", "pending")


def test_scripts_run_as_the_role_and_with_the_search_path_that_are_given(database, shop, admin, new_role):
    role = new_role("NOLOGIN")
    admin.execute(sql.SQL("GRANT {} TO migrator").format(sql.Identifier(role)))
    admin.execute(sql.SQL("CREATE SCHEMA inside AUTHORIZATION {}").format(sql.Identifier(role)))

    api.apply(database.url, shop.directory, role=role, search_path="inside")

    owners = admin.execute("SELECT tablename, tableowner FROM pg_tables WHERE schemaname = 'inside' ORDER BY 1")
    assert owners.fetchall() == [(name, role) for name in "abc"]


def test_the_history_is_kept_in_the_schema_that_is_given(database, shop, conn):
    api.apply(database.url, shop.directory, history_schema="ops", steps=1)

    assert states(database, shop, history_schema="ops")[0] == ("1_a", "applied")
    assert steps(api.plan(database.url, shop.directory, history_schema="ops")) == ["2_b", "3_c"]
    assert steps(api.plan_rollback(database.url, shop.directory, history_schema="ops")) == ["1_a"]
    assert not is_there(conn, "sqlmigrate._yoyo_migration")
    assert ran(api.rollback(database.url, shop.directory, history_schema="ops")) == ["1_a"]


def test_all_in_one_transaction_is_all_or_nothing(database, shop, conn):
    shop.migration("4_fails", "SELECT 1 / 0;\n")

    with pytest.raises(ExecutionError):
        api.apply(database.url, shop.directory, single_transaction=True)

    assert not is_there(conn, "a")
    assert ran(api.apply(database.url, shop.directory, to="3_c", single_transaction=True)) == ["1_a", "2_b", "3_c"]


def test_a_script_that_fails_leaves_what_ran_before_it(database, shop, conn):
    shop.migration("2_fails", "CREATE TABLE never ();\nSELECT nope;\n")

    with pytest.raises(ExecutionError) as caught:
        api.apply(database.url, shop.directory)

    error = caught.value
    assert (error.migration_id, error.done) == ("2_fails", ("1_a", "2_b"))
    assert (error.statement, error.server.sqlstate) == (2, "42703")
    assert (error.place.path.name, error.place.line, error.place.column) == ("2_fails.sql", 2, 8)
    assert not is_there(conn, "never")


def test_a_script_outside_a_transaction_goes_on_where_it_stopped(database, project, conn):
    conn.execute("CREATE TABLE gate (divisor integer); INSERT INTO gate VALUES (0)")
    script = "-- transactional: false\nCREATE TABLE one ();\nSELECT 1 / divisor FROM gate;\nCREATE TABLE two ();\n"
    project.migration("1_steps", script)

    with pytest.raises(HalfWayError):
        api.apply(database.url, project.directory)

    assert states(database, project) == [("1_steps", "half way")]
    with pytest.raises(HalfWayError):
        api.apply(database.url, project.directory)
    assert ran(api.apply(database.url, project.directory, resume_at=3)) == ["1_steps"]
    assert is_there(conn, "two")


@pytest.mark.parametrize("call", [api.apply, api.rollback])
def test_resuming_where_nothing_stopped_is_refused(database, shop, call):
    with pytest.raises(UsageError, match="none to resume"):
        call(database.url, shop.directory, resume_at=1)
    with pytest.raises(UsageError, match="resume_at counts from 1"):
        call(database.url, shop.directory, resume_at=0)


def test_a_lock_that_is_not_to_be_had_is_given_up_after_the_budget(database, project, conn):
    conn.execute("CREATE TABLE busy ()")
    project.migration("1_alter", "ALTER TABLE busy ADD COLUMN a integer;\n")

    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE busy")
        with pytest.raises(LockBudgetSpent):
            api.apply(database.url, project.directory, lock_timeout=50, lock_budget="100ms")

    assert ran(api.apply(database.url, project.directory)) == ["1_alter"]


def test_another_run_is_not_waited_for_longer_than_asked(database, shop):
    with (
        runlock.held(database.conninfo, "sqlmigrate", wait=5),
        pytest.raises(RunLockBusy, match="another run holds the run lock"),
    ):
        api.apply(database.url, shop.directory, wait_lock=0)

    assert len(api.apply(database.url, shop.directory, wait_lock=0).ran) == 3


def test_runs_at_the_same_time_apply_each_migration_once(database, shop):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: api.apply(database.url, shop.directory), range(4)))

    assert sorted(name for result in results for name in ran(result)) == ["1_a", "2_b", "3_c"]


def test_an_observer_is_told_while_it_happens(database, shop):
    told = []

    api.apply(database.url, shop.directory, steps=1, observer=told.append)
    api.rollback(database.url, shop.directory, observer=told.append)

    kinds = [(type(event), event.operation, event.migration_id) for event in told]
    assert kinds == [
        (kind, operation, "1_a") for operation in ("apply", "rollback") for kind in (ScriptStarted, ScriptFinished)
    ]


@pytest.fixture
def talking(project):
    """Two migrations; the second says something in its last statement."""
    project.migration("1_a", "CREATE TABLE a ();\n")
    project.migration("2_says", "CREATE TABLE says ();\nDO $$ BEGIN RAISE NOTICE 'now'; END $$;\nSELECT 1;\n")
    return project


def raising(kind):
    """Give an observer that raises at an event of the second migration."""

    def observe(event):
        if isinstance(event, kind) and event.migration_id == "2_says":
            raise LookupError("enough")

    return observe


@pytest.mark.parametrize("kind", [ScriptStarted, RowsReturned])
@pytest.mark.parametrize("together", [False, True])
def test_an_observer_that_raises_stops_the_run_and_leaves_nothing_of_the_script(
    database, talking, conn, kind, together
):
    with pytest.raises(LookupError, match="enough"):
        api.apply(database.url, talking.directory, observer=raising(kind), single_transaction=together)

    wait_until(lambda: not is_there(conn, "says"))
    assert is_there(conn, "a") is not together
    assert ran(api.apply(database.url, talking.directory))[-1] == "2_says"


def test_an_observer_that_raises_at_a_notice_is_logged_and_the_run_goes_on(database, talking, conn, caplog):
    result = api.apply(database.url, talking.directory, observer=raising(Notice))

    assert ran(result) == ["1_a", "2_says"]
    assert [record.name for record in caplog.records] == ["psycopg"]
    assert is_there(conn, "says")


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


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/shop",
        f"host=127.0.0.1 port=1 user=me password={SECRET}",
        f"postgresql://me:{SECRET}@with-an-at@127.0.0.1:1/shop",
        f"postgresql://me:{SECRET}@127.0.0.1:port/shop",
        f"host=127.0.0.1 password='{SECRET}",
        f"postgresql://127.0.0.1:1/shop?user=me&password={SECRET}",
    ],
)
@pytest.mark.parametrize("call", [api.status, api.plan, api.plan_rollback, api.apply, api.rollback])
def test_no_error_holds_a_password(shop, call, url):
    with pytest.raises((ConnectionFailed, ConfigError)) as caught:
        call(url, shop.directory)

    assert SECRET not in whole_text(caught.value)


def test_no_error_of_seeding_holds_a_password(colours):
    with pytest.raises(ConnectionFailed) as caught:
        api.seed(f"postgresql://me:{SECRET}@127.0.0.1:1/shop", colours)

    assert SECRET not in whole_text(caught.value)


def test_a_query_of_our_own_that_postgresql_ends_is_an_error_of_ours(database, shop, admin):
    api.apply(database.url, shop.directory)
    admin.execute(sql.SQL("ALTER DATABASE {} SET statement_timeout = '100ms'").format(sql.Identifier(database.name)))

    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE sqlmigrate._yoyo_migration")
        for call in (api.status, api.plan, api.apply, api.rollback):
            with pytest.raises(Error, match="canceling statement due to statement timeout") as caught:
                call(database.url, shop.directory)
            assert isinstance(caught.value.__cause__, psycopg.errors.QueryCanceled)


def test_a_role_without_the_right_to_read_the_history_is_told_so(database, shop, admin, new_role):
    api.apply(database.url, shop.directory)
    role = new_role("LOGIN")

    with pytest.raises(HistoryError, match=f"role {role} may not read the history") as caught:
        api.status(database.server.conninfo(database.name, role), shop.directory)
    admin.execute(caught.value.hint)

    assert len(api.status(database.server.conninfo(database.name, role), shop.directory)) == 3


def test_seeding_says_what_it_wrote_and_writes_nothing_the_second_time(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")

    first, second = api.seed(database.url, colours), api.seed(database.url, api.read_seeds(colours))

    assert [(str(item.table), item.inserted, item.updated, item.unchanged) for item in first.tables] == [
        ("public.colours", 2, 0, 0)
    ]
    assert (first.written, second.written) == (2, 0)
    assert conn.execute("SELECT name FROM colours ORDER BY name").fetchall() == [("blue",), ("red",)]


def test_seed_files_that_are_wrong_are_named_and_nothing_is_written(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")
    (colours / "colours.yaml").write_text("colours:\n  - name: red\n  - name: red\n")

    for call in (lambda: api.read_seeds(colours), lambda: api.seed(database.url, colours)):
        with pytest.raises(SeedError) as caught:
            call()
        assert [problem.place.line for problem in caught.value.problems] == [3]
    assert conn.execute("SELECT count(*) FROM colours").fetchone() == (0,)


def test_rows_are_written_as_the_role_that_is_given(database, colours, admin, new_role):
    role = new_role("NOLOGIN")
    admin.execute(sql.SQL("GRANT {} TO migrator").format(sql.Identifier(role)))
    admin.execute("CREATE TABLE colours (name text PRIMARY KEY, by name DEFAULT current_user)")
    admin.execute(sql.SQL("GRANT SELECT, INSERT, UPDATE ON colours TO {}").format(sql.Identifier(role)))

    api.seed(database.url, colours, role=role)

    assert admin.execute("SELECT DISTINCT by FROM colours").fetchall() == [(role,)]


def test_seeding_waits_for_a_lock_no_longer_than_asked(database, colours, conn):
    conn.execute("CREATE TABLE colours (name text PRIMARY KEY)")

    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE colours")
        with pytest.raises(SeedError, match="lock timeout"):
            api.seed(database.url, colours, lock_timeout="50ms")
        with pytest.raises(SeedError, match="statement timeout"):
            api.seed(database.url, colours, statement_timeout=50)


def test_no_session_stays_open(database, shop, colours, admin):
    shop.migration("4_fails", "SELECT 1 / 0;\n")

    with pytest.raises(ExecutionError):
        api.apply(database.url, shop.directory)
    api.status(database.url, shop.directory)
    with pytest.raises(SeedError):
        api.seed(database.url, colours)

    others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sqlmigrate%'"
    wait_until(lambda: admin.execute(others).fetchone() is None)


def test_neither_click_nor_rich_is_imported():
    code = "import sys; from sqlmigrate import api; print({'click', 'rich', 'sqlmigrate.cli'} & sys.modules.keys())"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_every_public_name_is_there():
    assert [name for name in api.__all__ if not hasattr(api, name)] == []
    assert len(set(api.__all__)) == len(api.__all__)
