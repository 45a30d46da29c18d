"""What goes wrong in a fleet: each target stands where its history says, the report names it, and resume finishes."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from psycopg import sql

from sqlmigrate.fleet import bringing
from support.command import ended, started, terminal
from support.waiting import LONG, wait_until

DATABASES = ("one", "two", "three", "four")


SETTINGS = 'targets = "tenants.csv"\nlock_timeout = "300ms"\nlock_budget = "1s"\nwait_lock = "1min"\n'
ASLEEP = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


@pytest.fixture
def fleet(project, database_factory, monkeypatch, tmp_path_factory):
    """A project with four databases as its targets, which have the first migration."""
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    (project.root.parent / ".git").mkdir()  # no configuration is looked for above it
    monkeypatch.chdir(project.root)
    found = {name: database_factory() for name in DATABASES}
    lines = [f"{name},{database.url}" for name, database in found.items()]
    (project.root / "tenants.csv").write_text("\n".join(["name,url", *lines, ""]))
    configure(project)
    project.tables("1_a")
    return found


def configure(project, more=""):
    (project.root / "sqlmigrate.toml").write_text(SETTINGS + more)


@pytest.fixture
def slow(fleet, project):
    """The same with a second migration that takes its time in `two`; gives a session that watches it there."""
    project.migration(
        "2_b", f"CREATE TABLE b ();\nSELECT pg_sleep(600) WHERE current_database() = '{fleet['two'].name}';\n",
        rollback="DROP TABLE b;\n",
    )  # fmt: skip
    return fleet["two"].connect_superuser()


@pytest.fixture
def control(project, database_factory, admin):
    """A control database; gives a function that lets sessions in, or keeps all out."""
    database = database_factory()
    configure(project, f'control_database_url = "{database.url}"\n')

    def let_in(*, everybody):
        name = sql.Identifier(database.name)
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(name, sql.Literal(everybody)))
        if not everybody:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = %s", [database.name]
            )

    yield let_in
    let_in(everybody=True)


@pytest.fixture
def begun(fleet, sqlmigrate, project):
    """The same, behind the first run, with a second migration that locks the table of the first."""
    assert sqlmigrate("fleet", "apply").status == 0
    project.migration("2_b", 'ALTER TABLE "1_a" ADD b int;\n', rollback='ALTER TABLE "1_a" DROP b;\n')
    return fleet


def has_b(database):
    with database.connect() as session:
        query = "SELECT count(*) FROM pg_attribute WHERE attrelid = '\"1_a\"'::regclass AND attname = 'b'"
        return session.execute(query).fetchone() == (1,)


def states(outcome):
    return {entry["target"]: entry["state"] for entry in outcome.document["targets"]}


def test_a_target_that_others_block_is_deferred_with_who_is_in_the_way_and_resume_finishes(begun, sqlmigrate):
    with begun["two"].holding('LOCK TABLE "1_a"') as session:
        outcome = sqlmigrate("fleet", "apply", "--json")
        pid = session.info.backend_pid
        session.rollback()

    assert outcome.status == 1
    assert states(outcome) == {"one": "done", "two": "failed", "three": "done", "four": "done"}
    [blocked] = [entry for entry in outcome.document["targets"] if entry["state"] == "failed"]
    assert blocked["attempt"] == 2
    assert f"pid {pid}" in f"{blocked['blocker']} {blocked['failure']['message']}"
    assert "two: deferred" in outcome.stderr
    assert [has_b(database) for database in begun.values()] == [True, False, True, True]

    resumed = sqlmigrate("fleet", "resume", "last", "--json")
    assert (resumed.status, states(resumed)) == (0, dict.fromkeys(DATABASES, "done"))
    assert has_b(begun["two"])


def test_one_that_is_free_again_at_the_end_of_its_wave_is_done(begun, sqlmigrate, monkeypatch):
    monkeypatch.setattr(bringing, "SHORT", 500)
    session = begun["one"].holding('LOCK TABLE "1_a"')

    def free():
        wait_until(lambda: has_b(begun["four"]), timeout=LONG)
        session.rollback()

    with ThreadPoolExecutor() as pool:
        freed = pool.submit(free)
        outcome = sqlmigrate("fleet", "apply", "--concurrency", "1", "--lock-budget", "5min", "--wait-lock", "5min")
        freed.result()

    assert outcome.status == 0, outcome
    assert "one: deferred" in outcome.stderr
    assert all(map(has_b, begun.values()))


def limited(database, connections):
    with database.connect_superuser() as session:
        session.execute(
            sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(sql.Identifier(database.name), connections)
        )


def test_a_target_without_room_for_a_connection_or_that_is_gone_is_named_and_resume_finishes(
    begun, sqlmigrate, project
):
    limited(begun["three"], 0)
    targets = project.root / "tenants.csv"
    text = targets.read_text()
    targets.write_text(text.replace(begun["four"].url, begun["four"].url.replace(begun["four"].name, "gone")))

    outcome = sqlmigrate("fleet", "apply", "--json")

    assert outcome.status == 1
    assert states(outcome) == {"one": "done", "two": "done", "three": "failed", "four": "failed"}
    said = {group["targets"][0]: group["message"] for group in outcome.document["failures"]}
    assert "too many connections for database" in said["three"]
    assert 'database "gone" does not exist' in said["four"]

    limited(begun["three"], -1)
    targets.write_text(text)
    resumed = sqlmigrate("fleet", "resume", "last", "--json")
    assert (resumed.status, states(resumed)) == (0, dict.fromkeys(DATABASES, "done"))
    assert all(map(has_b, begun.values()))


def tables_b(fleet):
    found = []
    for name, database in fleet.items():
        with database.connect() as session:
            if session.execute("SELECT to_regclass('b') IS NOT NULL").fetchone() == (True,):
                found.append(name)
    return found


def test_a_target_that_is_slow_and_then_lost_holds_up_no_other_one(fleet, slow, project, sqlmigrate):
    with started("fleet", "apply", "--json") as process:
        ((pid,),) = wait_until(lambda: slow.execute(ASLEEP).fetchall())
        wait_until(lambda: tables_b(fleet) == ["one", "three", "four"])
        slow.execute("SELECT pg_terminate_backend(%s, 60000)", [pid])
        outcome = ended(process)

    assert outcome.status == 1
    assert states(outcome) == {"one": "done", "two": "failed", "three": "done", "four": "done"}
    [lost] = [entry for entry in outcome.document["targets"] if entry["state"] == "failed"]
    assert lost["migrations"] == ["1_a"]
    project.migration("2_b", "CREATE TABLE b ();\n", rollback="DROP TABLE b;\n")
    assert sqlmigrate("fleet", "resume", "last", "--json").document["counts"] == {"done": 4}


def test_a_control_database_that_is_lost_stops_no_run_and_hears_of_it_later(fleet, control, slow, project, sqlmigrate):
    with started("fleet", "apply", "--json") as process:
        ((pid,),) = wait_until(lambda: slow.execute(ASLEEP).fetchall())
        control(everybody=False)
        slow.execute("SELECT pg_cancel_backend(%s)", [pid])
        outcome = ended(process)

    assert (outcome.status, outcome.document["counts"]) == (1, {"done": 3, "failed": 1})
    assert "not all of this run was written down: the control database takes nothing more of this run" in outcome.stderr
    refused = sqlmigrate("fleet", "resume", "last")
    assert refused.status == 1
    assert "nothing was done" in refused.stderr or "cannot connect" in refused.stderr
    report = sqlmigrate("fleet", "report", "last", "--json")
    assert (report.document["counts"], report.document["targets"][1]["state"]) == ({"done": 3, "failed": 1}, "failed")
    assert "this is what the files of this machine know" in report.stderr

    control(everybody=True)
    project.migration("2_b", "CREATE TABLE b ();\n", rollback="DROP TABLE b;\n")
    assert sqlmigrate("fleet", "resume", "last", "--json").document["counts"] == {"done": 4}
    there = sqlmigrate("fleet", "runs", "--json").document["runs"]
    assert [run["counts"] for run in there] == [{"done": 4}]


def test_what_a_killed_coordinator_has_not_written_down_is_taken_back_all_the_same(
    fleet, control, slow, sqlmigrate, monkeypatch, tmp_path_factory
):
    with started("fleet", "apply", "--json") as process:
        wait_until(lambda: slow.execute(ASLEEP).fetchall())
        wait_until(lambda: tables_b(fleet) == ["one", "three", "four"])
        process.send_signal(signal.SIGKILL)
        ended(process)
    wait_until(lambda: not slow.execute(ASLEEP).fetchall())
    monkeypatch.setenv("SQLMIGRATE_STATE_DIR", str(tmp_path_factory.mktemp("another machine")))
    assert sqlmigrate("fleet", "runs", "--json").document["runs"][0]["ended"] is None

    back = sqlmigrate("fleet", "rollback", "last", "--yes", "--json")

    done = {entry["target"]: entry["migrations"] for entry in back.document["targets"]}
    assert back.status == 0, back
    assert done == {name: ["1_a"] if name == "two" else ["2_b", "1_a"] for name in DATABASES}
    assert tables_b(fleet) == []


def test_two_coordinators_over_the_same_targets_do_each_migration_once(begun, sqlmigrate):
    with started("fleet", "apply", "--json") as one, started("fleet", "apply", "--json") as other:
        outcomes = [ended(one), ended(other)]

    done = [entry for outcome in outcomes for entry in outcome.document["targets"] if entry["state"] == "done"]
    assert sorted(entry["target"] for entry in done) == sorted(DATABASES)
    assert all(map(has_b, begun.values()))
    for database in begun.values():
        with database.connect() as session:
            assert session.execute("SELECT count(*) FROM sqlmigrate.log").fetchone() == (2,)


def test_behind_the_deadline_no_target_is_opened(begun, sqlmigrate):
    outcome = sqlmigrate("fleet", "apply", "--deadline", "0", "--json")

    assert outcome.status == 1
    assert (outcome.document["stopped"], outcome.document["counts"]) == ("the deadline has passed", {"left": 4})


def test_a_wave_is_begun_when_somebody_types_so(begun):
    with terminal("fleet", "apply", "--wave", "1", "--wave", "2", "--wave", "rest", "--approve") as screen:
        screen.wait_for("Go on with wave 2 (2 targets)? Type continue")
        screen.enter("continue")
        screen.wait_for("Go on with wave rest")
        screen.enter("no")
        assert screen.end() == 2

    assert [has_b(database) for database in begun.values()] == [True, True, True, False]
