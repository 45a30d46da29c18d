"""A migration may stand for others: then those are no part of the project, whether their files are there or not."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import MigrationsError
from sqlmigrate.history import Applied, History
from sqlmigrate.migrations import migration_hash
from sqlmigrate.plan import ApplyRequest, make, needs_attention, status


def ids(items):
    return [item.migration_id for item in items]


def applied(*names: str) -> History:
    rows = (Applied(name, migration_hash(name), seq=seq, checksum="x") for seq, name in enumerate(names, 1))
    return History(tuple(rows), version=1)


@pytest.fixture
def one_for_two(project):
    project.migration("2_base", '-- sqlmigrate: replaces="1_a 2_a"\nCREATE TABLE a ();\n', rollback="DROP TABLE a;\n")
    project.migration("3_b", "-- depends: 1_a 2_a\nCREATE TABLE b ();\n", rollback="DROP TABLE b;\n")
    return project


def test_the_files_of_those_count_no_more_and_who_depends_on_them_depends_on_it(one_for_two):
    without = one_for_two.load()
    one_for_two.tables("1_a", "2_a")
    found = one_for_two.load()

    assert ids(found.ordered) == ids(without.ordered) == ["2_base", "3_b"]
    assert found.named("3_b").depends == ("2_base",)
    assert found.replaced == without.replaced == {"1_a": "2_base", "2_a": "2_base"}


def test_it_counts_as_applied_where_all_of_them_are_and_half_of_them_is_an_error(one_for_two):
    found = one_for_two.load()

    def plan(*names: str) -> list[str]:
        return ids(make(ApplyRequest(migrations=found), applied(*names)).steps)

    assert plan() == ["2_base", "3_b"]
    assert plan("1_a", "2_a") == ["3_b"]
    with pytest.raises(MigrationsError, match="half way through migrations that were squashed") as caught:
        plan("1_a")
    (problem,) = caught.value.problems
    assert problem.message == "replaces 2 migrations, of which 1 are applied here, but not 2_a"
    assert problem.hint == f"apply the rest of them first: sqlmigrate apply --migrations {found.directory}/squashed"
    states = status(found, applied("1_a", "2_a"))
    assert [(item.migration_id, item.replaced, item.missing, item.ahead) for item in states[:2]] == [
        ("1_a", "2_base", False, False),
        ("2_a", "2_base", False, False),
    ]
    assert [needs_attention(item) for item in states] == [False, False, True]


def test_one_that_was_replaced_itself_leads_on_and_a_circle_is_refused(one_for_two):
    one_for_two.migration("3_all", '-- sqlmigrate: replaces="2_base 3_b 1_a 2_a"\nSELECT 1;\n')
    found = one_for_two.load()
    assert ids(found.ordered) == ["3_all"]
    assert set(found.replaced.values()) == {"3_all"}

    one_for_two.migration("2_base", '-- sqlmigrate: replaces="3_all 2_base"\nSELECT 1;\n')
    (problem,) = one_for_two.refusal()
    assert problem.message.endswith("replace each other")
