"""The yoyo command with our back end: by the scheme of its URL, scripts run, lock and record as ours do."""

from __future__ import annotations

import importlib.metadata
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
import yoyo
from yoyo.exceptions import LockTimeout

from sqlmigrate.connection import parse_conninfo
from sqlmigrate.errors import (
    ConfigError,
    ConfirmationRequired,
    ConnectionFailed,
    Error,
    ExecutionError,
    HalfWayError,
    HistoryError,
    MigrationsError,
    UsageError,
)
from sqlmigrate.importing.yoyo import backend as yoyo_backend
from support.backfill import numbered, script, times
from support.contents import has_history, tables
from support.pooler import PORT, PROGRAM, changed_in_the_pool, pooler
from support.runner import Runner, ids
from support.sessions import wait_for_sleep
from support.waiting import LONG, wait_until
from support.yoyo import Yoyo, adopt, command, opened, project_of_100, registered, started, url

pytestmark = pytest.mark.contract


@pytest.fixture
def plugins(tmp_path_factory) -> Path:
    """A folder in which yoyo finds our entry point."""
    return registered(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def directory(tmp_path, monkeypatch) -> Path:
    """A folder of migrations; `.git` above it keeps the search for a configuration inside the test's folder."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "migrations").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "migrations"


@pytest.fixture
def project_runner(database, directory) -> Runner:
    project_runner = Runner(database.conninfo, directory)
    for name in ("a", "b", "c"):
        project_runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    return project_runner


@pytest.fixture
def open_ours(database, directory, plugins, monkeypatch):
    """Open our back end as yoyo does, by its scheme."""
    monkeypatch.syspath_prepend(plugins)
    backends = []

    def make(*, role: str = "migrator", table: str = "_yoyo_migration", **arguments: str) -> Yoyo:
        backend = yoyo.get_backend(url(database, "sqlmigrate", role=role, **arguments), table)
        backends.append(backend)
        return Yoyo(backend, directory)

    yield make
    for backend in backends:
        backend.connection.close()


@pytest.fixture
def ours(open_ours) -> Yoyo:
    return open_ours()


@pytest.fixture
def call(database, directory, plugins):
    """Call the yoyo command with our scheme."""

    def run(*words: str) -> tuple[int, str, str]:
        arguments = (*words, "--database", url(database, "sqlmigrate"), str(directory))
        return command(*arguments, plugins=plugins, cwd=directory.parent)

    return run


def test_yoyo_loads_our_back_end_by_the_scheme(ours):
    assert type(ours.backend).__name__ == yoyo_backend.SqlmigrateBackend.__name__


def test_the_installed_distribution_registers_the_scheme():
    try:
        installed = importlib.metadata.distribution("pg-sqlmigrate")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("sqlmigrate is not installed here")

    found = [point for point in installed.entry_points if point.group == "yoyo.backends"]

    assert [point.load() for point in found] == [yoyo_backend.SqlmigrateBackend]


def test_the_yoyo_command_applies_lists_and_rolls_back_with_another_scheme(call, project_runner, database):
    status, _, stderr = call("apply")
    assert status == 0, stderr
    assert project_runner.applied() == tables(database) == ["a", "b", "c"]
    assert all(row.checksum and not row.marked for row in project_runner.history().applied)

    assert call("rollback", "--revision", "b")[0] == 0
    _, listed, _ = call("list")

    assert project_runner.applied() == tables(database) == ["a", "c"]
    assert [line.split()[:2] for line in listed.splitlines()[2:]] == [["A", "a"], ["U", "b"], ["A", "c"]]


def test_marks_and_reapplying_work_through_the_yoyo_command(call, project_runner, database):
    assert call("mark", "--revision", "a")[0] == 0
    assert (project_runner.applied(), tables(database)) == (["a"], [])
    assert project_runner.history().get("a").marked

    assert call("unmark", "--revision", "a")[0] == 0
    assert project_runner.applied() == []

    call("apply")
    assert call("reapply", "--revision", "c")[0] == 0
    assert project_runner.applied() == ["a", "b", "c"]
    operations = database.connect().execute("SELECT operation FROM sqlmigrate.log ORDER BY seq").fetchall()
    assert [name for (name,) in operations] == ["mark", "unmark", *["apply"] * 3, "rollback", "apply"]


def test_the_sqlmigrate_command_goes_on_where_yoyo_stopped(ours, project_runner):
    ours.apply("a", "b")

    assert ids(project_runner.apply()) == ["c"]
    assert ours.pending() == []
    assert ids(project_runner.rollback()) == ["c"]
    assert ours.pending() == ["c"]


def test_a_project_of_100_scripts_runs_in_yoyos_order(database, directory, ours):
    runner = Runner(database.conninfo, directory)
    project_of_100(runner)
    expected = ours.pending()

    ours.apply()

    assert runner.applied() == ours.applied() == expected
    with opened(database, directory, schema="sqlmigrate") as theirs:
        assert theirs.applied() == expected


def test_a_project_of_natural_order_is_not_run_in_the_order_of_the_text(call, directory, database):
    runner = Runner(database.conninfo, directory)
    (directory.parent / "sqlmigrate.toml").write_text('order = "natural"\n', encoding="utf-8")
    for name in ("1_a", "2_b"):
        runner.write(name, f'CREATE TABLE "{name}" ();', f'DROP TABLE "{name}";')
    assert call("apply")[0] == 0  # as text it is the same order
    for name in ("9_c", "10_d"):
        runner.write(name, f'CREATE TABLE "{name}" ();', f'DROP TABLE "{name}";')

    status, _, stderr = call("apply")

    assert status == 1
    assert "10_d cannot run now: 9_c comes first in the natural order; this project says" in stderr
    assert call("apply", "--revision", "10_d")[0] == 1
    assert (runner.applied(), tables(database)) == (["1_a", "2_b"], ["1_a", "2_b"])
    assert call("rollback", "--revision", "2_b")[0] == 0
    assert runner.applied() == ["1_a"]


def test_a_script_that_fails_leaves_nothing_and_the_traceback_says_where(call, project_runner, database):
    project_runner.write("b", "CREATE TABLE b ();\nSELECT nope;")

    status, _, stderr = call("apply")

    assert status == 1
    assert f'{project_runner.directory}/b.sql:2:8: column "nope" does not exist' in stderr
    assert project_runner.applied() == tables(database) == ["a"]


def test_a_script_that_does_not_fit_stops_the_run_before_the_first(ours, project_runner, database):
    project_runner.write("c", "CREATE TABLE c ();\nCOMMIT;")

    with pytest.raises(MigrationsError) as caught:
        ours.apply()

    assert any("c.sql:2:1" in note for note in caught.value.__notes__)
    assert tables(database) == []


def test_a_statement_runs_in_batches_through_the_plug_in_too(ours, project_runner, database):
    numbered(database.connect(), 5)
    project_runner.write("d", script())

    ours.apply("d")

    assert times(database.connect()) == {1: 5}


def test_a_condition_is_asked_by_the_plug_in_too(ours, project_runner, database):
    project_runner.write("d", "-- sqlmigrate: unused-for=14d\nDROP TABLE a;", "CREATE TABLE a ();")

    with pytest.raises(Error, match="the condition unused-for=14d cannot be told; nothing was run"):
        ours.apply("a") and ours.apply("d")

    assert tables(database) == ["a"]


def test_kill_9_leaves_no_lock_no_row_and_no_change(database, project_runner, directory, plugins):
    project_runner.write("a", "CREATE TABLE a ();\nSELECT pg_sleep(600);")
    arguments = ("apply", "--database", url(database, "sqlmigrate"), str(directory))
    with started(*arguments, plugins=plugins, cwd=directory.parent) as process:
        session = database.connect()
        wait_for_sleep(session)
        process.kill()
        here = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sqlmigrate: %'"
        wait_until(lambda: session.execute(f"SELECT count(*) = 0 {here}").fetchone()[0])

    project_runner.write("a", "CREATE TABLE a ();")
    assert project_runner.applied() == tables(database) == []
    assert ids(project_runner.apply()) == ["a", "b", "c"]


def test_one_run_at_a_time_whichever_command(ours, open_ours, project_runner):
    other = open_ours()
    with ours.backend.lock():
        with pytest.raises(LockTimeout, match="another run holds the run lock"), other.backend.lock(timeout=0):
            pytest.fail("two held the lock")
        with pytest.raises(Exception, match="another run holds the run lock"):
            project_runner.apply(wait_lock=0)

    with other.backend.lock(timeout=LONG):  # a session ends a little later than its client
        pass


def test_what_another_run_has_applied_is_not_applied_twice(ours, project_runner):
    todo = ours.backend.to_apply(ours.read())
    project_runner.apply()

    with pytest.raises(HistoryError, match="a is applied already"):
        ours.backend.apply_migrations(todo)
    assert project_runner.applied() == ["a", "b", "c"]


@pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not here (Debian package pgbouncer)")
def test_a_pool_that_makes_no_session_pristine_gets_nothing_of_ours(open_ours, project_runner, database):
    conn = database.connect()
    with pooler(database.server, "session", size=4, reset="") as running:
        for operation in (lambda ours: ours.apply("a", "b"), lambda ours: ours.rollback("b")):
            ours = open_ours(host=running.host, port=str(PORT))
            operation(ours)
            ours.backend.connection.close()
            assert changed_in_the_pool(conn, running.conninfo(database.conninfo)) == []
        ours = open_ours(host=running.host, port=str(PORT))
        ours.apply("c")

        assert ours.applied() == ["a", "c"]
        assert ours.backend.connection.execute("SHOW search_path").fetchone() == ("pg_catalog, pg_temp",)


def test_break_lock_says_who_holds_it_and_how_it_comes_free(ours, open_ours, caplog):
    with ours.backend.lock():
        open_ours().backend.break_lock()
    [(_, _, held)] = caplog.record_tuples
    assert re.search(r"held by pid (\d+) .* end it with SELECT pg_terminate_backend\(\1\)", held)

    def is_free() -> bool:
        ours.backend.break_lock()
        return "is free" in caplog.records[-1].getMessage()

    wait_until(is_free)  # a session ends a little later than its client


def test_break_lock_and_copies_of_the_back_end_do_no_harm(ours, project_runner):
    with ours.backend.lock():
        ours.backend.break_lock()
        with ours.backend.copy() as copy:
            assert copy.get_applied_migration_hashes() == []
        ours.apply("a")
    assert project_runner.applied() == ["a"]


def test_looking_writes_nothing_and_needs_no_right_but_to_read(open_ours, project_runner, database, monkeypatch):
    before = database.dump()
    assert open_ours().pending() == ["a", "b", "c"]
    assert database.dump() == before

    project_runner.apply(to="a")
    admin = database.connect_superuser()
    admin.execute("DROP ROLE IF EXISTS yoyo_reader; CREATE ROLE yoyo_reader LOGIN")
    try:
        admin.execute("GRANT USAGE ON SCHEMA sqlmigrate TO yoyo_reader")
        admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO yoyo_reader")
        monkeypatch.setenv("SQLMIGRATE_HISTORY_OWNERS", "migrator")
        reader = open_ours(role="yoyo_reader")
        with reader.backend.lock():
            assert reader.applied() == ["a"]
    finally:
        admin.execute("DROP OWNED BY yoyo_reader; DROP ROLE yoyo_reader")


def test_one_migration_at_a_time_works_without_the_lock_being_taken_first(ours, project_runner):
    first, second, _ = ours.read()

    ours.backend.apply_one(first)
    ours.backend.mark_one(second)
    assert project_runner.applied() == ["a", "b"]

    ours.backend.unmark_one(second)
    ours.backend.rollback_one(first)
    assert project_runner.applied() == []


def test_marking_is_all_or_nothing(ours, project_runner):
    migrations = ours.read()
    project_runner.mark("c")

    with pytest.raises(HistoryError, match="another run changed the history"):
        ours.backend.mark_migrations(migrations)
    assert project_runner.applied() == ["c"]
    with pytest.raises(HistoryError, match="another run changed the history"):
        ours.backend.unmark_migrations(list(migrations)[1:][::-1])
    assert project_runner.applied() == ["c"]


def test_what_yoyo_applied_before_must_be_adopted_first(ours, project_runner, database, directory):
    with opened(database, directory) as theirs:
        theirs.apply("b")

    with pytest.raises(HistoryError, match=r"b is applied, says public\._yoyo_migration") as caught:
        ours.apply()
    assert caught.value.hint == "take over yoyo's history once: sqlmigrate mark --from yoyo --schema public"
    assert project_runner.applied() == []

    adopt(project_runner, "public")
    assert ours.apply() == ["a", "c"]


def test_what_we_rolled_back_can_be_applied_again_though_yoyos_old_table_has_it(
    ours, project_runner, database, directory
):
    with opened(database, directory) as theirs:
        theirs.apply("a")
    adopt(project_runner)

    ours.rollback("a")
    ours.apply()

    assert project_runner.applied() == ["a", "b", "c"]


def test_yoyo_tables_of_another_application_do_not_matter(ours, project_runner, database, directory, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.sql").write_text("SELECT 1;")
    with opened(database, tmp_path / "other") as theirs:
        theirs.apply()

    ours.apply()

    assert project_runner.applied() == ["a", "b", "c"]


def test_schema_in_the_url_sets_the_search_path_of_the_scripts(open_ours, project_runner, database):
    session = database.connect()
    session.execute("CREATE SCHEMA app")

    open_ours(schema="app,public").apply()

    query = "SELECT schemaname FROM pg_tables WHERE tablename IN ('a', 'b', 'c')"
    assert session.execute(query).fetchall() == [("app",)] * 3
    assert project_runner.applied() == ["a", "b", "c"]


def test_the_settings_of_the_project_hold(open_ours, project_runner, database, directory):
    (directory.parent / "sqlmigrate.toml").write_text('history_schema = "records"\nlock_timeout = "123ms"\n')
    project_runner.write("a", "CREATE TABLE a AS SELECT current_setting('lock_timeout') AS found;")

    open_ours().apply("a")

    session = database.connect()
    assert session.execute("SELECT found FROM a").fetchone() == ("123ms",)
    assert session.execute("SELECT migration_id FROM records._yoyo_migration").fetchone() == ("a",)


def test_a_protected_environment_is_refused(open_ours, project_runner, database, directory):
    (directory.parent / "sqlmigrate.toml").write_text("protected = true\n")

    with pytest.raises(ConfirmationRequired, match="this environment is protected"):
        open_ours().apply()
    assert not has_history(database)


def test_a_script_outside_a_transaction_goes_on_where_it_stopped(ours, project_runner, database):
    script = "-- transactional: false\nCREATE TABLE a ();\nINSERT INTO b SELECT 1;\n"
    project_runner.write("a", script, "DROP TABLE a;")

    with pytest.raises(HalfWayError):
        ours.apply("a")
    database.connect().execute("CREATE TABLE b (n integer)")
    ours.apply("a")

    assert project_runner.applied() == ["a"]
    assert database.connect().execute("SELECT n FROM b").fetchall() == [(1,)]


def test_a_migration_without_a_rollback_script_is_not_rolled_back(ours, project_runner):
    project_runner.write("d", "SELECT 1;")
    ours.apply("d")

    with pytest.raises(MigrationsError, match="nothing was rolled back"):
        ours.rollback("d")
    assert project_runner.applied() == ["d"]


def test_an_edited_migration_can_be_rolled_back_and_applied(ours, project_runner):
    ours.apply("a")
    project_runner.write("a", "CREATE TABLE a (n integer);")

    ours.rollback("a")
    ours.apply("a")

    assert project_runner.applied() == ["a"]
    assert project_runner.history().get("a").checksum == project_runner.load().named("a").script.checksum


def test_force_is_refused(ours, project_runner, database):
    with pytest.raises(UsageError, match="--force has no meaning"):
        ours.backend.apply_migrations(ours.read(), force=True)
    assert tables(database) == []


def test_a_table_of_another_name_is_refused(open_ours):
    with pytest.raises(UsageError, match="--migration-table has no meaning"):
        open_ours(table="versions")


@pytest.mark.parametrize(("name", "text"), [("post-apply.sql", "SELECT 1;"), ("d.py", "steps = []")])
def test_what_we_do_not_run_is_refused_before_anything_runs(ours, project_runner, database, name, text):
    (project_runner.directory / name).write_text(text)

    with pytest.raises((UsageError, MigrationsError), match=r"post-apply|Python migrations are not run"):
        ours.apply()
    assert tables(database) == []


def test_an_error_in_a_directive_is_refused(ours, project_runner, database):
    project_runner.write("c", "-- sqlmigrate: lock_timeout=soon\nSELECT 1;")

    with pytest.raises(MigrationsError, match="c is refused") as caught:
        ours.apply()
    assert "c.sql:1" in caught.value.__notes__[0]
    assert tables(database) == []


@pytest.mark.parametrize("secret", ["hunter2-hunter2"])
def test_no_password_is_reported_where_a_url_does_not_fit(secret, database, plugins, monkeypatch):
    monkeypatch.syspath_prepend(plugins)
    for rest in ("nothing?what=1", "nothing?host=/nowhere"):
        with pytest.raises((ConfigError, ConnectionFailed)) as caught:
            yoyo.get_backend(f"sqlmigrate://me:{secret}@/{rest}")
        assert secret not in f"{caught.value} {caught.value.hint}"


def test_the_parts_of_a_url_reach_libpq():
    uri: Any = yoyo.connections.parse_uri("sqlmigrate://me:p%40ss@db:5433/shop?sslmode=require&schema=app")

    assert parse_conninfo(yoyo_backend._conninfo(uri), source="") == {
        "dbname": "shop",
        "user": "me",
        "password": "p@ss",
        "host": "db",
        "port": "5433",
        "sslmode": "require",
    }


FORGED = "x\n::error::forged\n##vso[task]forged\u2028\x1b[2J"


def test_no_text_of_a_server_begins_a_line_of_yoyos_log(ours, directory, caplog):
    text = "E'" + "".join(f"\\u{ord(letter):04x}" for letter in FORGED) + "'"
    (directory / "0.notice.sql").write_text(f"DO $$ BEGIN RAISE WARNING USING MESSAGE = {text}; END $$;")
    raised = f"RAISE EXCEPTION USING MESSAGE = {text}, HINT = {text}"
    (directory / "1.error.sql").write_text(f"DO $$ BEGIN {raised}; END $$;")
    caplog.set_level("INFO")

    with pytest.raises(ExecutionError) as caught:
        ours.apply("0.notice", "1.error")

    said = [*(record.getMessage() for record in caplog.records), *traceback.format_exception_only(caught.value)]
    lines = [line for text in said for line in text.splitlines()]
    assert sum("forged" in line for line in lines) >= 4
    assert [line for line in lines if line.lstrip().startswith("::") or "##vso" in line or "\x1b" in line] == []


def test_no_name_of_a_file_begins_a_line_of_yoyos_log(ours, directory):
    name = "0.x\n::error::forged"
    (directory / f"{name}.sql").write_text("SELECT 1;\nSELECT 'forged' COLLATE nothing;")

    with pytest.raises(ExecutionError) as caught:
        ours.apply(name)

    lines = [line for text in traceback.format_exception_only(caught.value) for line in text.splitlines()]
    assert [line for line in lines if line.lstrip().startswith("::")] == []
    assert any(line.startswith("| ::error::forged.sql:2:") for line in lines)


def test_no_library_is_loaded_for_a_url():
    uri: Any = yoyo.connections.parse_uri("sqlmigrate://me@db/shop?sslmode=require&sslkey=/tmp/evil.so%3Ax")

    with pytest.raises(ConfigError, match="the URL has the sslkey of an OpenSSL engine"):
        yoyo_backend._conninfo(uri)
