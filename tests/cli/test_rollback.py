"""`sqlmigrate rollback`."""

from __future__ import annotations

import pytest

from support.command import program, terminal
from support.contents import applied, has_history, tables


@pytest.fixture
def three(project, target, sqlmigrate):
    """A database with the migrations a, b and c applied."""
    project.tables("a", "b", "c")
    assert sqlmigrate("apply").status == 0
    return target


def test_rollback_takes_back_the_last_one(three, sqlmigrate):
    outcome = sqlmigrate("rollback", "--yes")

    assert outcome.status == 0
    assert [line.split(" (")[0] for line in outcome.lines] == ["rolled back c", "1 rolled back"]
    assert tables(three) == applied(three) == ["a", "b"]


@pytest.mark.parametrize(("options", "left"), [(("--steps", "2"), ["a"]), (("--to", "a"), ["a"]), (("--all",), [])])
def test_rollback_goes_as_far_as_it_is_told(three, sqlmigrate, options, left):
    assert sqlmigrate("rollback", "--yes", *options).status == 0
    assert tables(three) == applied(three) == left


def test_rollback_goes_in_the_reverse_order_of_application(project, target, sqlmigrate):
    project.tables("b")
    sqlmigrate("apply")
    project.tables("a")
    sqlmigrate("apply", "--allow-out-of-order")

    ran = sqlmigrate("rollback", "--all", "--yes", "--json").document["migrations"]

    assert [item["migration_id"] for item in ran] == ["a", "b"]


@pytest.mark.parametrize("options", [("--all", "--steps", "1"), ("--to", "a", "--all"), ("--steps", "0")])
def test_options_that_exclude_each_other_are_wrong_usage(three, sqlmigrate, options):
    assert sqlmigrate("rollback", "--yes", *options).status == 2
    assert applied(three) == ["a", "b", "c"]


def test_to_an_id_that_is_not_applied_is_refused(three, sqlmigrate):
    outcome = sqlmigrate("rollback", "--yes", "--to", "d")

    assert outcome.status == 2
    assert "d is not applied" in outcome.stderr
    assert applied(three) == ["a", "b", "c"]


@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_without_a_terminal_rollback_wants_yes_and_changes_nothing(three, options):
    outcome = program("rollback", *options)

    assert outcome.status == 2
    assert "Roll back c in test_1?" in outcome.stderr
    assert "Nothing was changed\n  what to do: to go on, give --yes\n" in outcome.stderr
    assert tables(three) == applied(three) == ["a", "b", "c"]


def test_many_migrations_are_counted_in_the_question(project, target, sqlmigrate):
    names = [f"t{number:02}" for number in range(11)]
    project.tables(*names)
    assert sqlmigrate("apply").status == 0

    ten = program("rollback", "--steps", "10").stderr
    eleven = program("rollback", "--all").stderr

    assert f"Roll back {', '.join(names[:0:-1])} in {target.name}?" in ten
    assert f"Roll back 11 migrations in {target.name}, from t10 down to t00?" in eleven


def test_the_question_says_what_stopped_half_way(three, project, sqlmigrate):
    project.migration("d", "-- transactional: false\nSELECT 1;\nSELECT 1 / 0;\n", rollback="SELECT 1;")
    assert sqlmigrate("apply").status == 6

    assert f"Roll back d (half way), c in {three.name}?" in program("rollback", "--steps", "2").stderr


def test_a_rollback_script_that_fails_leaves_the_migration_as_it_was_and_says_so(project, target, sqlmigrate):
    project.migration("a", "CREATE TABLE a ();", rollback="DROP TABLE a;\nDROP TABLE nothing;\n")
    assert sqlmigrate("apply").status == 0

    outcome = sqlmigrate("rollback", "--yes")

    assert outcome.status == 1
    assert 'a.rollback.sql:2:1: table "nothing" does not exist' in outcome.stderr
    assert "nothing of this rollback is in the database; a is as it was before" in outcome.stderr
    assert "a was rolled back" not in outcome.stderr
    assert tables(target) == applied(target) == ["a"]


def test_a_rollback_that_got_no_lock_is_not_called_done(three, sqlmigrate):
    with three.connect() as other:
        other.autocommit = False
        other.execute("LOCK TABLE c")

        outcome = sqlmigrate("rollback", "--accept-loss", "--lock-timeout", "20ms", "--lock-budget", "1ms")

    assert outcome.status == 5
    assert "nothing of this rollback is in the database; c is as it was before" in outcome.stderr
    assert applied(three) == ["a", "b", "c"]


def test_a_refusal_before_the_question_names_the_database_too(three, project, sqlmigrate):
    (project.directory / "c.rollback.sql").unlink()

    outcome = sqlmigrate("rollback", "--yes")

    assert outcome.status == 1
    assert outcome.stderr.startswith(f"database {three.name} on ")
    assert "(named by variable DATABASE_URL)\nerror: nothing was rolled back\n" in outcome.stderr


def test_the_refusal_is_json_too(three, sqlmigrate):
    outcome = sqlmigrate("rollback", "--json")

    assert outcome.document["error"]["type"] == "ConfirmationRequired"
    assert outcome.status == outcome.document["error"]["exit_status"] == 2


def test_in_a_terminal_yes_rolls_back(three):
    with terminal("rollback", "--steps", "2") as screen:
        screen.wait_for(f"Roll back c, b in {three.name}? [y/N]:")
        screen.enter("y")

        assert screen.end() == 0
    assert screen.shown.index(f"database {three.name} on") < screen.shown.index("Roll back")
    assert applied(three) == ["a"]


@pytest.mark.parametrize("answer", ["n", ""])
def test_in_a_terminal_no_changes_nothing(three, answer):
    with terminal("rollback") as screen:
        screen.wait_for("[y/N]:")
        screen.enter(answer)

        assert screen.end() == 2
    assert "not confirmed; nothing was changed" in screen.shown
    assert applied(three) == ["a", "b", "c"]


def test_a_protected_environment_is_not_content_with_yes(project, three, sqlmigrate):
    project.config("[env.live]\nprotected = true\n")

    refused = sqlmigrate("rollback", "--env", "live", "--yes")

    assert refused.status == 2
    assert applied(three) == ["a", "b", "c"]
    assert sqlmigrate("rollback", "--env", "live", "--yes-i-mean", three.name).status == 0
    assert applied(three) == ["a", "b"]


def test_a_protected_environment_asks_one_question_only(project, three):
    project.config("[env.live]\nprotected = true\n")

    with terminal("rollback", "--env", "live") as screen:
        screen.wait_for("type the database's name: ")
        screen.enter(three.name)

        assert screen.end() == 0
    assert applied(three) == ["a", "b"]


def test_a_wrong_name_is_refused_where_nothing_is_protected_too(three, sqlmigrate):
    outcome = sqlmigrate("rollback", "--yes", "--yes-i-mean", "another")

    assert outcome.status == 2
    assert "'another' is not the name of this database" in outcome.stderr
    assert applied(three) == ["a", "b", "c"]


def test_a_migration_without_rollback_script_is_refused_before_anything_runs(project, target, sqlmigrate):
    project.migration("a", "CREATE TABLE a ();")
    project.tables("b")
    sqlmigrate("apply")

    outcome = sqlmigrate("rollback", "--all", "--yes")

    assert outcome.status == 1
    assert "a.rollback.sql: this rollback script does not exist" in outcome.stderr
    assert tables(target) == ["a", "b"]


def test_a_migration_that_an_applied_one_depends_on_is_refused(project, target, sqlmigrate):
    project.tables("b")
    project.migration("a", "-- depends: b\nCREATE TABLE a ();", rollback="DROP TABLE a;")
    sqlmigrate("mark", "a")
    sqlmigrate("apply", "--allow-out-of-order")

    outcome = sqlmigrate("rollback", "--yes")

    assert outcome.status == 1
    assert "a is applied and depends on b" in outcome.stderr
    assert tables(target) == ["b"]


def test_files_that_are_gone_are_refused(project, three, sqlmigrate):
    for path in project.directory.glob("c*"):
        path.unlink()

    outcome = sqlmigrate("rollback", "--yes")

    assert outcome.status == 1
    assert "c: its files are missing" in outcome.stderr
    assert tables(three) == ["a", "b", "c"]


def test_a_failing_rollback_leaves_everything_as_it_was(project, target, sqlmigrate):
    project.migration("a", "CREATE TABLE a ();", rollback="DROP TABLE a;\nDROP TABLE b;\n")
    sqlmigrate("apply")

    outcome = sqlmigrate("rollback", "--yes")

    assert outcome.status == 1
    assert 'a.rollback.sql:2:1: table "b" does not exist' in outcome.stderr
    assert tables(target) == applied(target) == ["a"]


def test_an_edited_rollback_script_is_refused_and_the_recorded_one_can_be_run(project, three, sqlmigrate):
    (project.directory / "c.rollback.sql").write_text("DROP TABLE a;")

    refused = sqlmigrate("rollback", "--yes")

    assert refused.status == 1
    assert "--recorded" in refused.stderr
    assert tables(three) == ["a", "b", "c"]
    assert sqlmigrate("rollback", "--yes", "--recorded").status == 0
    assert tables(three) == ["a", "b"]


def test_a_dry_run_says_in_order_what_would_be_rolled_back_and_changes_nothing(three, sqlmigrate, project):
    outcome = sqlmigrate("rollback", "--to", "a", "--dry-run")

    assert outcome.status == 0
    files = {name: project.directory / f"{name}.rollback.sql" for name in "bc"}
    assert outcome.lines == [
        f"would roll back c ({files['c']})",
        f"would roll back b ({files['b']})",
        "2 would be rolled back; nothing was run",
    ]
    document = sqlmigrate("rollback", "--dry-run", "--json").document
    assert (document["dry_run"], [step["migration_id"] for step in document["migrations"]]) == (True, ["c"])
    assert tables(three) == applied(three) == ["a", "b", "c"]


def test_a_dry_run_says_where_it_stops_and_that_there_is_nothing(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("mark", "a")

    outcome = sqlmigrate("rollback", "--all", "--dry-run")

    assert (outcome.status, outcome.stdout) == (0, "nothing to roll back\n")
    assert "stops above a, which was marked" in outcome.stderr


def test_nothing_to_roll_back_asks_nothing(project, target, sqlmigrate):
    outcome = sqlmigrate("rollback")

    assert (outcome.status, outcome.stdout) == (0, "nothing to roll back\n")
    assert not has_history(target)


def test_apply_again_after_rollback_gives_the_same(three, sqlmigrate):
    before = three.dump("--schema=public")
    sqlmigrate("rollback", "--all", "--yes")

    assert sqlmigrate("apply").status == 0
    assert three.dump("--schema=public") == before
