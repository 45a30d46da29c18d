"""Rows that a script's statements return are shown, bounded, and never held."""

from __future__ import annotations

import pytest

from sqlmigrate.engine.wire.pipeline import ROWS_KEPT
from sqlmigrate.events import RowsReturned
from support.command import call
from support.memory import memory
from support.stepwise import OUTSIDE


def test_the_first_rows_are_reported_with_their_count_and_place(runner, head):
    runner.write("a", f"{head}CREATE TABLE t ();\n\n  SELECT n, n * 2 AS twice FROM generate_series(1, 5000) AS n;\n")

    runner.apply()

    (event,) = runner.told(RowsReturned)
    assert event.columns == ("n", "twice")
    assert event.rows == tuple((str(n), str(2 * n)) for n in range(1, ROWS_KEPT + 1))
    assert event.total == 5000
    assert (event.migration_id, event.place.line, event.place.column) == ("a", 4 if head else 3, 3)


STATEMENTS = {
    "SELECT NULL, '' AS empty, 'null' AS word": [(None, "", "null")],
    "VALUES (1), (2)": [("1",), ("2",)],
    "TABLE t": [("7",)],
    "WITH w AS (SELECT 1) SELECT * FROM w": [("1",)],
    "INSERT INTO t VALUES (8), (9) RETURNING n": [("8",), ("9",)],
    "SHOW server_encoding": [("UTF8",)],
    "EXECUTE p": [("42",)],
    "SELECT true, 1.50, ARRAY[1, NULL], ROW(1, 'x'), '\\x00ff'::bytea, 'é🙂'": [
        ("t", "1.50", "{1,NULL}", "(1,x)", "\\x00ff", "é🙂")
    ],
    "SELECT 1 WHERE false": [],
}


def test_every_statement_that_returns_rows_is_reported(runner, conn, head):
    conn.execute("CREATE TABLE t (n) AS SELECT 7")
    runner.write("a", f"{head}PREPARE p AS SELECT 42;\n{';'.join(STATEMENTS)};\n")

    runner.apply()

    assert [list(event.rows) for event in runner.told(RowsReturned)] == [*STATEMENTS.values()]


def test_statements_without_rows_tell_nothing(runner, head):
    runner.write(
        "a",
        f"{head}CREATE TABLE t (n integer);\nINSERT INTO t VALUES (1), (2);\nUPDATE t SET n = 3;\nDO 'BEGIN END';\n",
    )

    runner.apply()

    assert runner.told(RowsReturned) == []


def test_a_wide_value_is_whole_in_the_event_and_cut_on_the_screen(runner, database, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("DATABASE_URL", database.url)
    runner.write("a", "SELECT repeat('x', 100000) AS wide, E'two\\nlines' AS text, NULL AS nothing;\n")
    text = call(("apply",), capfd.readouterr).stderr

    lines = [line for line in text.splitlines() if "xxx" in line]
    assert len(lines) == 1
    assert len(lines[0]) < 300
    assert "wide | text | nothing (a.sql:1)" in text


def test_many_rows_are_counted_on_the_screen(runner, database, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("DATABASE_URL", database.url)
    runner.write("a", "SELECT 'row ' || n FROM generate_series(1, 12345) AS n;\n")
    text = call(("apply",), capfd.readouterr).stderr

    assert "row 1\n" in text
    assert f"row {ROWS_KEPT}\n" in text
    assert f"row {ROWS_KEPT + 1}\n" not in text
    assert "12345 rows in all" in text


@pytest.mark.parametrize("before", [OUTSIDE, "SELECT 1;\nCREATE TABLE t ();\n"], ids=["outside", "behind others"])
def test_half_a_million_rows_are_not_held(database, tmp_path, before):
    """Held, they would take 75 MB."""
    folder = tmp_path / "sql"
    folder.mkdir()
    script = f"{before}SELECT n, repeat('x', 50) FROM generate_series(1, 500000) AS n;\nCREATE TABLE after ();\n"
    (folder / "a.sql").write_text(script, encoding="utf-8")

    found = memory("apply", "--migrations", folder, "--database-url", database.url)

    assert "500000 rows in all" in found.stderr
    assert found.peak - found.before < 40


def test_an_error_after_many_rows_is_reported_and_undone(runner, conn):
    runner.write("a", "CREATE TABLE t ();\nSELECT 10 / (5000 - n) FROM generate_series(1, 9000) AS n;\n")

    with pytest.raises(Exception, match="division by zero") as caught:
        runner.apply()

    assert caught.value.statement == 2
    assert conn.execute("SELECT to_regclass('t')").fetchone() == (None,)
