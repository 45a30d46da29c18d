"""`sqlmigrate apply`."""

from __future__ import annotations

import pytest

from sqlmigrate.runlock import lock_key
from support.command import terminal
from support.contents import applied, has_history, tables


def test_apply_runs_what_is_pending_in_order(project, target, sqlmigrate):
    project.tables("b", "a")

    outcome = sqlmigrate("apply")

    assert outcome.status == 0
    assert [line.split(" (")[0] for line in outcome.lines] == ["applied a", "applied b", "2 applied"]
    assert tables(target) == ["a", "b"]


@pytest.mark.parametrize("durable", ["each", "end"])
def test_nothing_is_said_to_be_applied_before_it_is_durable(project, target, sqlmigrate, monkeypatch, durable):
    monkeypatch.setenv("PGOPTIONS", "-c synchronous_commit=on")  # the server under test does not wait
    project.tables("a", "b")

    outcome = sqlmigrate("apply", "--verbose", "--durable", durable)

    assert [line.split(" (")[0] for line in outcome.lines] == ["applied a", "applied b", "2 applied"]
    assert ("committed a" in outcome.stderr) is (durable == "end")


def test_apply_has_nothing_to_do_the_second_time(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("apply")

    outcome = sqlmigrate("apply")

    assert (outcome.status, outcome.stdout) == (0, "nothing to apply: no migration is pending\n")


@pytest.mark.parametrize("options", [(), ("--quiet",), ("--json",)])
def test_the_database_is_named_on_stderr_before_anything_else(project, target, sqlmigrate, options):
    project.tables("a")

    first = sqlmigrate("apply", *options).stderr.splitlines()[0]

    assert first.startswith(f"database {target.name} on socket ")
    assert f" as migrator, PostgreSQL {target.server.major}" in first
    assert first.endswith("(named by variable DATABASE_URL)")


def test_the_database_is_named_even_where_the_script_fails(project, target, sqlmigrate):
    project.migration("a", "SELECT nothing")

    outcome = sqlmigrate("apply", "--quiet")

    assert outcome.stderr.index(f"database {target.name} on") < outcome.stderr.index("error:")


def test_to_applies_up_to_and_with_an_id(project, target, sqlmigrate):
    project.tables("a", "b", "c")

    assert sqlmigrate("apply", "--to", "b").status == 0
    assert tables(target) == ["a", "b"]


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_to_an_id_that_is_applied_says_what_is_pending_after_it(project, target, sqlmigrate, options):
    project.tables("a", "b", "c")
    sqlmigrate("apply", "--to", "a")

    first = sqlmigrate("apply", "--to", "a", *options).stdout
    sqlmigrate("apply", "--to", "b")
    second = sqlmigrate("apply", "--to", "a", *options).stdout
    sqlmigrate("apply")
    third = sqlmigrate("apply", "--to", "a", *options).stdout

    assert first == "nothing to apply up to a; 2 later migrations are pending\n"
    assert second == "nothing to apply up to a; 1 later migration is pending\n"
    assert third == "nothing to apply: no migration is pending\n"


def test_to_an_unknown_id_offers_a_near_one(project, target, sqlmigrate):
    project.tables("20260101_orders")

    outcome = sqlmigrate("apply", "--to", "20260101_order")

    assert outcome.status == 2
    assert "there is no migration '20260101_order'" in outcome.stderr
    assert "did you mean 20260101_orders?" in outcome.stderr
    assert not has_history(target)


def test_steps_applies_the_next_ones(project, target, sqlmigrate):
    project.tables("a", "b", "c")

    sqlmigrate("apply", "--steps", "1")
    sqlmigrate("apply", "--steps", "1")

    assert tables(target) == ["a", "b"]


def test_a_phase_ends_before_the_other_one_and_what_waits_is_said(project, target, sqlmigrate):
    project.tables("a")
    project.migration("b", "-- sqlmigrate: phase=after-deploy\nALTER TABLE a ADD COLUMN b integer;")
    project.tables("c")

    said = "b and 1 after it waits: it is after-deploy"
    assert sqlmigrate("apply", "--phase", "before-deploy", "--dry-run").lines[-1] == said
    assert sqlmigrate("plan", "--phase", "before-deploy").stderr.splitlines()[-1] == said
    assert sqlmigrate("apply", "--phase", "before-deploy").lines[-2:] == ["1 applied", said]
    assert sqlmigrate("apply", "--phase", "before-deploy").lines == ["nothing to apply in this phase", said]
    status = sqlmigrate("status")
    assert "after-deploy" in next(line for line in status.lines if line.startswith("b "))
    assert sqlmigrate("apply", "--phase", "after-deploy").lines[-1] == "c waits: it is before-deploy"
    assert sqlmigrate("apply", "--phase", "before-deploy").lines[-1] == "1 applied"


def test_an_unknown_phase_is_refused_with_its_line(project, target, sqlmigrate):
    project.migration("a", "-- sqlmigrate: phase=later\nSELECT 1;")

    outcome = sqlmigrate("apply")

    assert outcome.status == 1
    assert "a.sql:1:16: phase is before-deploy or after-deploy, not 'later'" in outcome.stderr


@pytest.mark.parametrize("options", [("--to", "a", "--steps", "1"), ("--steps", "0"), ("--steps", "many")])
def test_a_choice_that_makes_no_sense_is_wrong_usage(project, target, sqlmigrate, options):
    project.tables("a")

    assert sqlmigrate("apply", *options).status == 2
    assert tables(target) == []


def test_dry_run_lists_the_scripts_and_changes_nothing(project, target, sqlmigrate):
    project.tables("a", "b")

    outcome = sqlmigrate("apply", "--dry-run", "--to", "a")

    assert outcome.status == 0
    assert outcome.lines[0].startswith("would apply a (")
    assert outcome.lines[-1] == "1 would be applied; nothing was run"
    assert f"database {target.name} on" in outcome.stderr
    assert tables(target) == []
    assert not has_history(target)


def test_dry_run_finds_what_apply_would_refuse(project, target, sqlmigrate):
    project.migration("a", "COMMIT;")

    outcome = sqlmigrate("apply", "--dry-run")

    assert outcome.status == 1
    assert "a.sql:1:1: COMMIT" in outcome.stderr


def test_dry_run_as_json(project, target, sqlmigrate):
    path = project.migration("a").script

    outcome = sqlmigrate("apply", "--dry-run", "--json")

    document = outcome.document
    assert (document["version"], document["command"], document["dry_run"]) == (1, "apply", True)
    assert [(item["migration_id"], item["file"]) for item in document["migrations"]] == [("a", str(path))]


def test_json_is_all_of_stdout_even_with_notices(project, target, sqlmigrate):
    project.migration("a", "DO $$ BEGIN RAISE NOTICE 'hello'; END $$;")

    outcome = sqlmigrate("apply", "--json")

    assert outcome.document["version"] == 1
    assert outcome.document["command"] == "apply"
    assert [item["migration_id"] for item in outcome.document["migrations"]] == ["a"]
    assert "NOTICE: hello (a.sql:1)" in outcome.stderr


def test_notices_are_shown_without_verbose_and_not_when_quiet(project, target, sqlmigrate):
    project.migration("a", "DO $$ BEGIN FOR i IN 1..22 LOOP RAISE NOTICE 'number %', i; END LOOP; END $$;")
    project.migration("b", "DO $$ BEGIN RAISE NOTICE 'hello'; END $$;")

    loud = sqlmigrate("apply", "--to", "a").stderr
    quiet = sqlmigrate("apply", "--quiet").stderr

    assert "number 20 " in loud
    assert "number 21 " not in loud
    assert "... and 2 more notices" in loud
    assert "hello" not in quiet


def test_a_failing_statement_is_shown_with_its_place_and_leaves_nothing(project, target, sqlmigrate):
    project.tables("a")
    project.migration("b", "CREATE TABLE b (id int);\nINSERT INTO b VALUES (1),\n  ('ü', no_such_column);\n")

    outcome = sqlmigrate("apply")

    assert outcome.status == 1
    assert 'b.sql:3:9: column "no_such_column" does not exist' in outcome.stderr
    line, caret = outcome.stderr.splitlines()[-4:-2]
    assert line == "  3 |   ('ü', no_such_column);"
    assert caret.index("^") == line.index("no_such_column")
    assert 'ERROR 42703: column "no_such_column" does not exist' in outcome.stderr
    assert "b was rolled back; nothing of this run of it is in the database" in outcome.stderr
    assert tables(target) == ["a"]
    assert applied(target) == ["a"]


def test_a_failing_statement_as_json(project, target, sqlmigrate):
    project.tables("a")
    path = project.migration("b", "SELECT 1;\nSELECT nothing;").script

    outcome = sqlmigrate("apply", "--json")

    error = outcome.document["error"]
    assert outcome.status == error["exit_status"] == 1
    assert error["place"] == {"file": str(path), "line": 2, "column": 8}
    assert (error["migration_id"], error["statement"], error["done"]) == ("b", 2, ["a"])
    assert error["server"]["sqlstate"] == "42703"


def test_every_script_is_checked_before_the_first_one_runs(project, target, sqlmigrate):
    project.tables("a")
    project.migration("b", "CREATE INDEX CONCURRENTLY i ON a ((1));")
    project.migration("c", "SELECT 1;\nCOMMIT;")

    outcome = sqlmigrate("apply")

    assert outcome.status == 1
    assert "b.sql:1:1: CREATE INDEX CONCURRENTLY: cannot run inside a transaction" in outcome.stderr
    assert "c.sql:2:1: COMMIT: a script must not end or begin the transaction" in outcome.stderr
    assert tables(target) == []


def test_an_edited_script_stops_apply(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("apply")
    project.tables("b")
    project.migration("a", "SELECT 2;")

    outcome = sqlmigrate("apply")

    assert outcome.status == 1
    assert "a.sql: was edited after it was applied" in outcome.stderr
    assert tables(target) == ["a"]


def test_a_missing_script_stops_apply(project, target, sqlmigrate):
    project.migration("a")
    sqlmigrate("apply")
    project.tables("b")
    (project.directory / "a.sql").unlink()

    outcome = sqlmigrate("apply", "--json")

    assert outcome.status == 1
    assert outcome.document["error"]["problems"][0]["message"] == "a is applied, but its script is missing"
    assert "sqlmigrate unmark a" in outcome.stderr
    assert tables(target) == []


def test_an_edited_rollback_script_only_warns(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("apply")
    project.tables("b")
    (project.directory / "a.rollback.sql").write_text("DROP TABLE a; -- edited")

    outcome = sqlmigrate("apply")

    assert outcome.status == 0
    assert "warning:" in outcome.stderr
    assert "a.rollback.sql: is not the rollback script that was recorded at apply" in outcome.stderr
    assert tables(target) == ["a", "b"]


def test_a_migration_without_rollback_script_is_applied(project, target, sqlmigrate):
    project.migration("a", "CREATE TABLE a ();")

    assert sqlmigrate("apply").status == 0
    assert tables(target) == ["a"]


def test_a_read_only_database_is_refused_before_anything_runs(project, target, sqlmigrate):
    project.tables("a")
    statement = f"ALTER DATABASE {target.name} SET default_transaction_read_only = on"
    target.connect_superuser().execute(statement)

    outcome = sqlmigrate("apply")

    assert outcome.status == 1
    assert f"database {target.name} is read only" in outcome.stderr
    assert not has_history(target)


def test_a_run_lock_that_is_held_ends_with_4_and_names_the_holder(project, target, sqlmigrate):
    project.tables("a")
    other = target.connect()
    other.execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])

    outcome = sqlmigrate("apply", "--wait-lock", "0")

    assert outcome.status == 4
    assert f"held by pid {other.info.backend_pid} (role migrator" in outcome.stderr
    assert tables(target) == []


def test_waiting_for_the_run_lock_is_shown_once(project, target, sqlmigrate):
    project.tables("a")
    target.connect().execute("SELECT pg_advisory_lock(%s)", [lock_key("sqlmigrate")])

    outcome = sqlmigrate("apply", "--wait-lock", "2s")

    assert outcome.status == 4
    assert outcome.stderr.count("waiting for the run lock, held by pid") == 1


def test_a_lock_budget_that_is_spent_ends_with_5_and_nothing_changed(project, target, sqlmigrate):
    owner = target.connect()
    owner.execute("CREATE TABLE busy ()")
    project.migration("a", "CREATE TABLE a ();\nALTER TABLE busy ADD COLUMN id int;")
    with owner.transaction():
        owner.execute("LOCK TABLE busy")

        outcome = sqlmigrate("apply", "--lock-timeout", "50ms", "--lock-budget", "2s", "--json")

    assert outcome.status == outcome.document["error"]["exit_status"] == 5
    assert "giving up in" in outcome.stderr
    assert "a.sql:2" in outcome.stderr
    assert tables(target) == ["busy"]
    assert applied(target) == []


@pytest.fixture
def protected(project, target):
    """A project whose environment `live` is protected, with one pending migration."""
    project.tables("a")
    project.config("[env.live]\nprotected = true\n")
    return target


@pytest.mark.parametrize("options", [(), ("--yes",), ("--yes-i-mean", "test"), ("--yes", "--yes-i-mean", "")])
def test_a_protected_environment_wants_the_name_of_the_database(protected, sqlmigrate, options):
    outcome = sqlmigrate("apply", "--env", "live", *options)

    assert outcome.status == 2
    assert "nothing was changed" in outcome.stderr
    assert f"database {protected.name} on" in outcome.stderr
    assert "environment live)" in outcome.stderr
    assert not has_history(protected)


def test_the_refusal_names_the_option_and_the_database(protected, sqlmigrate):
    assert f"--yes-i-mean {protected.name}" in sqlmigrate("apply", "--env", "live", "--yes").stderr


def test_the_right_name_lets_a_protected_environment_go_on(protected, sqlmigrate):
    assert sqlmigrate("apply", "--env", "live", "--yes-i-mean", protected.name).status == 0
    assert tables(protected) == ["a"]


def test_a_protected_environment_takes_the_name_typed_in_a_terminal(protected):
    with terminal("apply", "--env", "live") as screen:
        screen.wait_for("type the database's name")
        screen.enter(protected.name)

        assert screen.end() == 0
    assert tables(protected) == ["a"]


@pytest.mark.parametrize("answer", ["yes", ""])
def test_any_other_answer_in_a_terminal_changes_nothing(protected, answer):
    with terminal("apply", "--env", "live") as screen:
        screen.wait_for("type the database's name")
        screen.enter(answer)

        assert screen.end() == 2
    assert "is not the name of this database" in screen.shown
    assert not has_history(protected)


def test_a_protected_environment_is_not_asked_where_nothing_is_pending(project, protected, sqlmigrate):
    sqlmigrate("apply")

    assert sqlmigrate("apply", "--env", "live").status == 0


def test_a_dry_run_needs_no_confirmation(protected, sqlmigrate):
    assert sqlmigrate("apply", "--env", "live", "--dry-run").status == 0
