"""`sqlmigrate new`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest


def test_new_makes_the_pair_with_the_time_in_utc_in_front(project, sqlmigrate):
    before = datetime.now(UTC).replace(microsecond=0)
    outcome = sqlmigrate("new", "add_orders")

    assert outcome.status == 0
    script, rollback = sorted(project.directory.iterdir(), key=lambda path: len(path.name))
    assert outcome.lines == [str(script), str(rollback)]
    assert rollback.name == f"{script.stem}.rollback.sql"
    stamp = re.fullmatch(r"(\d{14})_add_orders", script.stem)[1]
    made = datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    assert before <= made <= datetime.now(UTC)


def test_new_as_json(project, sqlmigrate):
    outcome = sqlmigrate("new", "add_orders", "--json")

    document = outcome.document
    assert document["command"] == "new"
    assert document["files"] == [
        str(project.directory / f"{document['migration_id']}{ending}") for ending in (".sql", ".rollback.sql")
    ]


def test_the_new_files_are_refused_until_both_are_written_and_renamed_ones_are_known(project, target, sqlmigrate):
    document = sqlmigrate("new", "add_orders", "--json").document
    script, rollback = (Path(path) for path in document["files"])
    script = script.rename(project.directory / "b.sql")
    rollback = rollback.rename(project.directory / "b.rollback.sql")
    still = "is still the template of `sqlmigrate new`: nothing has been written into it"

    both = sqlmigrate("validate"), sqlmigrate("apply"), sqlmigrate("plan")
    script.write_text(script.read_text() + "CREATE TABLE b ();\n")
    undo = sqlmigrate("validate"), sqlmigrate("apply")
    rollback.write_text(rollback.read_text() + "DROP TABLE b;\n")
    written = sqlmigrate("validate"), sqlmigrate("apply"), sqlmigrate("rollback", "--yes")

    for refused in (*both, *undo):
        assert refused.status == 1
        assert f"b.rollback.sql: {still}" in refused.stdout + refused.stderr or refused is both[2]
    assert all(f"b.sql: {still}" in refused.stdout + refused.stderr for refused in both)
    assert not any(f"b.sql: {still}" in refused.stdout + refused.stderr for refused in undo)
    assert both[0].lines[-1] == "1 migration, 2 errors, 0 warnings"
    assert [outcome.status for outcome in written] == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "slug"), [("Orders get a Status", "orders_get_a_status"), ("größe-ändern!", "größe_ändern"), ("x", "x")]
)
def test_a_name_becomes_part_of_the_id(project, sqlmigrate, name, slug):
    migration_id = sqlmigrate("new", name, "--json").document["migration_id"]

    assert migration_id.partition("_")[2] == slug


@pytest.mark.parametrize("name", ["", "---", "../evil", "a/b", "a\\b"])
def test_a_name_that_gives_no_id_is_refused(project, sqlmigrate, name):
    outcome = sqlmigrate("new", "--", name)

    assert outcome.status == 2
    assert "is not a name for a migration" in outcome.stderr
    assert list(project.directory.iterdir()) == []


def test_a_very_long_name_still_gives_a_usable_id(project, sqlmigrate):
    made = sqlmigrate("new", "x" * 300, "--json")
    for path in made.document["files"]:
        Path(path).write_text("SELECT 1;")

    assert made.status == 0
    assert sqlmigrate("validate").status == 0


def test_new_makes_the_folder_that_it_needs(project, sqlmigrate):
    assert sqlmigrate("new", "a", "--migrations", "db/migrations").status == 0
    assert len(list((project.root / "db" / "migrations").iterdir())) == 2


def test_a_folder_that_cannot_be_made_is_an_error(project, sqlmigrate):
    (project.root / "file").touch()

    outcome = sqlmigrate("new", "a", "--migrations", "file/sql")

    assert outcome.status == 1
    assert "file/sql" in outcome.stderr


def test_nothing_is_overwritten(project, sqlmigrate, monkeypatch):
    class Midnight(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2026, 3, 4, tzinfo=tz)

    monkeypatch.setattr("sqlmigrate.migrations.scaffold.datetime", Midnight)
    sqlmigrate("new", "a")
    path = project.directory / "20260304000000_a.sql"
    path.write_text("SELECT 1;")

    outcome = sqlmigrate("new", "a")

    assert outcome.status == 1
    assert "exists already" in outcome.stderr
    assert path.read_text() == "SELECT 1;"
