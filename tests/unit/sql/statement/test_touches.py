from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.names import Named, accesses_of


def found(text: str, functions=()):
    return accesses_of(script_from_text(Path("a.sql"), text), functions)


@pytest.mark.parametrize(
    ("text", "reads", "writes"),
    [
        ("SELECT a FROM shop.t JOIN u USING (a)", {"shop.t", "u"}, set()),
        ("INSERT INTO t SELECT a FROM u", {"u"}, {"t"}),
        ("UPDATE t SET a = (SELECT a FROM u) FROM v", {"u", "v"}, {"t"}),
        ("DELETE FROM t USING u WHERE t.a = u.a", {"u"}, {"t"}),
        ("MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE", {"u"}, {"t"}),
        ("CREATE TABLE t (a bigint REFERENCES u, b mood)", {"u", "mood"}, {"t"}),
        ("CREATE TABLE t AS SELECT * FROM u", {"u"}, {"t"}),
        ("CREATE VIEW v AS SELECT * FROM t", {"t"}, {"v"}),
        ("ALTER TABLE t ADD CONSTRAINT c FOREIGN KEY (a) REFERENCES u", {"u"}, {"t"}),
        ("ALTER TABLE t RENAME TO u", set(), {"t", "u"}),
        ("CREATE INDEX i ON t (lower(a))", {"lower"}, {"t", "i"}),
        ("DROP TABLE a, shop.b", set(), {"a", "shop.b"}),
        ("DROP TRIGGER x ON shop.t", set(), {"shop.t"}),
        ("DROP POLICY x ON t", set(), {"t"}),
        ("DROP FUNCTION f(integer)", set(), {"f"}),
        ("DROP TYPE mood", set(), {"mood"}),
        ("COMMENT ON COLUMN shop.t.a IS 'x'", set(), {"shop.t"}),
        ("COMMENT ON TABLE t IS 'x'", set(), {"t"}),
        ("CREATE TRIGGER x AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", set(), {"t", "f"}),
        ("CREATE POLICY p ON t USING (a IN (SELECT a FROM u))", {"u"}, {"t"}),
        ("CREATE TYPE mood AS ENUM ('sad')", set(), {"mood"}),
        ("ALTER TYPE mood ADD VALUE 'glad'", set(), {"mood"}),
        ("CREATE DOMAIN d AS integer", set(), {"d"}),
        ("GRANT SELECT ON t TO PUBLIC", set(), {"t"}),
        ("TRUNCATE t, u", set(), {"t", "u"}),
        ("COPY t FROM '/x'", set(), {"t"}),
        ("LOCK TABLE t", set(), {"t"}),
        ("SET search_path = shop", set(), set()),
    ],
)
def test_a_statement_reads_and_writes(text, reads, writes):
    touched = found(text)

    assert {str(name) for name in touched.reads} == reads
    assert {str(name) for name in touched.writes} == writes
    assert touched.all_of_it == []


@pytest.mark.parametrize(
    ("text", "schemas"),
    [
        ("CREATE SCHEMA shop", {"shop"}),
        ("DROP SCHEMA shop CASCADE", {"shop"}),
        ("GRANT SELECT ON ALL TABLES IN SCHEMA shop, other TO PUBLIC", {"shop", "other"}),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA shop GRANT SELECT ON TABLES TO PUBLIC", {"shop"}),
    ],
)
def test_some_statements_touch_whole_schemas(text, schemas):
    assert found(text).schemas == schemas


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT 1;\nDO $$ BEGIN END $$", "a DO block in line 2"),
        ("CALL p()", "CALL in line 1"),
        ("SELECT shop.f(a) FROM t", "a call of f in line 1"),
        ("DROP OWNED BY x", "DROP OWNED in line 1"),
        ("CREATE NOTHING AT ALL", "line 1, which cannot be parsed"),
    ],
)
def test_what_the_parse_tree_cannot_tell_may_be_anything(text, why):
    assert found(text, ["f"]).all_of_it == [why]


def test_names_without_a_schema_may_be_any():
    assert Named("", "t").may_be(Named("shop", "t"))
    assert Named("shop", "t").may_be(Named("", "t"))
    assert not Named("shop", "t").may_be(Named("other", "t"))
    assert not Named("", "t").may_be(Named("", "u"))
