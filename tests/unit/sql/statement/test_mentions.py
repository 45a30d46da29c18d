"""What a statement of an application names, as far as its text tells."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.mentions import mentions_of
from sqlmigrate.sql.statement.names import Named

T = [Named("app", "t")]


@pytest.mark.parametrize(
    ("text", "uses"),
    [
        ("SELECT c FROM t", True),
        ("SELECT x.c FROM t AS x", True),
        ("SELECT x.c FROM t AS x JOIN s ON true WHERE s.d = $1", True),
        ("SELECT s.c FROM t JOIN s ON s.id = t.id", False),
        ("SELECT c FROM s", False),
        ("SELECT c FROM other.t", False),
        ("SELECT c FROM app.t", True),
        ("SELECT d AS c FROM t", False),
        ("SELECT * FROM t", True),
        ("SELECT count(*) FROM t", False),
        ("SELECT s.* FROM t JOIN s ON t.a = s.a", False),
        ("SELECT row_to_json(x) FROM t AS x", True),
        ("SELECT (x).c FROM t AS x", True),
        ("SELECT a FROM t JOIN s USING (c)", True),
        ("SELECT a FROM t NATURAL JOIN s", True),
        ("SELECT a FROM t ORDER BY c", True),
        ("INSERT INTO t VALUES ($1, $2)", True),
        ("INSERT INTO t (a) VALUES ($1)", False),
        ("INSERT INTO t (a, c) VALUES ($1, $2)", True),
        ("INSERT INTO t (a) VALUES ($1) RETURNING *", True),
        ("INSERT INTO t (a) VALUES ($1) ON CONFLICT (c) DO NOTHING", True),
        ("INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET c = $2", True),
        ("INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET b = excluded.c", True),
        ("INSERT INTO s (c) SELECT a FROM t", False),
        ("UPDATE t SET c = $1", True),
        ("UPDATE s SET c = t.a FROM t", False),
        ("DELETE FROM t USING s WHERE s.id = t.id", False),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET c = $1", True),
        ("MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN INSERT VALUES (s.a)", True),
        ("WITH t AS (SELECT c FROM app.t) SELECT c FROM t", True),
        ("SELECT a FROM s WHERE EXISTS (SELECT FROM t WHERE t.c = s.a)", True),
        ("COPY app.t (a) FROM stdin", False),
        ("COPY app.t (a, c) FROM stdin", True),
        ("COPY (SELECT c FROM t) TO stdout", True),
        ("DECLARE x CURSOR FOR SELECT c FROM t", True),
        ("ALTER TABLE t ADD c int", False),
        ("CREATE INDEX ON t (c)", False),
        ("ANALYZE t (c)", False),
        ("EXPLAIN SELECT c FROM t", False),
        ("LOCK TABLE t IN ACCESS SHARE MODE", False),
    ],
)
def test_the_uses_of_a_column(text, uses):
    found = mentions_of(text)

    assert found is not None
    assert found.uses_column(T, "c") is uses


def test_what_cannot_be_read_is_none():
    assert mentions_of("SELECT c FROM t WHERE") is None
    assert mentions_of("DO $$BEGIN PERFORM c FROM t; END$$") is None


def test_calls_and_backups_are_known():
    called = mentions_of("SELECT app.f($1), g(h(a)) FROM t")
    copied = mentions_of("COPY app.t (a, c) TO stdout;")
    asked = mentions_of("COPY t TO stdout")

    assert called is not None
    assert [called.uses_routine(Named("app", name)) for name in "fghi"] == [True, True, True, False]
    assert not called.uses_routine(Named("other", "f"))
    assert (copied and copied.backup, asked and asked.backup) == (True, False)
