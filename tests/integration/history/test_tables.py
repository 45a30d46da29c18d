"""The history tables: made, read, refused where they cannot be, and shared with what yoyo writes."""

from __future__ import annotations

from datetime import datetime

import psycopg
import pytest
from psycopg import sql

from sqlmigrate import connection, history
from sqlmigrate.errors import HistoryError
from sqlmigrate.history import History, Texts, trust
from sqlmigrate.migrations import migration_hash
from sqlmigrate.plan import ApplyRequest, make, status
from support.runner import ids
from support.sessions import is_there

ODD_NAMES = ['we"ird', "UPPER", "a.b", "100%s", "{x} {}", "$1", " ", "select", "ä€😀", "x" * 63, "a'b\\c", "%(x)s"]


def refusal(work, *arguments) -> HistoryError:
    with pytest.raises(HistoryError) as caught:
        work(*arguments)
    return caught.value


def install(session: psycopg.Connection, schema: str = "sqlmigrate") -> None:
    history.install(session, schema, history.read(session, schema))


def test_a_database_without_history_has_an_empty_one_and_reading_makes_nothing(conn):
    assert history.read(conn, "sqlmigrate") == History((), None)
    assert not is_there(conn, "sqlmigrate.meta")


def test_the_tables_are_made_once(conn):
    install(conn)
    install(conn)

    assert history.read(conn, "sqlmigrate") == History((), history.VERSION)
    assert conn.execute("SELECT version FROM sqlmigrate.meta").fetchall() == [(history.VERSION,)]


def test_a_failure_while_they_are_made_leaves_nothing(conn):
    conn.execute("CREATE SCHEMA sqlmigrate CREATE TABLE meta_data () CREATE TABLE log ()")

    error = refusal(install, conn)

    assert "schema sqlmigrate holds tables of another tool" in error.message
    assert "history_schema" in error.hint
    assert not is_there(conn, "sqlmigrate._yoyo_migration")


def test_what_an_event_trigger_says_against_the_tables_is_reported(runner, conn, admin):
    admin.execute(
        """
        CREATE FUNCTION no_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no tables today'; END$$;
        CREATE EVENT TRIGGER no_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION no_tables();
        """
    )
    runner.write("a", "SELECT 1;")

    error = refusal(runner.apply)

    assert error.message == "the history cannot be created in schema sqlmigrate: no tables today"
    assert "PL/pgSQL function public.no_tables() line 1" in error.hint
    assert not is_there(conn, "sqlmigrate.meta")


@pytest.mark.parametrize("tag", ["CREATE SCHEMA", "CREATE TABLE", "REVOKE"])
def test_an_event_trigger_that_lacks_a_right_is_named_and_no_grant_that_would_not_help(runner, conn, admin, tag):
    admin.execute(
        f"""
        CREATE TABLE kept (tag text);
        CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql
            AS $$BEGIN INSERT INTO public.kept VALUES (tg_tag); END$$;
        CREATE EVENT TRIGGER keep ON ddl_command_end WHEN TAG IN ('{tag}') EXECUTE FUNCTION keep();
        """
    )
    conn.execute("ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO pg_monitor")
    runner.write("a", "SELECT 1;")

    error = refusal(runner.apply)

    assert error.message == "the history cannot be created in schema sqlmigrate: permission denied for table kept"
    assert "PL/pgSQL function public.keep() line 1" in error.hint
    assert "DBA" not in error.hint
    admin.execute(f"GRANT INSERT ON kept TO {conn.info.user}")
    assert ids(runner.apply()) == ["a"]


@pytest.mark.parametrize("name", ["meta", "applied", "_yoyo_migration"])
def test_tables_of_another_tool_with_one_of_our_names_are_told_apart(conn, runner, name):
    conn.execute(f"CREATE SCHEMA sqlmigrate CREATE TABLE {name} (nothing_of_ours integer)")
    runner.write("a", "CREATE TABLE a ();")

    assert "schema sqlmigrate holds tables of another tool" in refusal(runner.apply).message


@pytest.mark.parametrize("name", ["meta", "applied", "_yoyo_migration", "journal", "log"])
def test_a_history_that_has_lost_a_table_is_no_empty_one(conn, runner, name):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    conn.execute(f"DROP TABLE sqlmigrate.{name} CASCADE")

    for command in (runner.history, runner.apply, runner.rollback) if name != "log" else (runner.rollback,):
        error = refusal(command)
        assert f"sqlmigrate.{name}" in error.message, command
    assert is_there(conn, "a")


@pytest.mark.parametrize("left", ["", "; INSERT INTO sqlmigrate.meta (version, upgraded_by) VALUES (-5, 'x')"])
def test_a_history_that_has_lost_its_version_is_no_empty_one(conn, runner, left):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    runner.apply()
    conn.execute(f"TRUNCATE sqlmigrate.meta{left}")

    for command in (runner.history, runner.apply, runner.rollback):
        error = refusal(command)
        assert "the history in schema sqlmigrate has lost its version" in error.message
        assert "INSERT INTO" in str(error.hint)
    assert is_there(conn, "a")


def test_any_name_of_a_schema_works(runner, conn):
    runner.write("a", "CREATE TABLE a ();", "DROP TABLE a;")
    for name in ODD_NAMES:
        runner.defaults = {"schema": name}
        assert ids(runner.apply()) == ["a"], name
        assert runner.applied() == ["a"], name
        assert history.with_texts(conn, name, runner.history(), ["a"]).text_of("a").script == "CREATE TABLE a ();", name
        assert len(history.read_log(conn, name, history.LogFilter())) >= 1, name
        assert ids(runner.rollback()) == ["a"], name
        assert runner.mark("a") == ["a"], name
        assert runner.unmark("a") == ["a"], name
        found = conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", [name]).fetchone()[0]
        assert found >= 6, name


def test_an_empty_schema_that_somebody_made_for_us_is_used(runner, admin, new_role, pg_server, database):
    """A role that may not create schemas is the usual case where a DBA keeps the keys."""
    role = new_role("LOGIN", 'Deploy "er"')
    runner.conninfo = pg_server.conninfo(database.name, role)
    runner.defaults = {"schema": 'Hist "ory"'}
    runner.write("a", "SELECT 1;")

    error = refusal(runner.apply)

    assert "cannot be created" in error.message
    assert "permission denied for database" in error.message
    admin.execute(error.hint.removeprefix("a DBA can help: "))
    assert ids(runner.apply()) == ["a"]


def test_the_hint_for_a_schema_that_we_may_not_use_is_sql_that_helps(runner, admin, new_role, pg_server, database):
    admin.execute("CREATE SCHEMA theirs")
    runner.conninfo = pg_server.conninfo(database.name, new_role())
    runner.defaults = {"schema": "theirs"}
    runner.write("a", "SELECT 1;")

    error = refusal(runner.apply)

    assert "permission denied for schema theirs" in error.message
    admin.execute(error.hint.removeprefix("a DBA can help: "))
    assert ids(runner.apply()) == ["a"]


def test_the_hint_for_a_role_that_may_not_read_is_sql_that_helps(runner, admin, new_role, pg_server, database):
    runner.defaults = {"schema": 'Hist "ory"'}
    runner.write("a", "SELECT 1;")
    runner.apply()
    reader = pg_server.conninfo(database.name, new_role("LOGIN", 'Look "er"'))
    with connection.session(reader) as session:
        error = refusal(history.read, session, 'Hist "ory"')
        assert 'role Look "er" may not read the history' in error.message
        usage, select = error.hint.split("; ")
        admin.execute(usage)
        assert refusal(history.read, session, 'Hist "ory"').hint == select
        admin.execute(select)
        owners = error.hint.partition("history_owners = ")[2]
        assert owners.startswith('["migrator"]')
        found = history.read(session, 'Hist "ory"', owners=["migrator"])
        assert [row.migration_id for row in found.applied] == ["a"]


def test_a_role_that_may_only_read_sees_the_history_and_cannot_apply(runner, admin, new_role, pg_server, database):
    runner.write("a", "SELECT 1;")
    runner.apply()
    reader = new_role()
    admin.execute(
        f"GRANT USAGE ON SCHEMA sqlmigrate TO {reader}; GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO {reader}"
    )
    runner.conninfo = pg_server.conninfo(database.name, reader)
    runner.defaults = {"history_owners": ("migrator",)}
    runner.write("b", "SELECT 1;")

    assert runner.applied() == ["a"]
    error = refusal(runner.apply)
    assert error.message == f"role {reader} may not write the history in schema sqlmigrate"
    start = "run as migrator, which owns the history, or "
    assert error.hint.startswith(f"{start}GRANT USAGE ON SCHEMA")
    assert runner.applied() == ["a"]
    admin.execute(error.hint.removeprefix(start))
    assert ids(runner.apply()) == ["b"]


@pytest.mark.parametrize("granted", ["", "GRANT USAGE ON SCHEMA sqlmigrate TO {}"])
def test_a_role_that_may_not_even_read_is_told_what_writing_needs_where_it_wants_to_write(
    runner, admin, new_role, pg_server, database, granted
):
    runner.write("a", "SELECT 1;", "SELECT 1;")
    runner.apply()
    role = new_role()
    runner.conninfo = pg_server.conninfo(database.name, role)
    runner.defaults = {"history_owners": ("migrator",)}
    admin.execute(granted.format(role) or "SELECT 1")

    for run in (runner.apply, runner.rollback, lambda: runner.mark("a"), lambda: runner.unmark("a")):
        error = refusal(run)
        assert "may not read the history" in error.message
        assert error.hint.startswith("run as migrator, which owns the history, or GRANT USAGE")
    admin.execute(error.hint.rpartition("history, or ")[2])
    assert runner.unmark("a") == ["a"]


def test_a_history_of_a_newer_release_is_refused_by_name(conn, runner):
    install(conn)
    conn.execute("INSERT INTO sqlmigrate.meta (version, upgraded_by) VALUES (99, 'sqlmigrate 9.9')")

    error = refusal(history.read, conn, "sqlmigrate")

    assert "version 99" in error.message
    assert "upgrade" in error.hint
    runner.write("a", "CREATE TABLE a ();")
    assert "version 99" in refusal(runner.apply).message


def test_a_newer_release_is_named_even_where_its_tables_are_other_ones(conn, runner):
    runner.write("a", "SELECT 1;")
    runner.apply()
    conn.execute("INSERT INTO sqlmigrate.meta (version, upgraded_by) VALUES (99, 'sqlmigrate 9.9')")
    for change in ("ALTER TABLE sqlmigrate.applied DROP COLUMN marked", "DROP TABLE sqlmigrate.applied CASCADE"):
        conn.execute(change)
        assert "version 99" in refusal(history.read, conn, "sqlmigrate").message


def test_a_row_that_yoyo_added_counts_and_has_no_checksum(runner, conn):
    for name in ("a", "b", "c"):
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    runner.apply(to="a")
    conn.execute("INSERT INTO sqlmigrate._yoyo_migration VALUES (%s, 'b', now())", [migration_hash("b")])

    assert ids(runner.apply()) == ["c"]
    assert runner.applied() == ["a", "b", "c"]
    row = runner.history().get("b")
    assert (row.seq, row.checksum, row.marked) == (None, None, False)
    assert not any(item.edited or item.rollback_edited for item in status(runner.load(), runner.history()))


def test_a_row_that_yoyo_deleted_is_pending_again(runner, conn):
    runner.write("a", "CREATE TABLE IF NOT EXISTS a ();")
    runner.apply()
    conn.execute("DELETE FROM sqlmigrate._yoyo_migration")

    assert runner.applied() == []
    assert ids(runner.apply()) == ["a"]
    assert conn.execute("SELECT count(*) FROM sqlmigrate.applied").fetchone() == (1,)


def test_rows_of_yoyo_stand_where_their_time_puts_them(runner, conn):
    for name, hour in (("a", 1), ("c", 3), ("e", 5)):
        runner.write(name, "SELECT 1;", "SELECT 1;")
        runner.apply()
        conn.execute(
            "UPDATE sqlmigrate._yoyo_migration SET applied_at_utc = %s WHERE migration_id = %s",
            [datetime(2026, 1, 1, hour), name],  # noqa: DTZ001  the column has no zone
        )
    for name, hour in (("d", 4), ("b", 2), ("f", 6), ("0", 0)):
        runner.write(name, "SELECT 1;", "SELECT 1;")
        conn.execute(
            "INSERT INTO sqlmigrate._yoyo_migration VALUES (%s, %s, %s)",
            [migration_hash(name), name, datetime(2026, 1, 1, hour)],  # noqa: DTZ001  same
        )

    assert runner.applied() == ["0", "a", "b", "c", "d", "e", "f"]
    assert ids(runner.rollback(everything=True)) == ["f", "e", "d", "c", "b", "a", "0"]


def test_reading_works_in_a_read_only_transaction_and_takes_no_lock_that_blocks(runner, conn, database):
    runner.write("a", "SELECT 1;")
    runner.apply()
    reader = database.holding("SET TRANSACTION READ ONLY")

    found = history.read(reader, "sqlmigrate")

    modes = reader.execute("SELECT DISTINCT mode FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid()")
    assert modes.fetchall() == [("AccessShareLock",)]
    assert make(ApplyRequest(migrations=runner.load()), found).steps == ()


def test_a_large_text_is_not_recorded_but_its_digests_are(runner, conn):
    text = f"SELECT 1; -- {'x' * history.RECORD_TEXT_MAX}"
    runner.write("a", text, text)

    runner.apply()

    query = "SELECT script, rollback_script, size, rollback_size, checksum, rollback_checksum FROM sqlmigrate.applied"
    script, rollback, size, rollback_size, checksum, rollback_checksum = conn.execute(query).fetchone()
    assert (script, rollback) == (None, None)
    assert size == rollback_size == len(text)
    assert checksum == rollback_checksum == runner.load().named("a").script.checksum
    assert ids(runner.apply()) == []


def test_recorded_scripts_are_read_for_those_that_ask_in_one_query_and_for_nobody_else(runner, conn, monkeypatch):
    for name in ("a", "b", "c"):
        runner.write(name, f"SELECT '{name}';", f"SELECT 'not {name}';")
    runner.apply()
    found = runner.history()
    asked = []
    read = trust.read
    monkeypatch.setattr(trust, "read", lambda *args, **named: asked.append(args) or read(*args, **named))

    assert found.texts == {}
    assert history.with_texts(conn, "sqlmigrate", found, []) is found
    assert asked == []
    assert history.with_texts(conn, "sqlmigrate", found, ["a", "c", "none"]).texts == {
        "a": Texts("SELECT 'a';", "SELECT 'not a';"),
        "c": Texts("SELECT 'c';", "SELECT 'not c';"),
    }
    assert len(asked) == 1


def test_who_ran_is_recorded_as_far_as_it_fits(runner, conn, monkeypatch):
    monkeypatch.setenv("LOGNAME", "u" * 300)
    runner.write("a", "SELECT 1;")

    runner.apply()

    row = conn.execute("SELECT username, length(hostname) > 0 FROM sqlmigrate._yoyo_log").fetchone()
    assert row == ("u" * 255, True)


def test_nobody_but_the_owner_may_write_the_history(runner, conn, admin):
    runner.write("a", "SELECT 1;")
    runner.apply()

    query = """
    SELECT count(*) FROM pg_class AS c, pg_roles AS r
    WHERE c.relnamespace = 'sqlmigrate'::regnamespace AND c.relkind IN ('r', 'S')
      AND r.rolname = 'pg_read_all_settings' AND has_table_privilege(r.oid, c.oid, 'INSERT, UPDATE, DELETE, SELECT')
    """
    assert admin.execute(query).fetchone() == (0,)
    assert admin.execute(
        sql.SQL("SELECT has_schema_privilege('pg_read_all_settings', 'sqlmigrate', 'USAGE')")
    ).fetchone() == (False,)
