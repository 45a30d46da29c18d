"""The one task of a fleet: bring a target to a state under a run id, as often as anybody asks for it."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from sqlmigrate.engine import Options
from sqlmigrate.fleet.model import Verdict, Wanted
from sqlmigrate.fleet.order import Order
from sqlmigrate.migrations import migration_hash
from sqlmigrate.runlock.lock import lock_key
from support.fleets import OTHER, RUN

TENANTS = ("acme", "Bolt GmbH", 'quo"te')


def tables(conn):
    found = conn.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE tablename IN ('a', 'b', 'c') ORDER BY 1, 2"
    ).fetchall()
    return [".".join(row) for row in found]


def test_an_order_that_is_carried_out_twice_does_it_once_and_says_the_same(fleet, database, conn):
    fleet.add("main", database)
    fleet.tables("a", "b", "c")

    first = fleet.bring("main", to="b")
    again = fleet.bring("main", to="b")

    assert (first.verdict, first.migrations) == (again.verdict, again.migrations) == (Verdict.DONE, ("a", "b"))
    assert fleet.bring("main", OTHER, to="b").verdict is Verdict.UNCHANGED
    assert fleet.bring("main", OTHER).migrations == ("c",)
    assert fleet.bring("main").migrations == ("a", "b")
    runs = conn.execute("SELECT DISTINCT run_id::text FROM sqlmigrate.log ORDER BY 1").fetchall()
    assert runs == [(RUN.run_id,), (OTHER.run_id,)]


def test_a_rollback_takes_back_what_one_run_has_done_and_says_so_as_often_as_it_is_asked(fleet, database, conn):
    fleet.add("main", database)
    fleet.tables("a", "b", "c")
    fleet.bring("main", OTHER, to="a")
    fleet.bring("main", RUN)
    back = {"operation": "rollback", "of_run": RUN.run_id}
    third = type(RUN)("00000000-0000-4000-8000-00000000000c")

    first, again = fleet.bring("main", third, **back), fleet.bring("main", third, **back)

    assert (first.verdict, first.migrations) == (again.verdict, again.migrations) == (Verdict.DONE, ("c", "b"))
    assert tables(conn) == ["public.a"]
    assert fleet.bring("main", OTHER, operation="rollback", of_run=third.run_id).verdict is Verdict.UNCHANGED


def test_tenants_of_one_database_never_mistake_each_others_history(fleet, database, conn):
    fleet.tenants(database, *TENANTS)
    fleet.add("all of it", database)
    fleet.tables("a", "b")

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(fleet.bring, TENANTS))
    assert [item.verdict for item in outcomes] == [Verdict.DONE] * 3
    assert all(item.migrations == ("a", "b") for item in outcomes)
    assert tables(conn) == sorted(f"{name}.{table}" for name in TENANTS for table in "ab")

    assert fleet.bring("acme", OTHER, operation="rollback", of_run=RUN.run_id).migrations == ("b", "a")
    assert fleet.bring("all of it", to="a").migrations == ("a",)

    left = [name for name in TENANTS if name != "acme"]
    assert tables(conn) == sorted(["public.a", *(f"{name}.{table}" for name in left for table in "ab")])
    assert [fleet.bring(name, OTHER).verdict for name in left] == [Verdict.UNCHANGED] * 2
    assert fleet.bring("acme", OTHER).migrations == ("a", "b")


def test_what_another_tool_has_done_in_one_tenant_is_no_reason_for_another_one(fleet, database, conn):
    fleet.tenants(database, "acme", "bolt")
    fleet.tables("a")
    columns = "migration_hash varchar(64), migration_id varchar(255), applied_at_utc timestamp"
    conn.execute(f"CREATE TABLE acme._yoyo_migration ({columns})")
    conn.execute("INSERT INTO acme._yoyo_migration VALUES (%s, 'a', now())", [migration_hash("a")])

    assert fleet.bring("bolt").migrations == ("a",)
    outcome = fleet.bring("acme")

    assert outcome.failure.kind == "HistoryError"
    assert "a is applied, says acme._yoyo_migration" in outcome.failure.message


def test_a_tenant_finds_what_the_project_names_behind_its_schema_and_nothing_else(fleet, database, conn):
    conn.execute("CREATE TABLE public.a (); CREATE DOMAIN public.shared AS text")
    fleet.tenants(database, "acme")
    fleet.migration("x", "ALTER TABLE a ADD y int;\n", rollback="SELECT 1;\n")

    assert fleet.bring("acme").failure.sqlstate == "42P01"
    conn.execute("CREATE TABLE acme.a ()")
    fleet.migration("y", "ALTER TABLE a ADD z shared;\n", rollback="SELECT 1;\n")
    fleet.options["search_path"] = "public"

    assert fleet.bring("acme").migrations == ("x", "y")
    columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
    assert [conn.execute(columns, [f"{name}.a"]).fetchone()[0] for name in ("public", "acme")] == [0, 2]


def test_what_stays_of_a_target_that_failed_is_told_by_its_history(fleet, database, conn):
    fleet.add("main", database)
    fleet.tables("a")
    fleet.migration("b", "SELECT 1;\nSELECT 1 / 0;\n", rollback="SELECT 1;\n")

    outcome = fleet.bring("main")

    assert (outcome.verdict, outcome.migrations) == (Verdict.FAILED, ("a",))
    failure = outcome.failure
    assert (failure.kind, failure.migration_id, failure.sqlstate) == ("ExecutionError", "b", "22012")
    assert "b.sql:2" in failure.place
    assert fleet.bring("main", OTHER).failure.fingerprint == failure.fingerprint
    assert tables(conn) == ["public.a"]


def test_a_target_that_cannot_be_reached_fails_and_no_password_is_told(fleet, database):
    fleet.add("main", database)
    target = fleet.targets["main"]
    fleet.targets["main"] = type(target)("main", url=f"{target.url}&password=geheim1".replace(database.name, "missing"))
    fleet.tables("a")

    outcome = fleet.bring("main")

    assert (outcome.verdict, outcome.failure.kind) == (Verdict.BLOCKED, "ConnectionFailed")
    assert "missing" in outcome.failure.message
    assert "geheim" not in repr(outcome)
    order = Order("main", Wanted(), RUN, Options())
    assert pickle.loads(pickle.dumps(order)) == order
    assert b"geheim" not in pickle.dumps(outcome) + pickle.dumps(order)


def test_one_that_is_blocked_is_told_with_who_is_in_the_way(fleet, database):
    fleet.add("main", database)
    fleet.options |= {"lock_budget": 1, "lock_timeout": 300, "wait_lock": 0}
    fleet.migration("a", "CREATE TABLE a ();\n", rollback="DROP TABLE a;\n")
    fleet.bring("main")
    fleet.migration("b", "ALTER TABLE a ADD x int;\n", rollback="SELECT 1;\n")

    with database.holding("LOCK TABLE a") as session:
        outcome = fleet.bring("main")
        assert (outcome.verdict, outcome.failure.kind) == (Verdict.BLOCKED, "LockBudgetSpent")
        assert outcome.blocker is None or f"pid {session.info.backend_pid}" in outcome.blocker
        assert outcome.migrations == ("a",)
        session.rollback()

    assert fleet.bring("main", patient=True).migrations == ("a", "b")


def test_another_run_that_holds_the_run_lock_is_named(fleet, database):
    fleet.add("main", database)
    fleet.options["wait_lock"] = 0
    fleet.tables("a")
    other = database.connect(application_name="another run")
    other.execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])

    outcome = fleet.bring("main")

    assert (outcome.verdict, outcome.failure.kind) == (Verdict.BLOCKED, "RunLockBusy")
    assert f"pid {other.info.backend_pid}" in outcome.failure.message


def test_nothing_is_lost_that_nobody_has_accepted(fleet, database, conn):
    fleet.add("main", database)
    fleet.tables("a")
    fleet.bring("main")
    conn.execute("ALTER TABLE a ADD x int; INSERT INTO a VALUES (1)")
    back = {"operation": "rollback", "of_run": RUN.run_id}

    outcome = fleet.bring("main", OTHER, **back)

    assert (outcome.verdict, outcome.failure.kind) == (Verdict.FAILED, "LossNotAccepted")
    assert outcome.failure.message.startswith("data would be lost: table public.a")
    assert fleet.bring("main", OTHER, accept_loss=True, **back).migrations == ("a",)


def test_a_protected_environment_keeps_its_data_and_a_proof_may_be_asked_for(fleet, database, conn):
    fleet.add("main", database)
    fleet.tables("a")
    fleet.bring("main")
    conn.execute("ALTER TABLE a ADD x int; INSERT INTO a VALUES (1)")
    fleet.migration("b", "DROP TABLE a;\n", rollback="CREATE TABLE a ();\n")

    assert fleet.bring("main", OTHER, keep_data=True).failure.kind == "LossNotAccepted"
    unproven = fleet.bring("main", OTHER, require_proof=True)
    assert unproven.failure.kind == "MigrationsError"
    assert "b.sql" in unproven.failure.message
    assert tables(conn) == ["public.a"]
    assert fleet.bring("main", OTHER).migrations == ("b",)


def test_other_files_than_those_of_the_run_do_nothing(fleet, database, conn):
    fleet.add("main", database)
    fleet.tables("a")
    workshop = fleet.workshop()
    fleet.tables("b")

    outcome = fleet.bring("main", files=workshop.files)

    assert (outcome.verdict, outcome.failure.kind) == (Verdict.FAILED, "UsageError")
    assert tables(conn) == []
    assert fleet.bring("main", workshop=workshop, files=workshop.files).migrations == ("a",)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("role", {"role": "pg_read_all_data"}),
        ("search_path", {"search_path": "pg_temp"}),
        ("history_schema", {"schema": "elsewhere"}),
        ("history_owners", {"history_owners": ("pg_read_all_data",)}),
        ("tenant", {"tenant": "public"}),
        ("versions", {"versions": {"plpgsql": "0"}}),
    ],
)
def test_an_order_does_not_say_whose_history_is_believed_and_as_whom_scripts_run(fleet, database, conn, name, options):
    fleet.add("main", database)
    fleet.tables("a")
    ours = fleet.workshop()
    fleet.options = options

    outcome = fleet.bring("main", workshop=ours)

    assert (outcome.verdict, outcome.failure.kind) == (Verdict.FAILED, "UsageError")
    assert outcome.failure.message.startswith(f"{name} here: not what the run was begun with")
    assert tables(conn) == []
    assert conn.execute("SELECT FROM pg_namespace WHERE nspname IN ('elsewhere', 'sqlmigrate')").fetchall() == []


def test_an_order_says_how_long_scripts_may_run(fleet, database, conn):
    fleet.add("main", database)
    fleet.migration("a", "CREATE TABLE a AS SELECT current_setting('statement_timeout') AS found;")
    ours = fleet.workshop()
    fleet.options = {"statement_timeout": 17_000}

    assert fleet.bring("main", workshop=ours).verdict is Verdict.DONE
    assert conn.execute("SELECT found FROM a").fetchall() == [("17s",)]


@pytest.mark.parametrize("way", ["", "-- transactional: false\n"])
def test_a_tenant_whose_schema_is_passed_over_gets_nothing_and_neither_does_the_next_schema(
    fleet, database, conn, admin, way
):
    fleet.tenants(database, "acme", "bolt")
    fleet.migration("a", f"{way}CREATE TABLE a ();\n", rollback="DROP TABLE a;\n")
    fleet.options["search_path"] = "public"
    admin.execute("ALTER SCHEMA acme OWNER TO CURRENT_USER; REVOKE ALL ON SCHEMA acme FROM migrator")

    outcome = fleet.bring("acme")

    assert (outcome.verdict, outcome.migrations) == (Verdict.FAILED, ())
    assert "find other schemas than its tenant's" in outcome.failure.message
    assert "GRANT USAGE" in outcome.failure.hint
    assert fleet.bring("bolt").migrations == ("a",)
    assert tables(conn) == ["bolt.a"]
    admin.execute("ALTER SCHEMA acme OWNER TO migrator")
    assert fleet.bring("acme").migrations == ("a",)


def test_a_tenant_that_is_dropped_while_it_is_brought_somewhere_gets_nothing_elsewhere(fleet, database, conn):
    fleet.tenants(database, "acme")
    fleet.migration("a", "CREATE TABLE a (); DROP SCHEMA acme CASCADE;\n", rollback="SELECT 1;\n")
    fleet.migration("b", "CREATE TABLE b ();\n", rollback="SELECT 1;\n")
    fleet.options["search_path"] = "public"

    outcome = fleet.bring("acme")

    assert outcome.verdict is Verdict.FAILED
    assert outcome.migrations == ("a",)
    assert tables(conn) == []
