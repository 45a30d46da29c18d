r"""COPY FROM STDIN with its data in the script, in a transaction and outside."""

from __future__ import annotations

import subprocess

import pytest

from fixtures.postgres import Database
from sqlmigrate.errors import ExecutionError
from sqlmigrate.server import find_program
from support.corpus import rich_schema
from support.dumps import normalized
from support.memory import memory
from support.runner import ids, place
from support.sessions import is_there
from support.stepwise import OUTSIDE


def rows(conn):
    return conn.execute("SELECT * FROM t ORDER BY 1").fetchall()


def test_data_of_every_kind_arrives_as_it_is(runner, conn, head):
    lines = [
        r"1	plain",
        r"2	\N",
        r"3	",
        r"4	tab\tand\\backslash",
        r"5	line\nend",
        "6	it's; -- no /* $$ comment",
        "7	üñ🙂",
        "8	%s %% {} :x $1",
    ]
    data = "\n".join([*lines, r"\."])
    runner.write(
        "a",
        f"{head}CREATE TABLE t (n int, x text);\nCOPY t (n, x) FROM stdin;\n{data}\nINSERT INTO t VALUES (9, 'end');\n",
    )

    runner.apply()

    texts = ["plain", None, "", "tab\tand\\backslash", "line\nend", "it's; -- no /* $$ comment", "üñ🙂"]
    assert [x for _, x in rows(conn)] == [*texts, "%s %% {} :x $1", "end"]


def test_data_stays_byte_for_byte_whatever_encoding_the_script_sets(runner, conn, head):
    """As in psql: the bytes of the file are read as that encoding, the data as well as the statements."""
    script = "CREATE TABLE t (n int, x text);\nSET client_encoding TO latin1;\nINSERT INTO t VALUES (1, '€');\n"
    runner.write("a", f"{head}{script}COPY t FROM stdin;\n2\t€\n\\.\n")

    runner.apply()

    assert [x for _, x in rows(conn)] == ["€".encode().decode("latin1")] * 2


FORMS = {
    "COPY t FROM stdin": "1\ta\n2\tb\n",
    "copy T from STDIN": "1\ta\n2\tb\n",
    "COPY t (n, x)\n  FROM stdin\n  WITH (FORMAT csv, HEADER)": 'n,x\n1,a\n2,"b"\n',
    "COPY public.t FROM stdin WITH DELIMITER '|'": "1|a\n2|b\n",
    "COPY t FROM stdin -- and a remark": "1\ta\n2\tb\n",
    "/* why */ COPY t FROM stdin WHERE n < 3": "1\ta\n2\tb\n3\tc\n",
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_every_form_of_the_statement_is_known(runner, conn, head, end):
    for statement, data in FORMS.items():
        semicolon = "\n;" if "--" in statement else ";"
        script = f"{head}CREATE TABLE t (n integer, x text);\n{statement}{semicolon}\n{data}\\.\nSELECT 1;\n"
        runner.write("a", script.replace("\n", end), "DROP TABLE t;\n")

        runner.apply()

        assert rows(conn) == [(1, "a"), (2, "b")], statement
        runner.rollback()


ENDS = {
    "no line end behind the mark": "1\n2\n\\.",
    "nothing behind the data": "1\n2\n",
    "no line end behind the data": "1\n2",
    "a mark and a line end": "1\n2\n\\.\n",
    "a mark with CR alone": "1\n2\n\\.\r\n",
    "comments behind it": "1\n2\n\\.\n\n-- the end\n",
}


def test_the_file_may_end_with_the_data(runner, conn, head):
    for kind, end in ENDS.items():
        runner.write("a", f"{head}CREATE TABLE t (n integer);\nCOPY t FROM stdin;\n{end}", "DROP TABLE t;\n")

        runner.apply()

        assert rows(conn) == [(1,), (2,)], kind
        runner.rollback()


def test_there_may_be_no_data(runner, conn, head):
    runner.write("a", f"{head}CREATE TABLE t (n integer);\nCOPY t FROM stdin;\n\\.\nCOPY t FROM stdin;\n\\.")

    runner.apply()

    assert rows(conn) == []


def test_a_script_may_have_many(runner, conn, head):
    copies = "".join(
        f"COPY t FROM stdin;\n{number}\n\\.\nINSERT INTO t VALUES ({-number});\n" for number in range(1, 51)
    )
    runner.write("a", f"{head}CREATE TABLE t (n integer);\n{copies}")

    runner.apply()

    assert conn.execute("SELECT count(*), sum(n) FROM t").fetchone() == (100, 0)


BAD = [
    ("1\nx\n3\n", 2, "x"),
    ("x\n2\n", 1, "x"),
    ("1\n2\n3\n4\t5\n", 4, "4\t5"),
    ("1\n\\N\n", 2, "\\N"),
    ("1\n2\n99\n", 3, "99"),
    ("1\n2\n1\n", 3, "1"),
]
"""Data that is refused, at which of its lines, and that line."""


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_an_error_in_the_data_points_at_its_line(runner, conn, head, end):
    start = f"{head}SELECT 1;\n\nCOPY t\nFROM stdin;\n"
    conn.execute("CREATE TABLE t (n integer PRIMARY KEY CHECK (n < 10))")
    for number, (data, line, text) in enumerate(BAD):
        runner.directory.joinpath(f"{number - 1}.sql").unlink(missing_ok=True)
        runner.write(f"{number}", f"{start}{data}\\.\nSELECT 1;\n".replace("\n", end))

        with pytest.raises(ExecutionError) as caught:
            runner.apply()

        assert place(caught.value) == f"{number}.sql:{start.count(chr(10)) + line}:1"
        assert caught.value.place.text == text
        assert caught.value.statement == 2
        assert rows(conn) == []
        conn.execute("DELETE FROM sqlmigrate.journal")


STATEMENT_ERRORS = ["COPY missing FROM stdin", "COPY t (nonsense) FROM stdin", "COPY t FROM stdin WITH (FORMAT frob)"]


@pytest.mark.parametrize("statement", STATEMENT_ERRORS)
def test_a_copy_that_is_refused_leaves_the_connection_alive(runner, conn, head, statement):
    """Its data is passed over, the error is PostgreSQL's, and the next run works."""
    script = f"{head}CREATE TABLE t (n integer);\n{{}};\n1\n2\n\\.\nINSERT INTO t VALUES (3);\n"
    runner.write("a", script.format(statement))

    with pytest.raises(ExecutionError) as caught:
        runner.apply()

    assert caught.value.server.sqlstate in {"42P01", "42703", "22023"}
    assert place(caught.value).startswith(f"a.sql:{3 if head else 2}:")
    runner.write("a", script.format("COPY t FROM stdin"))
    runner.apply()
    assert rows(conn) == [(1,), (2,), (3,)]


def test_an_error_after_the_data_undoes_it(runner, conn):
    runner.write("a", "CREATE TABLE t (n integer);\nCOPY t FROM stdin;\n1\n\\.\nSELECT nonsense;\n")

    with pytest.raises(ExecutionError) as caught:
        runner.apply()

    assert place(caught.value) == "a.sql:5:8"
    assert not is_there(conn, "t")


def test_an_error_before_it_does_not_send_the_data(runner, conn):
    runner.write("a", "CREATE TABLE t (n integer);\nSELECT nonsense;\nCOPY t FROM stdin;\n1\n\\.\n")

    with pytest.raises(ExecutionError) as caught:
        runner.apply()

    assert place(caught.value) == "a.sql:2:8"


def test_a_rollback_script_may_hold_data(runner, conn, head):
    conn.execute("CREATE TABLE t (n integer)")
    runner.write("a", f"{head}TRUNCATE t;\n", "COPY t FROM stdin;\n1\n2\n\\.\n")
    runner.apply()

    assert ids(runner.rollback()) == ["a"]
    assert rows(conn) == [(1,), (2,)]


@pytest.fixture
def source(database_factory) -> Database:
    """A database with everything that pg_dump has to write down in an order of its own."""
    found = database_factory()
    found.connect_superuser().execute(rich_schema())
    return found


@pytest.mark.parametrize("head", ["", OUTSIDE], ids=["in a transaction", "outside"])
def test_a_dump_applied_as_a_migration_gives_the_same_database(runner, source, database, head):
    runner.conninfo = database.superuser_conninfo
    text = dump(source)
    assert "FROM stdin;" in text
    runner.write("a", head + text)

    runner.apply()

    assert dumped(database) == dumped(source)


def dump(database: Database, *options: str) -> str:
    program = find_program("pg_dump", database.server.binaries)
    assert program is not None
    command = [program, "--no-password", *options, "--dbname", database.superuser_conninfo]
    text = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    return text.replace("SET transaction_timeout = 0;\n", "")  # of a newer pg_dump than the server


def dumped(database: Database) -> str:
    return normalized(dump(database, "--exclude-schema=sqlmigrate"))


def test_a_large_dump_is_streamed(database, tmp_path):
    """60 MB of data and a statement of 2 MB, in less memory than would hold them."""
    folder = tmp_path / "sql"
    folder.mkdir()
    with (folder / "a.sql").open("w", encoding="utf-8") as file:
        file.write("CREATE TABLE t (n integer, x text);\nCOPY t FROM stdin;\n")
        line = "x" * 990
        file.writelines(f"{number}\t{line}\n" for number in range(60_000))
        file.write(f"\\.\nINSERT INTO t VALUES (-1, '{'y' * 2_000_000}');\nSELECT count(*) FROM t;\n")

    found = memory("apply", "--migrations", folder, "--database-url", database.url)

    assert database.connect().execute("SELECT count(*) FROM t").fetchone() == (60_001,)
    assert found.peak < 150


def test_a_large_dump_whose_end_is_wrong_is_undone(database, runner, conn):
    data = "".join(f"{number}\t{'x' * 30}\n" for number in range(200_000))
    runner.write("a", f"CREATE TABLE t (n integer, x text);\nCOPY t FROM stdin;\n{data}wrong\n\\.\n")
    assert runner.load().named("a").script.text is None

    with pytest.raises(ExecutionError) as caught:
        runner.apply()

    assert place(caught.value) == "a.sql:200003:1"
    assert not is_there(conn, "t")
