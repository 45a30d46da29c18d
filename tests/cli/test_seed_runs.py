"""`sqlmigrate seed` beside other runs and other sessions, as a role, and `apply --seed`."""

from __future__ import annotations

import json

import pytest

from sqlmigrate import runlock
from support.command import ended, started, terminal
from support.seeds import SeedFiles
from support.waiting import wait_until

MAPPING = {"list": "colours", "table": "public.colours", "conflict": ["name"]}
ROWS = "colours:\n  - {name: red}\n  - {name: blue}\n"
# the process that holds an advisory lock in this database: the run lock's session
HOLDER = """
CREATE FUNCTION holder() RETURNS integer LANGUAGE sql AS $$
    SELECT pg_catalog.max(pid)
    FROM pg_catalog.pg_locks
    WHERE locktype = 'advisory'
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
$$;
"""
TABLE = HOLDER + "CREATE TABLE colours (name text PRIMARY KEY, shade integer, holder integer DEFAULT holder());"


@pytest.fixture
def files(project):
    """One seed file of two rows."""
    (project.root / "data").mkdir()
    found = SeedFiles(project.root / "data")
    found.file("colours", MAPPING, ROWS)
    return found


@pytest.fixture
def seeded(files, target):
    """The table that the file fills."""
    target.connect().execute(TABLE)
    return target


@pytest.fixture
def migrated(files, project, target):
    """The same table, which a pending migration makes; the migration notes who holds the run lock."""
    project.migration("1_colours", f"{TABLE} CREATE TABLE noted AS SELECT public.holder() AS pid;", rollback="SELECT 1")
    return target


def names(database):
    return [name for (name,) in database.connect().execute("SELECT name FROM colours ORDER BY name").fetchall()]


def events(path, name):
    lines = path.read_text().split("\n")[:-1] if path.exists() else []  # the last one may still be written
    return [event for line in lines if (event := json.loads(line))["event"] == name]


def test_seeding_waits_for_a_run_of_migrations_and_migrations_for_seeding(seeded, sqlmigrate):
    with runlock.held(seeded.conninfo, "sqlmigrate", wait=0):
        outcome = sqlmigrate("seed", "--wait-lock", "0")

    assert outcome.status == 4
    assert "another run holds the run lock of this database" in outcome.stderr
    assert names(seeded) == []
    assert sqlmigrate("seed").status == 0
    assert None not in [pid for (pid,) in seeded.connect().execute("SELECT holder FROM colours")]


def test_seeding_stops_where_the_session_with_the_run_lock_is_lost(files, target, sqlmigrate):
    target.connect().execute(f"""{HOLDER}
        CREATE FUNCTION ends() RETURNS boolean LANGUAGE sql AS 'SELECT pg_terminate_backend(public.holder(), 60000)';
        CREATE TABLE colours (name text PRIMARY KEY, lost boolean DEFAULT ends())""")

    outcome = sqlmigrate("seed")

    assert outcome.status == 1
    assert "the session that held the run lock was lost" in outcome.stderr
    assert names(target) == []


def test_seeds_are_no_migration_that_runs(seeded, project, sqlmigrate, tmp_path):
    project.migration("seed", "CREATE TABLE other ()", rollback="DROP TABLE other")
    path = tmp_path / "events.jsonl"
    with seeded.connect(autocommit=False) as other:
        other.execute("LOCK TABLE colours")
        with started("seed", "--lock-timeout", "60s", "--events", path):
            wait_until(lambda: events(path, "blocked"), timeout=60)
            [migration] = sqlmigrate("status", "--json").document["migrations"]

    assert (migration["migration_id"], migration["state"]) == ("seed", "pending")


def test_a_lock_that_is_not_granted_in_time_is_tried_for_again(seeded, tmp_path):
    path = tmp_path / "events.jsonl"
    with seeded.connect(autocommit=False) as other:
        other.execute("LOCK TABLE colours")
        pid = other.info.backend_pid
        with started("seed", "--json", "--lock-timeout", "200ms", "--events", path) as process:
            found = wait_until(lambda: [one for one in events(path, "lock_retry") if one["blockers"]], timeout=60)
            other.rollback()
            outcome = ended(process)

    assert outcome.status == 0, outcome
    assert outcome.document["written"] == 2
    retry = found[0]
    assert retry["migration_id"] is None
    assert retry["message"]["sqlstate"] == "55P03"
    assert retry["place"]["file"].endswith("colours.yaml")
    assert [blocker["pid"] for blocker in retry["blockers"]] == [pid]
    assert outcome.document["attempts"][0]["event"] == "lock_retry"
    assert "seed data: canceling statement due to lock timeout (attempt 1 at " in outcome.stderr


def test_when_the_lock_budget_is_used_up_nothing_is_written(seeded, sqlmigrate):
    with seeded.connect(autocommit=False) as other:
        other.execute("LOCK TABLE colours")
        outcome = sqlmigrate("seed", "--json", "--lock-timeout", "200ms", "--lock-budget", "0")

    assert outcome.status == 5
    assert outcome.document["error"]["type"] == "LockBudgetSpent"
    assert "(1 attempt; the lock budget is used up)" in outcome.document["error"]["message"]
    assert names(seeded) == []


def test_rows_are_written_and_compared_as_the_role_of_the_option_under_its_policies(seeded, sqlmigrate, new_role):
    role = new_role("NOLOGIN")
    admin = seeded.connect_superuser()
    admin.execute(f"""
        GRANT {role} TO migrator; GRANT SELECT, INSERT, UPDATE ON colours TO {role};
        INSERT INTO colours VALUES ('red', 1), ('hidden', 1);
        ALTER TABLE colours ENABLE ROW LEVEL SECURITY;
        CREATE POLICY p ON colours TO {role} USING (name <> 'hidden')""")

    told = sqlmigrate("seed", "diff", "--json", "--role", role)
    done = sqlmigrate("seed", "--json", "--role", role)

    words = "row level security: policies of public.colours hide rows from the role that seeds"
    [table] = told.document["tables"]
    assert (table["inserted"], table["unnamed"], table["hides_rows"]) == (1, 0, True)
    assert words in told.stderr
    assert done.document["tables"][0]["inserted"] == 1
    assert done.document["notes"][0].startswith(words)
    assert sqlmigrate("seed", "diff", "--json").document["tables"][0]["unnamed"] == 1  # the owner sees all

    admin.execute("DROP POLICY p ON colours; CREATE POLICY p ON colours USING (true)")

    for words in (["seed", "diff"], ["seed"]):
        outcome = sqlmigrate(*words, "--role", role)
        assert (outcome.status, "row level security" in outcome.stdout + outcome.stderr) == (0, False)
    assert names(seeded) == ["blue", "hidden", "red"]


def test_values_are_compared_as_they_are_read_when_they_are_written(files, target, sqlmigrate):
    target.connect().execute("CREATE TABLE moments (name text PRIMARY KEY, at timestamptz)")
    target.connect().execute(f"ALTER DATABASE {target.name} SET timezone TO 'Asia/Tokyo'")
    for path in files.directory.iterdir():
        path.unlink()
    files.file("moments", MAPPING | {"table": "public.moments"}, "colours: [{name: a, at: 2026-01-01 00:00}]\n")

    sqlmigrate("seed")

    assert sqlmigrate("seed", "diff", "--check").status == 0


def test_migrations_and_then_seeds_under_one_run_lock(migrated, sqlmigrate):
    outcome = sqlmigrate("apply", "--seed")

    assert outcome.status == 0, outcome
    assert outcome.lines[1:] == ["1 applied", "public.colours: 2 inserted, 0 updated, 0 unchanged"]
    [[before]] = migrated.connect().execute("SELECT pid FROM noted").fetchall()
    assert {pid for (pid,) in migrated.connect().execute("SELECT holder FROM colours")} == {before}

    again = sqlmigrate("apply", "--seed", "--json")

    assert again.document["migrations"] == []
    assert again.document["seeds"]["written"] == 0
    assert again.stderr.count("database ") == 1


def test_what_would_be_seeded_after_migrations_is_shown(migrated, sqlmigrate):
    first = sqlmigrate("apply", "--seed", "--dry-run")
    sqlmigrate("apply")
    then = sqlmigrate("apply", "--seed", "--dry-run")

    assert first.lines[-1] == "then 1 seed file; what would be written is known once these migrations are applied"
    assert then.lines[1] == "public.colours: 2 to insert, 0 to update, 0 unchanged"
    assert sqlmigrate("apply", "--seed", "--dry-run", "--json").document["seeds"]["differs"] is True
    assert names(migrated) == []


def test_seeds_that_fail_leave_the_migrations_before_them(files, migrated, sqlmigrate):
    files.yaml("colours", "colours: [{name: red, shade: much}]\n")

    outcome = sqlmigrate("apply", "--seed", "--json")

    assert outcome.status == 1
    assert outcome.document["error"]["type"] == "SeedError"
    assert outcome.document["error"]["done"] == ["1_colours"]
    assert names(migrated) == []


def test_seed_files_that_are_wrong_are_found_before_any_migration(files, migrated, sqlmigrate):
    files.yaml("colours", "colours: 3\n")

    assert sqlmigrate("apply", "--seed").status == 1
    assert sqlmigrate("status", "--json").document["summary"]["pending"] == 1


def test_seeds_have_no_place_in_a_single_transaction(migrated, sqlmigrate):
    outcome = sqlmigrate("apply", "--seed", "--single-transaction")

    assert outcome.status == 2
    assert "a transaction of its own" in outcome.stderr


def test_a_protected_environment_is_asked_once_for_migrations_and_seeds(project, migrated, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")

    with terminal("apply", "--seed", "--env", "live") as screen:
        screen.wait_for("type the database's name")
        screen.enter(migrated.name)
        assert screen.end() == 0

    assert "and then write 1 seed file?" in " ".join(screen.shown.split())
    assert names(migrated) == ["blue", "red"]
    migrated.connect().execute("DELETE FROM colours")
    assert sqlmigrate("apply", "--seed", "--env", "live").status == 2
    assert names(migrated) == []
