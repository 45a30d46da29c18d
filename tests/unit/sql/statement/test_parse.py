"""Statements are told apart by what they mean for a transaction; what our parser does not know, the server judges."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlmigrate.sql.scan import split
from sqlmigrate.sql.statement.effect import Kind, classify
from sqlmigrate.sql.statement.parse import PARSE_LIMIT, complaints, parse_tree, refine

KINDS = {
    Kind.PLAIN: [
        "",
        "-- only words",
        "SELECT 1",
        "CREATE TABLE t (a int)",
        "SAVEPOINT a",
        "RELEASE SAVEPOINT a",
        "ROLLBACK TO a",
        "ROLLBACK TO SAVEPOINT a",
        "ROLLBACK WORK TO SAVEPOINT a",
        "ROLLBACK TRANSACTION TO a",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "LOCK TABLE t",
        "ANALYZE t",
        "DISCARD PLANS",
        "PREPARE p AS SELECT 1",
        "DO $$ BEGIN COMMIT; END $$",
        "CALL p()",
        "CREATE INDEX i ON t (a)",
        "CREATE INDEX concurrently_i ON t (a)",
        'CREATE INDEX "concurrently" ON t (a)',
        "CREATE TABLE t (concurrently int) -- CREATE INDEX CONCURRENTLY",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'CREATE INDEX CONCURRENTLY i ON t (a)'",
        "COMMENT ON INDEX i IS 'made concurrently'",
        "DROP INDEX i",
        "REINDEX TABLE t",
        "REINDEX INDEX i",
        "REINDEX (VERBOSE) TABLE t",
        "REINDEX (CONCURRENTLY off) TABLE t",
        "CLUSTER t USING i",
        "CLUSTER VERBOSE t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ALTER TABLE t DETACH PARTITION p",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        "ALTER TABLE t SET TABLESPACE x",
        "ALTER TABLE ALL IN TABLESPACE x SET TABLESPACE y",
        "ALTER DATABASE d SET search_path TO a",
        "ALTER TYPE e ADD VALUE 'x'",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = off, slot_name = NONE)",
        "COPY t TO '/tmp/t'",
        "COPY t FROM '/tmp/t'",
        "COPY t TO PROGRAM 'cat'",
        "CREATE INDEX CONCURRENTLY i ON t SOMETHING NEWER",
    ],
    Kind.TRANSACTION_CONTROL: [
        "BEGIN",
        "begin work",
        "/* a */ Begin -- b\n",
        "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY",
        "START TRANSACTION",
        "COMMIT",
        "COMMIT AND CHAIN",
        "END",
        "END TRANSACTION",
        "ABORT",
        "ROLLBACK",
        "ROLLBACK WORK",
        "ROLLBACK AND CHAIN",
        "ROLLBACK TRANSACTION AND NO CHAIN",
    ],
    Kind.PREPARED_TRANSACTION: ["PREPARE TRANSACTION 'a'", "prepare\ntransaction 'a'"],
    Kind.NOT_IN_TRANSACTION: [
        "VACUUM",
        "VACUUM (FULL) t",
        "ALTER SYSTEM SET work_mem = '1MB'",
        "CREATE DATABASE d",
        "DROP DATABASE IF EXISTS d",
        "CREATE TABLESPACE x LOCATION '/x'",
        "DROP TABLESPACE x",
        "DISCARD ALL",
        "COMMIT PREPARED 'a'",
        "ROLLBACK PREPARED 'a'",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "create unique index concurrently on t (a)",
        "CREATE INDEX /* a */ CONCURRENTLY IF NOT EXISTS i ON t (a)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (CONCURRENTLY) INDEX i",
        "REINDEX (CONCURRENTLY on, VERBOSE) INDEX i",
        "REINDEX SCHEMA s",
        "REINDEX DATABASE d",
        "REINDEX SYSTEM d",
        "CLUSTER",
        "CLUSTER VERBOSE",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "ALTER DATABASE d SET TABLESPACE x",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (create_slot = true)",
    ],
    Kind.COPY_IN: ["COPY t FROM stdin", "copy t (a) from STDIN WITH (FORMAT csv)", "COPY t FROM STDOUT"],
    Kind.COPY_OUT: ["COPY t TO stdout", "COPY (SELECT 1) TO STDOUT WITH CSV", "COPY t TO STDIN"],
}
STATEMENTS = [(text, kind) for kind, texts in KINDS.items() for text in texts]
SWALLOWED = [
    (
        "a column named begin",
        [
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT begin FROM é; END",
            "COMMIT",
            "CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END",
        ],
    ),
    ("a function named begin", ["CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'select 1'", "COMMIT"]),
    ("END as a COMMIT", ["CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'select 1'", "END"]),
    ("letters of more bytes", ["CREATE PROCEDURE begin() LANGUAGE sql AS 'ü🙂'", "SELECT 'ü🙂'", "SELECT 2"]),
]


@pytest.mark.parametrize(("statement", "kind"), STATEMENTS, ids=[text or "nothing" for text, _ in STATEMENTS])
def test_a_statement_means_for_its_transaction_what_postgresql_says(statement, kind):
    assert classify(statement) is kind


@pytest.mark.parametrize("text", [text for text, kind in STATEMENTS if kind is not Kind.PLAIN])
def test_a_comment_before_a_statement_hides_nothing(text):
    assert classify(f"-- words\n/* more; /* and more */ */ {text}") is classify(text)


@pytest.mark.parametrize(("_name", "parts"), SWALLOWED, ids=[name for name, _ in SWALLOWED])
def test_what_psql_takes_for_one_statement_comes_apart(_name, parts):
    text = ";\n-- gap; ü\n".join(parts)
    (piece,) = split(text)

    assert [text[start:end].rstrip() for start, end in refine(piece.text)] == parts


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN BEGIN END; END $$",
        "CREATE FUNCTION f(begin int) RETURNS int LANGUAGE sql AS 'select 1; select 2'",
        "CREATE FUNCTION begin() NEWER SYNTAX; COMMIT",
        "CREATE FUNCTION f(a int; b int)",
        "CREATE TABLE begin (a int); COMMIT",
    ],
)
def test_what_is_one_statement_or_unknown_stays_as_it_is(statement):
    assert refine(statement) == []


@given(
    st.lists(
        st.sampled_from(["SELECT 'é; END'", "COMMIT", "SELECT 1 AS begin", "-- ü;\n", "/* 🙂 */", "", " "]), max_size=6
    )
)
def test_slices_hold_statements_in_order(parts):
    text = ";".join(["CREATE FUNCTION begin() RETURNS int LANGUAGE sql AS 'ü'", *parts])
    found = [text[start:end] for start, end in refine(text)]

    expected = [part for part in parts if part[:1] in {"S", "C"}]
    assert found[1:] == expected
    assert len(found) == (len(expected) + 1 if expected else 0)


def test_a_syntax_error_is_placed_by_characters():
    statement = "SELECT 'é🙂',\n 1 FORM x y"
    (complaint,) = complaints(statement)

    assert complaint.message == 'syntax error at or near "x"'
    assert statement[complaint.offset :] == "x y"


@pytest.mark.parametrize("statement", ["SELECT 1", "", "-- words", "CREATE TABLE t (a int)", "SELECT $1"])
def test_good_syntax_brings_no_complaint(statement):
    assert list(complaints(statement)) == []


def test_an_error_at_the_end_has_a_place():
    (complaint,) = complaints("SELECT (1")

    assert complaint.message == "syntax error at end of input"
    assert complaint.offset <= len("SELECT (1")


def long_expression(terms: int) -> str:
    return "SELECT " + "+".join(["1"] * terms)


@pytest.mark.parametrize("terms", [10, 60, 1_000, 20_000])
def test_a_long_expression_is_not_an_error(terms):
    """A parse tree cannot be had of more than about 50 terms; such statements are in every larger project."""
    statement = long_expression(terms)

    assert list(complaints(statement)) == []
    assert classify(f"COPY ({statement}) TO STDOUT") in {Kind.COPY_OUT, Kind.PLAIN}
    assert classify(f"CREATE INDEX CONCURRENTLY i ON t (({statement[7:]}))") is not Kind.TRANSACTION_CONTROL


def test_no_expression_ends_the_process():
    """libpg_query runs out of stack where it makes the tree of 40,000 terms: only another process can show it."""
    code = (
        "from sqlmigrate.sql.statement.effect import classify\n"
        "from sqlmigrate.sql.statement.parse import complaints, refine\n"
        f"text = 'SELECT ' + '+'.join(['1'] * {PARSE_LIMIT // 2 - 50})\n"
        "print(list(complaints(text)), classify(f'COPY ({text}) TO STDOUT').name)\n"
        "print(refine(f'CREATE FUNCTION begin() AS $$ $$; {text}'))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout) == (0, "[] PLAIN\n[(0, 32), (34, 199940)]\n")


def test_what_is_too_large_is_not_asked_about():
    assert list(complaints("SELECT FROM FROM " + " " * PARSE_LIMIT)) == []
    assert parse_tree("SELECT 1 " + " " * PARSE_LIMIT) is None
    assert refine("CREATE FUNCTION begin() AS ''; COMMIT" + " " * PARSE_LIMIT) == []


def test_newer_syntax_has_no_tree():
    assert parse_tree("CREATE PROPERTY GRAPH g") is None


@given(st.text(st.sampled_from("()'\"$;-/*\\ aéBEGIN\n1"), max_size=30))
def test_any_text_can_be_classified(text):
    for piece in split(text):
        assert classify(piece.text) in Kind
        assert all(0 <= complaint.offset <= len(piece.text) for complaint in complaints(piece.text))


def test_a_plain_script_loads_no_parser():
    code = (
        "import sys\n"
        "from sqlmigrate.sql.scan import split\n"
        "from sqlmigrate.sql.statement.effect import classify\n"
        "from sqlmigrate.sql.statement.parse import refine\n"
        "text = 'CREATE TABLE t (a int); CREATE FUNCTION f() AS $$ BEGIN BEGIN END; END $$; ALTER TABLE t ADD b int;'\n"
        "assert [refine(piece.text) for piece in split(text) if classify(piece.text)] == [[], [], []]\n"
        "print({'postgast', 'google.protobuf', 'yoyo', 'psycopg', 'click', 'yaml'} & set(sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout == "set()\n"
