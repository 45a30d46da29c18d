from __future__ import annotations

import pytest

from sqlmigrate.review.hazards.remedies.names import named_in, with_ending
from sqlmigrate.review.hazards.remedies.phases import Command, Phases, as_text, one_file, remark


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("a", "a_new"),
        ('"userId"', '"userId_new"'),
        ('s."a.b"', '"a.b_new"'),
        ('"say ""x"""', '"say ""x""_new"'),
        ("x" * 63, "x" * 59 + "_new"),
        ("é" * 31, '"' + "é" * 29 + '_new"'),
    ],
)
def test_a_name_is_made_as_postgresql_quotes_and_cuts_it(name, made):
    assert with_ending(name, "_new") == made


def test_a_name_that_is_taken_gets_a_number():
    assert with_ending("a", "_new", {"a_new", "a_new2"}.__contains__) == "a_new3"


def test_a_column_is_found_as_a_word_and_not_in_a_text():
    assert named_in("CHECK ((a > 0))", "a")
    assert named_in('CHECK (("A b" > 0))', '"A b"')
    assert not any(
        named_in(text, "a") for text in ("CHECK ((ab > 0))", "CHECK ((b = 'a'::text))", "a(b)", "t.a", '"a"')
    )


def test_a_remedy_of_one_file_is_its_sql():
    assert as_text(one_file("-- transactional: false\nDROP INDEX CONCURRENTLY a;")) == (
        "-- transactional: false\nDROP INDEX CONCURRENTLY a;"
    )


def test_a_name_with_a_line_break_does_not_end_a_remark():
    assert remark('deploy "a\nDROP TABLE b; --"') == '-- deploy "a DROP TABLE b; --"'


def test_each_phase_is_a_file_with_its_undo():
    phases = Phases(expand=[Command("A", "a"), Command("B", "b")], checks=[Command("C", "c")], fill=[Command("F")])
    phases.contract.append(Command("Z", None))
    phases.switch = "deploy"
    remedy = phases.remedy()

    assert remedy is not None
    assert [(step.name, step.sql, step.transactional) for step in remedy.steps] == [
        ("expand", "A;\nB;", True),
        ("backfill", "F;", False),
        ("validate", "C;", False),
        ("contract", "Z;", True),
    ]
    assert [step.rollback for step in remedy.steps][::3] == ["b;\na;", None]
    assert as_text(remedy).endswith("-- 4 of 4, contract: a migration of its own\n-- first deploy\nZ;")
    assert Phases().remedy() is None
