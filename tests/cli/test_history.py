"""`sqlmigrate history`: who did what, when, as which role, and why."""

from __future__ import annotations

import click
import pytest

from sqlmigrate import __version__
from support.command import terminal
from support.contents import has_history

KEYS = {
    "at", "operation", "migration_id", "login_role", "script_role", "username", "hostname", "client_address",
    "duration_ms", "run_id", "checksum", "sha256", "server_version", "tool_version", "reason",
}  # fmt: skip


@pytest.fixture
def busy(project, target, sqlmigrate):
    """A database in which every operation happened, each on a day of its own."""
    project.tables("a")
    assert sqlmigrate("mark", "a").status == 0
    project.migration("b", "-- sqlmigrate: role=migrator\nCREATE TABLE b ();\n", rollback="DROP TABLE b;\n")
    project.tables("c")
    broken = "-- transactional: false\nCREATE TABLE d ();\nSELECT * FROM missing;\n"
    project.migration("d", broken, rollback="DROP TABLE d;\n")
    assert sqlmigrate("apply").status == 6
    project.migration("d", broken.replace("* FROM missing", "1"), rollback="DROP TABLE d;\n")
    assert sqlmigrate("apply").status == 0
    project.migration("b", "CREATE TABLE b (id int);\n", rollback="DROP TABLE b;\n")
    assert sqlmigrate("accept", "b", "--reason", "because").status == 0
    assert sqlmigrate("rollback", "--yes", "--steps", "2").status == 0
    assert sqlmigrate("unmark", "a", "--yes").status == 0
    target.connect().execute(
        "UPDATE sqlmigrate._yoyo_log AS yoyo"
        " SET created_at_utc = timestamp '2026-01-01 12:00' + ours.seq * interval '1 day'"
        " FROM sqlmigrate.log AS ours WHERE ours.id = yoyo.id"
    )
    return target


EVERYTHING = [
    ("mark", "a"), ("apply", "b"), ("apply", "c"), ("apply", "d"), ("resume", "d"),
    ("accept", "b"), ("rollback", "d"), ("rollback", "c"), ("unmark", "a"),
]  # fmt: skip


def test_everything_is_listed_oldest_first_with_all_that_is_known(busy, sqlmigrate):
    rows = sqlmigrate("history", "--json").document["history"]

    assert [(row["operation"], row["migration_id"]) for row in rows] == EVERYTHING
    assert all(set(row) == KEYS for row in rows)
    assert {(row["login_role"], row["tool_version"]) for row in rows} == {("migrator", __version__)}
    assert [row["script_role"] for row in rows[:3]] == [None, "migrator", None]
    assert [row["reason"] for row in rows if row["reason"]] == ["because"]
    assert len({row["run_id"] for row in rows}) == 6
    assert rows[0]["at"] == "2026-01-02T12:00:00Z"
    assert all(row["duration_ms"] >= 0 and row["username"] and row["hostname"] for row in rows)
    lines = sqlmigrate("history").lines
    assert lines[0].split() == ["when", "(UTC)", "operation", "migration", "role", "by", "took", "reason"]
    assert lines[2].startswith("2026-01-03 12:00:00  apply      b          migrator as migrator  ")
    assert lines[6].endswith("because")
    assert lines[-2:] == ["9 operations", "1 attempt did not succeed: `sqlmigrate history --failed` shows it"]


def test_a_filter_leaves_what_it_says_in_the_same_order(busy, sqlmigrate):
    for options, wanted in (
        (["--id", "d"], [3, 4, 6]),
        (["--id", "no such id"], []),
        (["--operation", "apply"], [1, 2, 3]),
        (["--operation", "rollback"], [6, 7]),
        (["--operation", "mark"], [0]),
        (["--operation", "unmark"], [8]),
        (["--operation", "accept"], [5]),
        (["--operation", "resume"], [4]),
        (["--since", "2026-01-08"], [6, 7, 8]),
        (["--since", "2026-01-08T12:00:01"], [7, 8]),
        (["--until", "2026-01-04"], [0, 1]),
        (["--until", "2026-01-04 12:00:00"], [0, 1]),
        (["--since", "2026-01-04 12:00:00", "--until", "2026-01-06"], [2, 3]),
        (["--last", "2"], [7, 8]),
        (["--last", "1", "--operation", "apply", "--until", "2026-01-05"], [2]),
    ):
        rows = sqlmigrate("history", *options, "--json").document["history"]
        found = [(row["operation"], row["migration_id"]) for row in rows]
        assert found == [EVERYTHING[at] for at in wanted], options
    for options in (["--last", "0"], ["--operation", "delete"], ["--since", "yesterday"]):
        assert sqlmigrate("history", *options).status == 2


def test_how_long_counts_from_the_first_statement_but_not_what_lay_between_two_runs(project, target, sqlmigrate):
    outside = "-- transactional: false\nSELECT pg_sleep(0.2);\n"
    project.migration("a", outside)
    project.migration("b", outside + "SELECT * FROM missing;\n", rollback="-- transactional: false\nSELECT 1;\n")
    assert sqlmigrate("apply").status == 6
    # the run stopped an hour ago
    target.connect().execute("UPDATE sqlmigrate.journal SET begun_at = begun_at - interval '1 hour'")
    assert sqlmigrate("rollback", "--yes").status == 0

    first, second = sqlmigrate("history", "--json").document["history"]

    assert (first["operation"], second["operation"]) == ("apply", "rollback")
    assert 200 <= first["duration_ms"] < 60_000
    assert second["duration_ms"] < 60_000


def test_what_yoyo_wrote_is_listed_too(project, target, sqlmigrate):
    project.tables("a")
    sqlmigrate("apply")
    target.connect().execute(
        "INSERT INTO sqlmigrate._yoyo_log VALUES ('1', 'x', 'y', 'apply', 'ann', 'host', 'why', '2020-01-01')"
    )

    first, second = sqlmigrate("history", "--json").document["history"]

    assert (first["migration_id"], first["login_role"], first["reason"]) == ("y", None, "why")
    assert second["migration_id"] == "a"
    assert "ann@host" in sqlmigrate("history").lines[1]


def test_without_a_history_it_says_so_and_makes_none(target, project, sqlmigrate):
    outcome = sqlmigrate("history")

    assert (outcome.status, has_history(target)) == (1, False)
    assert "there is no history in schema sqlmigrate yet" in outcome.stderr
    project.tables("a")
    sqlmigrate("apply")
    target.connect().execute("DELETE FROM sqlmigrate._yoyo_log")
    assert sqlmigrate("history").stdout == "0 operations\n"
    assert sqlmigrate("history", "--json").document["history"] == []


def test_on_a_narrow_terminal_a_reason_stands_below_its_row(target, project, sqlmigrate):
    first, second = "20240101000001_users", "20240101000002_orders"
    project.tables(first, second)
    reason = "applied by goose at 2024-01-01 10:01:00 UTC as 20240101000001, says public.goose_db_version"
    assert sqlmigrate("apply").status == 0
    project.migration(first, "CREATE TABLE edited ();\n", rollback="DROP TABLE edited;\n")
    assert sqlmigrate("accept", first, "--reason", reason).status == 0

    with terminal("history", columns=80) as screen:
        assert screen.end() == 0
    wide = sqlmigrate("history").lines

    shown = [click.unstyle(line) for line in screen.shown.splitlines()]
    at = next(number for number, line in enumerate(shown) if line.startswith("when (UTC)"))
    head, title, *rows, one, two = shown[at : at + 7]
    assert max(map(len, shown[at:])) <= 80
    assert (head.split()[-1], title) == ("took", "    reason")
    assert " ".join(f"{one} {two}".split()) == reason
    assert [line.split()[2:4] for line in rows] == [["apply", first], ["apply", second], ["accept", first]]
    assert wide[3].endswith(f"  {reason}")
