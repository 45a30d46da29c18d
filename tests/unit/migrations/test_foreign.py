"""Files of other tools' conventions are refused where their undo would run as a change."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.script import HELD_MAX


def test_up_and_down_files_are_refused_with_their_news(project):
    project.file("0001_a.up.sql", "SELECT 1;")
    project.file("0001_a.down.sql", "SELECT 1;")

    assert project.problems() == [
        "0001_a.down.sql: rename 0001_a.up.sql to 0001_a.sql and this file to 0001_a.rollback.sql"
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ["V1__t1.sql", "U1__t1.sql"],
            "U1__t1.sql: looks like Flyway's undo of V1__t1.sql; rename it to V1__t1.rollback.sql",
        ),
        (
            ["V01.0__new.sql", "U1__old.sql"],
            "U1__old.sql: looks like Flyway's undo of V01.0__new.sql; rename it to V01.0__new.rollback.sql",
        ),
        (
            ["V1__t1.sql", "V1__t1.rollback.sql", "U1__t1.sql"],
            "U1__t1.sql: looks like Flyway's undo of V1__t1.sql; V1__t1.rollback.sql exists too: remove one of them",
        ),
        (
            ["V1__t1.sql", "R__v.sql"],
            "R__v.sql: Flyway runs this after every change; sqlmigrate runs a script once: give it a version",
        ),
        *(
            (
                ["005_x.sql", f"005_x{ending}"],
                f"005_x{ending}: looks like the undo of 005_x.sql; rename it to 005_x.rollback.sql",
            )
            for ending in (
                ".down.sql",
                ".undo.sql",
                "_rollback.sql",
                ".revert.sql",
                "-down.sql",
                ".DOWN.sql",
                ".Rollback.sql",
            )
        ),
        (
            ["7-x-up.sql", "7-x-down.sql"],
            "7-x-down.sql: rename 7-x-up.sql to 7-x.sql and this file to 7-x.rollback.sql",
        ),
        (["7.do.sql", "7.undo.sql"], "7.undo.sql: rename 7.do.sql to 7.sql and this file to 7.rollback.sql"),
    ],
)
def test_the_undo_scripts_of_other_tools_are_refused_with_what_to_do(project, names, told):
    for name in names:
        project.file(name, "SELECT 1;")

    assert project.problems() == [told]


@pytest.mark.parametrize(
    "names",
    [
        ["U1__t1.sql"],
        ["U1__t1.sql", "V2__t2.sql"],
        ["U1_t1.sql", "V1_t1.sql"],
        ["R__v.sql", "V1_t1.sql"],
        ["001_rollback.sql", "002_undo.sql", "005.sql"],
        ["005_x.sql", "006_x_rollback.sql", "005_y.down.sql"],
        ["005_x.sql", "005_x_breakdown.sql", "005_x_rollback_table.sql"],
    ],
)
def test_names_without_a_partner_are_migrations_like_any_other(project, names):
    for name in names:
        project.file(name, "SELECT 1;")

    assert project.ids() == sorted(name.removesuffix(".sql") for name in names)


def test_a_lone_down_file_is_a_migration_like_any_other(project):
    project.file("0001_slow.down.sql", "SELECT 1;")

    assert project.ids() == ["0001_slow.down"]


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("-- migrate:up\nSELECT 1;\n\n-- migrate:down\nDROP TABLE t;", "dbmate's", 4),
        ("-- +goose Up\nSELECT 1;\n-- +goose Down\nDROP TABLE t;", "goose's", 3),
        ("-- +goose up\nSELECT 1;\n-- +goose down\nDROP TABLE t;", "goose's", 3),
        ("-- +migrate Up\nSELECT 1;\n-- +migrate Down\nDROP TABLE t;", "sql-migrate's", 3),
        ("-- Up Migration\nSELECT 1;\n-- Down Migration\nDROP TABLE t;", "node-pg-migrate's", 3),
        ("-- // a\nSELECT 1;\n\n-- //@UNDO\nDROP TABLE t;", "MyBatis's", 4),
        ("SELECT 1;\n---- create above / drop below ----\nDROP TABLE t;", "tern's", 2),
    ],
)
def test_both_directions_in_one_file_are_refused(project, text, words, line):
    project.migration("0001.a", text)
    (problem,) = project.refusal()

    assert problem.message.startswith(words)
    assert problem.place.line == line
    assert problem.hint == "move what follows it into 0001.a.rollback.sql"


def test_an_undo_section_at_the_end_of_a_large_file_is_refused_too(project):
    data = "x\n" * (HELD_MAX // 2)
    project.migration("a", f"-- migrate:up\nCOPY t FROM stdin;\n{data}\\.\n\n-- migrate:down\nDROP TABLE t;\n")

    assert project.problems() == ["a.sql: dbmate's `-- migrate:down` begins an undo section, which would run at once"]
