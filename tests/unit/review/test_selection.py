"""Which migrations a review chooses, without and with a target, and by a revision of git."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import UsageError
from sqlmigrate.migrations import load
from sqlmigrate.review.selection import Asked, select
from support.repository import Repository


@pytest.fixture
def repository(tmp_path):
    """A repository whose `main` has 0001, 0002 and 0004 with their undo."""
    made = Repository(tmp_path / "project")
    for name in ("0001", "0002", "0004"):
        made.write(f"sql/{name}.sql", f"SELECT {name};\n")
        made.write(f"sql/{name}.rollback.sql", "SELECT 1;\n")
    made.commit("first")
    return made


def chosen(repository, applied=None, **asked):
    """Give the ids that are wanted, those that count as applied, and the notes."""
    found = select(load(repository.root / "sql"), Asked(**asked), applied, None)
    return [item.migration_id for item in found.wanted], found.applied, list(found.notes)


def test_without_a_target_and_a_revision_it_is_the_last_one_and_that_is_said(repository):
    wanted, applied, [note] = chosen(repository)

    assert (wanted, applied) == (["0004"], None)
    assert note.startswith("only the last migration, 0004, is reviewed: neither a database nor `--since REV` says")
    assert chosen(repository, everything=True) == (["0001", "0002", "0004"], None, [])


def test_with_a_target_it_is_what_is_pending_there(repository):
    assert chosen(repository, ("0001", "0004")) == (["0002"], ("0001", "0004"), [])
    assert chosen(repository, ("0001", "0002", "0004"))[2] == [
        "nothing is pending in the database; name a migration to review it: `sqlmigrate review ID`"
    ]
    with pytest.raises(UsageError, match="0001 is applied in the target already"):
        chosen(repository, ("0001",), ids=("0001",))
    with pytest.raises(UsageError, match="without a database"):
        chosen(repository, ("0001",), everything=True)


def test_since_a_revision_what_it_has_counts_as_applied(repository):
    repository.write("sql/0003.sql", "SELECT 3;\n")
    wanted, applied, [note] = chosen(repository, since="main")

    assert (wanted, applied) == (["0003"], ("0001", "0002", "0004"))  # so 0003 comes late, and is asked about
    assert note.startswith("reviewed is what main (merge base ")


def test_what_was_edited_is_tried_in_its_place(repository):
    repository.write("sql/0002.rollback.sql", "SELECT 2;\n")
    repository.write("sql/0005.sql", "SELECT 5;\n")
    wanted, applied, notes = chosen(repository, since="main")

    assert (wanted, applied) == (["0002", "0005"], ("0001",))
    assert "0002; where it is applied, it does not run again" in notes[1]


def test_an_undo_that_is_taken_away_is_a_change(repository):
    (repository.root / "sql/0001.rollback.sql").unlink()

    wanted, _, notes = chosen(repository, since="HEAD")
    assert wanted == ["0001"]
    assert any("no longer there since HEAD (merge base " in note and "0001.rollback.sql" in note for note in notes)


def test_with_a_target_both_must_hold(repository):
    for name in ("0003", "0005"):
        repository.write(f"sql/{name}.sql", "SELECT 3;\n")
    wanted, applied, notes = chosen(repository, ("0001", "0003"), since="main")

    assert (wanted, applied) == (["0005"], ("0001", "0003"))
    assert notes[1] == "applied in the database already, and so not reviewed: 0003"
    assert chosen(repository, ("0003", "0005"), since="main")[0] == []


def test_nothing_new_is_said(repository):
    wanted, _, [note] = chosen(repository, since="main")

    assert wanted == []
    assert note.startswith("nothing is added or changed since main (merge base ")


@pytest.mark.parametrize("asked", [{"ids": ("a",), "since": "main"}, {"since": "", "everything": True}])
def test_two_ways_to_choose_are_refused(asked):
    with pytest.raises(UsageError, match="either IDs, --since or --all"):
        Asked(**asked)
