"""`sqlmigrate status`."""

from __future__ import annotations

import pytest

from sqlmigrate import history
from sqlmigrate.migrations import migration_hash
from support.command import program
from support.contents import has_history
from support.formats import check_junit

LONG = "20260304_" + "a_very_long_name_that_nobody_should_have_to_guess_" * 4 + "end"


@pytest.fixture
def mixed(project, target, sqlmigrate):
    """A database with a applied and b pending."""
    project.tables("a")
    assert sqlmigrate("apply").status == 0
    project.tables("b")
    return target


def states(outcome):
    return {item["migration_id"]: item for item in outcome.document["migrations"]}


def test_status_shows_applied_and_pending(mixed, sqlmigrate):
    outcome = sqlmigrate("status")

    assert outcome.status == 0
    header, first, second, empty, summary = outcome.lines
    assert header.split() == ["migration", "state", "applied", "(UTC)", "remarks"]
    assert first.split()[:2] == ["a", "applied"]
    assert second.split() == ["b", "pending"]
    assert (empty, summary) == ("", "1 applied, 1 pending")
    assert f"database {mixed.name} on" in outcome.stderr


def test_status_as_a_report_tells_what_is_left_to_do(mixed, sqlmigrate):
    outcome = sqlmigrate("status", "--check", "--format", "junit", "--fail-on", "warning")
    (pending,) = check_junit(outcome.stdout).iter("failure")

    assert outcome.status == 3
    assert (pending.attrib["type"], pending.attrib["message"]) == ("status/pending", "b: it is pending")
    assert sqlmigrate("status", "--check", "--fail-on", "danger").status == 0
    assert sqlmigrate("status", "--check").status == 3


def test_status_as_json(mixed, sqlmigrate):
    outcome = sqlmigrate("status", "--json")

    found = states(outcome)
    assert (outcome.document["version"], outcome.document["command"]) == (1, "status")
    summary = outcome.document["summary"]
    assert {name: count for name, count in summary.items() if count} == {"applied": 1, "pending": 1}
    assert {"marked", "edited", "missing"} < set(summary)
    assert found["a"]["state"] == "applied"
    assert found["a"]["applied_at"].endswith("Z")
    assert found["a"]["checksum"] == found["a"]["recorded_checksum"]
    assert found["b"]["state"] == "pending"
    assert found["b"]["applied_at"] is None


def test_status_writes_nothing(project, target, sqlmigrate):
    project.tables("a")

    assert sqlmigrate("status").status == 0
    assert not has_history(target)


def test_status_works_for_a_role_that_may_only_read_and_trusts_the_owner(mixed, sqlmigrate, monkeypatch):
    admin = mixed.connect_superuser()
    admin.execute("DROP ROLE IF EXISTS reader")
    admin.execute("CREATE ROLE reader LOGIN")
    admin.execute("GRANT USAGE ON SCHEMA sqlmigrate TO reader")
    url = mixed.server.url(mixed.name, "reader")

    without = sqlmigrate("status", "--database-url", url)
    admin.execute("GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO reader")
    granted = sqlmigrate("status", "--database-url", url)
    monkeypatch.setenv("SQLMIGRATE_HISTORY_OWNERS", "migrator")
    trusting = sqlmigrate("status", "--database-url", url)
    admin.execute("DROP OWNED BY reader")
    admin.execute("DROP ROLE reader")

    assert without.status == 1
    assert "role reader may not read the history in schema sqlmigrate" in without.stderr
    assert "GRANT SELECT ON ALL TABLES IN SCHEMA sqlmigrate TO this role" not in without.stdout
    assert granted.status == 1
    assert "it belongs to role migrator, which reader is not a member of" in granted.stderr
    assert 'history_owners = ["migrator"]' in granted.stderr
    assert trusting.status == 0


def test_status_works_on_a_read_only_database(mixed, sqlmigrate):
    mixed.connect_superuser().execute(f"ALTER DATABASE {mixed.name} SET default_transaction_read_only = on")

    assert sqlmigrate("status").lines[-1] == "1 applied, 1 pending"


def test_a_project_without_migrations_says_so(project, target, sqlmigrate):
    outcome = sqlmigrate("status", "--check")

    assert outcome.status == 0
    assert outcome.stdout == f"no migrations in {project.directory}\n"


def test_check_is_content_where_everything_is_applied(mixed, sqlmigrate):
    sqlmigrate("apply")

    assert sqlmigrate("status", "--check").status == 0


def test_check_finds_what_is_pending(mixed, sqlmigrate):
    assert sqlmigrate("status", "--check").status == 3
    assert sqlmigrate("status").status == 0


def test_an_edited_script_is_a_finding(project, mixed, sqlmigrate):
    sqlmigrate("apply")
    project.migration("a", "SELECT 2;")

    outcome = sqlmigrate("status", "--check")

    assert outcome.status == 3
    assert outcome.lines[1].endswith("edited after apply")
    assert outcome.lines[-1] == "2 applied, 1 edited"
    assert "\napply refuses this: " in sqlmigrate("status", "--verbose").stderr


def test_an_edit_of_comments_alone_is_not_a_finding_and_its_difference_can_be_seen(project, mixed, sqlmigrate):
    sqlmigrate("apply")
    path = project.directory / "a.sql"
    path.write_text(f"-- why\n{path.read_text()}")

    outcome = sqlmigrate("status", "--check", "--verbose")

    assert outcome.status == 0
    assert outcome.lines[1].endswith("comments edited after apply")
    assert "a.sql: was edited after it was applied, in comments and white space only" in outcome.stderr
    assert "\n  | +-- why\n" in outcome.stderr
    assert outcome.lines[-1] == "2 applied"
    assert sqlmigrate("status", "--json").document["migrations"][0]["comments_only"] is True


def test_what_apply_refuses_as_late_is_a_remark(project, target, sqlmigrate):
    project.tables("b", "d")
    assert sqlmigrate("apply").status == 0
    project.tables("a", "c", "e")

    outcome = sqlmigrate("status")

    assert [line.split(None, 2)[2:] for line in outcome.lines[3:6]] == [
        ["older than applied b"],
        ["older than applied d"],
        [],
    ]
    assert outcome.lines[-1] == "2 applied, 3 pending, 2 late"
    document = sqlmigrate("status", "--json").document
    assert [item["late"] for item in document["migrations"]] == [None, None, "b", "d", None]
    assert document["summary"]["late"] == 2


def test_other_line_ends_are_not_an_edit(project, mixed, sqlmigrate):
    sqlmigrate("apply")
    path = project.directory / "a.sql"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    assert sqlmigrate("status", "--check").status == 0


def test_a_missing_script_is_a_finding(project, mixed, sqlmigrate):
    sqlmigrate("apply")
    for path in project.directory.glob("a*"):
        path.unlink()

    outcome = sqlmigrate("status", "--check", "--json")

    assert outcome.status == 3
    assert states(outcome)["a"]["missing"] is True
    assert states(outcome)["a"]["file"] is None
    assert sqlmigrate("status").lines[1].endswith("script missing")


def test_an_older_release_finds_the_database_ahead_of_its_files_and_goes_on_unless_they_are_to_be_exact(
    project, mixed, sqlmigrate
):
    assert sqlmigrate("apply").status == 0
    for path in project.directory.glob("b*"):
        path.unlink()

    checked, applied = sqlmigrate("status", "--check", "--json"), sqlmigrate("apply", "--json")
    refused = [sqlmigrate("apply", "--exact"), sqlmigrate("status", "--check", "--exact")]
    shown = sqlmigrate("status", "--check")

    assert (checked.status, applied.status, shown.status) == (0, 0, 0)
    assert [refusal.status for refusal in refused] == [1, 3]
    assert (states(checked)["b"]["ahead"], checked.document["summary"]["missing"]) == (True, 0)
    assert applied.document["notes"][0].startswith("the database is ahead by 1: b;")
    assert shown.lines[-1] == "the database is ahead by 1: b"
    assert "unmark" not in "".join(outcome.stderr for outcome in (*refused, applied, shown))


def test_an_edited_rollback_script_is_only_a_remark(project, mixed, sqlmigrate):
    sqlmigrate("apply")
    (project.directory / "a.rollback.sql").write_text("SELECT 2;")

    outcome = sqlmigrate("status", "--check")

    assert outcome.status == 0
    assert outcome.lines[1].endswith("rollback script edited")


def test_a_migration_without_rollback_script_is_a_remark(project, target, sqlmigrate):
    project.migration("a")

    assert sqlmigrate("status").lines[1].split(None, 2)[2] == "no rollback script"
    assert states(sqlmigrate("status", "--json"))["a"]["rollback"] is False


def test_a_row_of_yoyo_counts_as_applied(project, mixed, sqlmigrate):
    insert = "INSERT INTO sqlmigrate._yoyo_migration VALUES (%s, 'b', now() AT TIME ZONE 'UTC')"
    mixed.connect().execute(insert, [migration_hash("b")])

    outcome = sqlmigrate("status", "--check")

    assert outcome.status == 0
    assert outcome.lines[2].endswith("applied by yoyo")


def test_a_script_that_stopped_half_way_is_a_finding_with_the_ways_on(project, target, sqlmigrate):
    project.migration("a", "-- transactional: false\nCREATE TABLE a ();\nSELECT 1 / 0;\n", rollback="DROP TABLE a;")
    stopped = sqlmigrate("apply", "--json")

    outcome = sqlmigrate("status", "--check")

    assert stopped.status == stopped.document["error"]["exit_status"] == 6
    assert outcome.status == 3
    assert "a stopped half way in its apply script:" in outcome.stdout
    assert "statement 2 (line 3) failed: SELECT 1 / 0" in outcome.stdout
    assert "sqlmigrate apply --resume-at N" in outcome.stdout
    assert states(sqlmigrate("status", "--json"))["a"]["state"] == "half_way"


def test_a_newer_history_is_refused_by_its_version(mixed, sqlmigrate):
    version = history.VERSION + 1
    mixed.connect().execute("INSERT INTO sqlmigrate.meta (version, upgraded_by) VALUES (%s, 'future')", [version])

    for command in (("status",), ("apply",), ("rollback", "--yes"), ("mark", "b"), ("unmark", "a")):
        outcome = sqlmigrate(*command)

        assert outcome.status == 1
        assert f"has version {version}; sqlmigrate" in outcome.stderr


def test_ids_are_never_cut_or_wrapped(project, target):
    project.migration(LONG, "", rollback="")
    project.migration("short", "", rollback="")

    outcome = program("status", env={"COLUMNS": "40"})

    assert LONG in [word for line in outcome.lines for word in line.split()]
    assert len(outcome.lines) == 5


def test_ids_that_look_like_markup_are_shown_as_they_are(project, target, sqlmigrate):
    for name in ("[bold]x", "a :smile: b", "größe_表"):
        project.migration(name, "", rollback="")

    shown = sqlmigrate("status").stdout

    assert "[bold]x " in shown
    assert "a :smile: b " in shown
    assert "größe_表 " in shown


def test_numbers_that_may_not_be_in_order_are_warned_of(project, target, sqlmigrate):
    project.tables("2_x", "10_x", "0003_a", "0003_b")

    outcome = sqlmigrate("status")

    assert "10_x.sql: runs before 2_x: the order is that of the names" in outcome.stderr
    assert "0003_b.sql: it has the same number as 0003_a: the order is that of the names" in outcome.stderr


def test_what_makes_the_history_doubtful_is_told_unasked(mixed, sqlmigrate):
    mixed.connect_superuser().execute("ALTER TABLE sqlmigrate.journal SET UNLOGGED")

    outcome = sqlmigrate("status")

    assert outcome.status == 0
    assert outcome.stderr.count("the history is UNLOGGED") == 1
    assert sqlmigrate("status", "--verbose").stderr.count("the history is UNLOGGED") == 1
