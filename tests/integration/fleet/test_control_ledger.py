"""The ledger of a control database: shared by several machines, and no reason to stop where it is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from sqlmigrate.connection import silence
from sqlmigrate.errors import ConnectionFailed, Error, HistoryError, UsageError
from sqlmigrate.fleet.ledger import Entry, Head, LocalLedger
from sqlmigrate.fleet.ledger.control import ControlLedger
from sqlmigrate.fleet.model import Failure, State, Wanted, Wave
from support.default_privileges import DEFAULTS, rights_of_others
from support.pooler import PROGRAM, pooler
from support.proxy import Proxy

FAILURE = Failure("ExecutionError", "no", "abc", hint="do", place="sql/a.sql:1", migration_id="a", sqlstate="42P01")
DONE = Entry("one", State.DONE, "2026-01-01T00:00:01.000000Z", "canary", 1, 0.25, ("a", "b"), worker="here:7")
FAILED = Entry("two", State.FAILED, "2026-01-01T00:00:02.000000Z", "rest", 2, 1.5, ("a",), FAILURE, "pid 7")
FIRST, SECOND = (f"1111111{number}-0000-4000-8000-000000000000" for number in (1, 2))


def head(run_id=FIRST, began="2026-01-01T00:00:00.000000Z"):
    waves = (Wave("canary", ("one",)), Wave("rest", ("two", "three")))
    return Head(run_id, began, "me", "here", Wanted(to="b", files="x"), waves, ("five",), "production")


@pytest.fixture
def machine(database, tmp_path):
    """The ledger as a machine sees it: each has files of its own, and all share the control database."""

    def make(name="here"):
        return ControlLedger(database.conninfo, LocalLedger(tmp_path / name))

    return make


def test_a_run_is_read_on_every_machine_as_it_was_written_on_one(machine, conn):
    here, there = machine("here"), machine("there")
    assert there.runs() == []
    with pytest.raises(UsageError, match="there is no run yet"):
        there.find("last")

    with here.begun(head()) as writer:
        writer.add(Entry("one", State.RUNNING, "2026-01-01T00:00:00.000000Z", "canary", 1))
        with pytest.raises(Error, match="is under way in another process"), there.resumed(there.find("last"), "x"):
            pass
        writer.add(DONE)
        writer.add(FAILED)
        writer.end("2026-01-01T00:00:03.000000Z", "interrupted")
    with here.begun(head(SECOND, "2026-01-02T00:00:00.000000Z")) as writer:
        pass

    assert [record.head.run_id for record in there.runs()] == [SECOND, FIRST]
    found = there.find(FIRST)
    assert found == there.runs()[1] == here.local.find(FIRST)
    assert (found.head, found.ended, found.why) == (head(), "2026-01-01T00:00:03.000000Z", "interrupted")
    assert (found.entry("one"), found.entry("two"), found.entry("three").state) == (DONE, FAILED, State.LEFT)
    with pytest.raises(UsageError, match="several runs begin with 1111"):
        there.find("1111")
    row = "SELECT state, migrations, error, fingerprint FROM sqlmigrate_fleet.target WHERE target = 'two'"
    assert conn.execute(row).fetchone() == ("failed", ["a"], "sql/a.sql:1: no", "abc")

    with there.resumed(found, "2026-01-03T00:00:00.000000Z") as writer:
        writer.add(Entry("two", State.DONE, "2026-01-03T00:00:01.000000Z", "rest", 3))
        writer.end("2026-01-03T00:00:02.000000Z", None)
    assert here.find(FIRST).counts() == there.local.find(FIRST).counts() == {State.DONE: 2, State.LEFT: 1}


def test_a_control_database_that_is_lost_stops_no_run_and_the_file_has_all_of_it(machine, database):
    ledger = machine()
    with ledger.begun(head()) as writer:
        writer.add(DONE)
        with database.connect_superuser() as session:
            session.execute("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE pid = %s", [
                writer.session.info.backend_pid
            ])  # fmt: skip
        writer.add(FAILED)
        writer.end("2026-01-01T00:00:03.000000Z", None)

    assert writer.broken.startswith("the control database takes nothing more of this run: ")
    assert ledger.local.find("last").counts() == {State.DONE: 1, State.FAILED: 1, State.LEFT: 1}
    # the files here know more than the database, until the run goes on from here
    assert machine("there").find("last").counts() == {State.WAITING: 3}
    assert ledger.find("last") == ledger.runs()[0] == ledger.local.find("last")
    with ledger.resumed(ledger.find("last"), "2026-01-02T00:00:00.000000Z"):
        pass
    assert machine("there").find("last").counts() == {State.DONE: 1, State.FAILED: 1, State.WAITING: 1}


def test_a_control_database_that_falls_silent_stops_no_run(database, tmp_path, monkeypatch):
    monkeypatch.setattr(silence, "SECONDS", 1.0)
    with Proxy(database.server.host, database.server.port) as proxy:
        conninfo = make_conninfo(database.conninfo, host=proxy.host, port=proxy.port)
        with ControlLedger(conninfo, LocalLedger(tmp_path)).begun(head()) as writer:
            proxy.swallow()
            writer.add(DONE)
            writer.end("2026-01-01T00:00:03.000000Z", None)

    assert writer.broken.startswith("the control database takes nothing more of this run: ")
    assert LocalLedger(tmp_path).find("last").counts() == {State.DONE: 1, State.LEFT: 2}


def test_one_that_does_not_answer_leaves_what_the_files_of_this_machine_know(machine):
    ledger = machine()
    with ledger.begun(head()) as writer:
        writer.add(DONE)  # and is killed: what it has not written yet comes with its end
    assert machine("there").find("last").entry("one") == DONE
    told = []
    away = replace(ledger, conninfo=f"{ledger.conninfo} dbname=missing", warn=told.append)

    assert away.find("last") == away.runs()[0] == ledger.local.find("last")
    assert len(told) == 2
    assert "this is what the files of this machine know" in told[0]


def test_one_that_cannot_be_written_to_is_told_before_anything_runs(machine, database, admin):
    ledger = machine()
    admin.execute(sql.SQL("REVOKE CREATE ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database.name)))
    admin.execute("CREATE SCHEMA sqlmigrate_fleet")
    with pytest.raises(HistoryError) as caught, ledger.begun(head()):
        pass
    assert caught.value.message == "the ledger cannot be created: permission denied for schema sqlmigrate_fleet"
    assert "CREATE SCHEMA sqlmigrate_fleet AUTHORIZATION " in caught.value.hint

    missing = ControlLedger(f"{database.conninfo} dbname=missing password=geheim1", ledger.local)
    for call in (missing.runs, lambda: missing.begun(head()).__enter__()):
        with pytest.raises(ConnectionFailed) as caught:
            call()
        assert "geheim" not in str(caught.value)
    assert ledger.local.runs() == []


def test_tables_on_which_others_have_hung_something_are_not_believed(machine, conn):
    ledger = machine()
    with ledger.begun(head()):
        pass
    conn.execute("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    conn.execute("CREATE TRIGGER t BEFORE INSERT ON sqlmigrate_fleet.target FOR EACH ROW EXECUTE FUNCTION f()")

    for call in (ledger.runs, lambda: ledger.begun(head(SECOND)).__enter__()):
        with pytest.raises(HistoryError, match=r"sqlmigrate_fleet\.target cannot be trusted as a history"):
            call()


@pytest.fixture(params=["session", "transaction"])
def pooled(request, database):
    """A pooler before the control database."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not here (Debian package pgbouncer)")
    with pooler(database.server, request.param) as running:
        yield running


def test_behind_a_pooler_a_run_is_written_or_refused(pooled, database, tmp_path, conn):
    ledger = ControlLedger(pooled.conninfo(database.conninfo), LocalLedger(tmp_path / "here"))
    if pooled.mode == "transaction":
        with pytest.raises(ConnectionFailed, match=r"control database: .* transaction mode"), ledger.begun(head()):
            pytest.fail("nobody would have kept it")
        return

    with ledger.begun(head()) as writer:
        writer.add(DONE)
        with pytest.raises(Error, match="is under way in another process"), ledger.resumed(ledger.find("last"), "x"):
            pass
        writer.end("2026-01-01T00:00:03.000000Z", None)

    assert conn.execute("SELECT state FROM sqlmigrate_fleet.target").fetchall() == [("done",)]
    with ledger.resumed(ledger.find("last"), "2026-01-01T00:00:04.000000Z"):
        pass


def test_a_row_that_is_none_of_a_ledgers_is_an_error(machine, conn):
    with machine().begun(head()):
        pass
    conn.execute('UPDATE sqlmigrate_fleet.run SET head = head || \'{"run_id": "../../elsewhere"}\'')

    with pytest.raises(HistoryError, match="a row in schema sqlmigrate_fleet is none of a ledger's"):
        machine("there").find("last")


def test_default_privileges_give_nobody_the_right_to_write_it(machine, conn, admin, new_role):
    other = new_role()
    conn.execute(DEFAULTS.format(other=other))
    with machine().begun(head()) as writer:
        writer.add(DONE)

    assert rights_of_others(admin, "sqlmigrate_fleet") == [(other, "", "USAGE"), (other, "r", "SELECT")]
    assert len(machine("there").runs()) == 1


def test_an_event_trigger_that_lacks_a_right_is_named(machine, admin):
    admin.execute(
        """
        CREATE TABLE kept (tag text);
        CREATE FUNCTION keep() RETURNS event_trigger LANGUAGE plpgsql
            AS $$BEGIN INSERT INTO public.kept VALUES (tg_tag); END$$;
        CREATE EVENT TRIGGER keep ON ddl_command_end EXECUTE FUNCTION keep();
        """
    )

    with pytest.raises(HistoryError, match="permission denied for table kept") as caught, machine().begun(head()):
        pass
    assert "PL/pgSQL function public.keep() line 1" in caught.value.hint
