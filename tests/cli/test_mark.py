"""`sqlmigrate mark` and `sqlmigrate unmark`: adopt a database, and forget."""

from __future__ import annotations

import pytest

from support.command import program, terminal
from support.contents import applied, has_history, tables


@pytest.fixture
def adopted(project, target, sqlmigrate):
    """A database that had `a` before us, so that it is marked; b is applied on top."""
    target.connect().execute("CREATE TABLE a ()")
    project.tables("a", "b")
    assert sqlmigrate("mark", "a").status == 0
    assert sqlmigrate("apply").status == 0
    return target


def test_mark_records_without_running(project, target, sqlmigrate):
    project.tables("a", "b")

    outcome = sqlmigrate("mark", "a")

    assert (outcome.status, outcome.stdout) == (0, "marked a\n")
    assert f"database {target.name} on" in outcome.stderr
    assert applied(target) == ["a"]
    assert tables(target) == []


def test_status_says_that_it_was_marked(adopted, sqlmigrate):
    document = sqlmigrate("status", "--json").document

    assert [(item["migration_id"], item["state"]) for item in document["migrations"]] == [
        ("a", "marked"),
        ("b", "applied"),
    ]


def test_marking_twice_changes_nothing(adopted, sqlmigrate):
    outcome = sqlmigrate("mark", "a", "b", "--json")

    assert outcome.status == 0
    assert outcome.document["marked"] == []
    assert outcome.document["already_applied"] == ["a", "b"]


def test_marking_an_unknown_id_marks_nothing(project, target, sqlmigrate):
    project.tables("a")

    outcome = sqlmigrate("mark", "a", "aa")

    assert outcome.status == 2
    assert "there is no migration 'aa'" in outcome.stderr
    assert not has_history(target)


def test_mark_and_unmark_want_an_id(project, target, sqlmigrate):
    assert sqlmigrate("mark").status == 2
    assert sqlmigrate("unmark").status == 2


def test_a_marked_migration_is_a_floor_for_all_ways_down(adopted, sqlmigrate):
    outcome = sqlmigrate("rollback", "--all", "--yes")

    assert outcome.status == 0
    assert "stops above a, which was marked, not applied" in outcome.stderr
    assert tables(adopted) == applied(adopted) == ["a"]


@pytest.mark.parametrize("options", [(), ("--steps", "1")])
def test_rollback_of_the_floor_itself_is_refused(adopted, sqlmigrate, options):
    sqlmigrate("rollback", "--yes")

    outcome = sqlmigrate("rollback", "--yes", *options)

    assert outcome.status == 1
    assert "a was marked as applied" in outcome.stderr
    assert "--include-marked a" in outcome.stderr
    assert tables(adopted) == ["a"]


def test_rollback_passes_the_floor_whose_id_is_typed(adopted, sqlmigrate):
    assert sqlmigrate("rollback", "--all", "--include-marked", "a", "--yes").status == 0
    assert tables(adopted) == applied(adopted) == []


def test_unmark_forgets_without_running(adopted, sqlmigrate):
    outcome = sqlmigrate("unmark", "b", "a", "--yes")

    assert (outcome.status, outcome.stdout) == (0, "unmarked b\nunmarked a\n")
    assert applied(adopted) == []
    assert tables(adopted) == ["a", "b"]


def test_unmarking_what_is_not_applied_changes_nothing(adopted, sqlmigrate):
    outcome = sqlmigrate("unmark", "a", "c")

    assert outcome.status == 2
    assert "c is not applied" in outcome.stderr
    assert applied(adopted) == ["a", "b"]


def test_unmark_helps_where_the_files_are_gone(project, adopted, sqlmigrate):
    for path in project.directory.glob("b*"):
        path.unlink()
    project.tables("c")  # so that b is a gap, and not of a newer release
    assert sqlmigrate("apply").status == 1

    refused = program("unmark", "b")

    assert "the next apply" not in refused.stderr
    assert sqlmigrate("unmark", "b", "--yes").status == 0
    assert sqlmigrate("apply").status == 0


def test_unmark_asks_nothing_where_a_migration_was_only_marked(adopted):
    assert program("unmark", "a").status == 0
    assert applied(adopted) == ["b"]


def test_without_a_terminal_unmark_of_what_was_really_applied_wants_yes(adopted):
    at = adopted.connect().execute("SELECT applied_at_utc FROM sqlmigrate._yoyo_migration WHERE migration_id = 'b'")

    outcome = program("unmark", "a", "b")

    assert outcome.status == 2
    assert f"b was applied here at {at.fetchone()[0]:%Y-%m-%d %H:%M:%S} UTC. Forget it? " in outcome.stderr
    assert "Its recorded scripts go too, and the next apply runs it again." in outcome.stderr
    assert "to go on, give --yes" in outcome.stderr
    assert applied(adopted) == ["a", "b"]


@pytest.mark.parametrize(("answer", "left"), [("y", ["a"]), ("", ["a", "b", "c"])])
def test_in_a_terminal_unmark_asks_for_what_was_really_applied(project, adopted, sqlmigrate, answer, left):
    project.tables("c")
    sqlmigrate("apply")

    with terminal("unmark", "b", "c") as screen:
        screen.wait_for("and the next apply runs them again. [y/N]:")
        screen.enter(answer)

        assert screen.end() == (0 if answer else 2)
    assert applied(adopted) == left


def test_unmark_is_refused_where_an_applied_migration_depends_on_what_was_really_applied(project, adopted, sqlmigrate):
    project.migration("c", "-- depends: a b\nCREATE TABLE c ();", rollback="DROP TABLE c;")
    sqlmigrate("apply")

    outcome = sqlmigrate("unmark", "b", "--yes")

    assert outcome.status == 1
    assert "error: nothing was unmarked\n" in outcome.stderr
    assert "c is applied and depends on b" in outcome.stderr
    assert applied(adopted) == ["a", "b", "c"]
    assert sqlmigrate("unmark", "b", "c", "--yes").status == 0


@pytest.mark.parametrize("command", ["mark", "accept", "seed"])
def test_commands_that_ask_in_protected_environments_only_have_no_yes(sqlmigrate, command):
    shown = sqlmigrate(command, "--help").stdout

    assert "--yes-i-mean" in shown
    assert "-y, --yes" not in shown


@pytest.mark.parametrize("command", ["mark", "unmark"])
def test_a_protected_environment_wants_the_name_of_the_database(project, adopted, sqlmigrate, command):
    project.config("[env.live]\nprotected = true\n")

    options = ["--yes"] if command == "unmark" else []
    assert sqlmigrate(command, "b", "--env", "live", *options).status == 2
    assert applied(adopted) == ["a", "b"]
    assert sqlmigrate(command, "b", "--env", "live", "--yes-i-mean", adopted.name).status == 0


def test_all_that_is_pending_is_marked_at_once(adopted, project, sqlmigrate):
    project.tables("c", "d")

    outcome = sqlmigrate("mark", "--all")

    assert (outcome.status, outcome.stdout) == (0, "marked c\nmarked d\n2 marked, 2 applied already\n")
    assert applied(adopted) == ["a", "b", "c", "d"]
    assert tables(adopted) == ["a", "b"]


def test_all_up_to_one_are_marked_and_those_after_it_are_not(project, target, sqlmigrate):
    project.tables("a", "b", "c")

    outcome = sqlmigrate("mark", "--through", "b", "--json")

    assert (outcome.status, outcome.document["marked"]) == (0, ["a", "b"])
    assert (applied(target), tables(target)) == (["a", "b"], [])


@pytest.mark.parametrize(
    "options",
    [("a", "--all"), ("--all", "--through", "a"), ("--all", "--from", "yoyo"), ("--through", "a", "--schema", "x")],
)
def test_one_way_to_name_them_is_enough(project, target, sqlmigrate, options):
    project.tables("a")

    assert sqlmigrate("mark", *options).status == 2
    assert not has_history(target)


def test_through_an_unknown_id_nothing_is_marked(project, target, sqlmigrate):
    project.tables("a")

    outcome = sqlmigrate("mark", "--through", "aa")

    assert (outcome.status, has_history(target)) == (2, False)
    assert "there is no migration 'aa'" in outcome.stderr
