"""What seeding would do is told without doing it, and is what it then does."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings

from integration.seeds.test_staging import MAPPING, ROWS, TABLES  # noqa: F401  the fixture looks for TABLES here
from sqlmigrate.errors import Error, SeedError
from sqlmigrate.seeds import apply
from sqlmigrate.seeds.differences import compare
from sqlmigrate.seeds.model import Change
from support.examples import examples

OWNERS = {"list": "owners", "table": "public.owners", "conflict": ["code"]}


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, ROWS)
def test_the_difference_is_what_seeding_writes(session_with_tables, seed_files, before, rows):
    conn = session_with_tables
    with conn.transaction(force_rollback=True):
        for content in (before, rows):
            seed_files.file("t", MAPPING, json.dumps({"rows": content}))
            try:
                with conn.transaction():
                    [told] = compare(conn, seed_files.load())
                    [done] = apply(conn, seed_files.load()).tables
            except Error:
                return  # it may be refused only when it is written
            assert (told.inserted, told.updated, told.unchanged) == (done.inserted, done.updated, done.unchanged)
            [again] = compare(conn, seed_files.load())
            assert not again.differs
            assert again.rows == []


def test_changes_have_both_values_and_rows_in_no_file_are_named(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute(
        "INSERT INTO \"t%%s\" (k, n, v, jb, owner) VALUES ('a', 1, 'x', '{\"a\": 1}', 1), ('b', 2, NULL, NULL, 1), "
        "('z', 0, NULL, NULL, NULL), ('y', 0, NULL, NULL, NULL)",
        [],
    )
    rows = [
        {"k": "a", "n": "1.00", "v": None, "jb": {"a": 2}, "of": "b"},
        {"k": "b", "n": 2, "of": "a"},
        {"k": "c", "of": "a"},
    ]
    seed_files.file("t", MAPPING, json.dumps({"rows": rows}))

    [told] = compare(conn, seed_files.load())

    assert (told.inserted, told.updated, told.unchanged, told.unnamed) == (1, 1, 1, 2)
    assert [(row.row.label, row.inserted) for row in told.rows] == [("k 'a'", False), ("k 'c'", True)]
    assert told.rows[0].changes == (
        Change("jb", '{"a": 1}', '{"a": 2}'),
        Change("owner", "1", "2"),
        Change("v", "x", None),
    )
    assert told.unnamed_rows == [{"k": "y"}, {"k": "z"}]


def test_a_reference_to_a_row_that_is_not_there_yet_is_told(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO \"t%%s\" (k, n, owner) VALUES ('a', 1, 1)", [])
    seed_files.file("owners", OWNERS, "owners: [{code: new}]")
    seed_files.file("t", MAPPING, "rows: [{k: a, of: new}, {k: b, of: new}]")

    owners, told = compare(conn, seed_files.load())

    assert (owners.inserted, owners.unnamed, told.inserted, told.updated) == (1, 2, 1, 1)
    assert told.rows[0].changes == (Change("owner", "1", None, "id of the new row code 'new'"),)
    assert apply(conn, seed_files.load()).written == 3
    assert not any(one.differs for one in compare(conn, seed_files.load()))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("[{k: a, of: nobody}]", "of 'nobody' of k 'a' is not in public.owners"),
        ("[{k: a}, {k: b, d: soon}]", 'invalid input syntax for type date: "soon" (column d, date)'),
    ],
)
def test_what_seeding_refuses_is_refused(session_with_tables, seed_files, rows, message):
    seed_files.file("t", MAPPING, f"rows: {rows}")

    with pytest.raises(SeedError) as caught:
        compare(session_with_tables, seed_files.load())

    assert message in str(caught.value)


def test_rows_that_another_file_of_the_table_names_are_not_in_no_file(session_with_tables, seed_files):
    conn = session_with_tables
    conn.execute("INSERT INTO \"t%%s\" (k) VALUES ('a'), ('b'), ('c')", [])
    seed_files.file("t", MAPPING, "rows: [{k: a}]")
    seed_files.file("u", MAPPING, "rows: [{k: b}]")

    first, second = compare(conn, seed_files.load())

    assert (first.unnamed, first.unnamed_rows, second.unnamed) == (1, [{"k": "c"}], 0)


GEOMETRY = {
    "point": ("(1.25,2)", "(1.26,2)"),
    "line": ("{1,2.5,3}", "{1,2.6,3}"),
    "lseg": ("[(0,0),(1.25,1)]", "[(0,0),(1.26,1)]"),
    "box": ("(2,2),(1.25,1)", "(2,2),(1.26,1)"),
    "path": ("((0,0),(1.25,1))", "[(0,0),(1.25,1)]"),
    "polygon": ("((0,0),(1.25,1))", "((0,0),(1.26,1))"),
    "circle": ("<(1,2),3.25>", "<(1,2),3.26>"),
}


def test_how_the_login_has_numbers_printed_hides_no_difference(conn, seed_files):
    conn.execute(f"CREATE TABLE g (k int PRIMARY KEY, {', '.join(f'{name} {name}' for name in GEOMETRY)})")
    conn.execute("SET extra_float_digits TO -15")
    mapping = {"list": "rows", "table": "public.g", "conflict": ["k"]}

    for at in (0, 0, 1, 1):
        seed_files.file(
            "g", mapping, json.dumps({"rows": [{"k": 1} | {name: two[at] for name, two in GEOMETRY.items()}]})
        )
        [found] = compare(conn, seed_files.load())
        told = {change.column for row in found.rows for change in row.changes}
        written = apply(conn, seed_files.load()).written

        assert (told, written) in (((set(), 1), (set(), 0)) if at == 0 else ((set(GEOMETRY), 1), (set(), 0)))
    assert conn.execute("SELECT box FROM g WHERE box[1] ~= '(1.26,1)'").rowcount == 1
