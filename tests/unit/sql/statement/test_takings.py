"""What a script takes away, as its parse trees tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.narrowing import narrows
from sqlmigrate.sql.statement.takings import takes_something, takings_of


def script(text):
    return script_from_text(Path("a.sql"), text)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TYPE mood AS ENUM ('a');\nALTER TYPE mood OWNER TO joe;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM t';",
        "INSERT INTO t VALUES ('DROP TABLE t');",
        "DROP INDEX i; DROP POLICY p ON t; DROP TRIGGER g ON t; ALTER TABLE t DROP CONSTRAINT c;",
        "ALTER TABLE t ALTER c DROP DEFAULT, ALTER c DROP NOT NULL;",
        "DELETE FROM t WHERE n = 1; DELETE FROM t USING u WHERE u.n = t.n;",
        "CREATE TABLE t (n int REFERENCES u ON DELETE CASCADE);",
        "DO $$ BEGIN EXECUTE 'DROP POLICY p ON t'; END $$;",
        "ALTER TYPE pair DROP ATTRIBUTE a;",
        "-- DROP TABLE t\nSELECT 1;",
    ],
)
def test_these_take_nothing(text):
    assert not takes_something(script(text))


@pytest.mark.parametrize(
    ("text", "how", "kind"),
    [
        ("DROP TABLE t", "drops", "relation"),
        ("drop domain d", "drops", "type"),
        ("DROP OWNED BY joe", "drops", "role"),
        ("DROP DATABASE d", "unclear", ""),
        ("ALTER TABLE t ALTER COLUMN c SET DATA TYPE int", "retypes", "column"),
        ('ALTER TABLE t ALTER /* why */ "a b" -- so\n TYPE int', "retypes", "column"),
        ("TRUNCATE t", "empties", "relation"),
        ("DELETE FROM t", "empties", "relation"),
        ("DELETE FROM t WHERE id >= $1 AND id <= $2", "empties", "relation"),
        ("DO $$ BEGIN IF true THEN DELETE FROM t; END IF; END $$", "empties", "relation"),
        ("DO $$ BEGIN EXECUTE 'DROP TABLE ' || 't'; END $$", "unclear", ""),
    ],
)
def test_these_take_something(text, how, kind):
    assert takes_something(script(f"SELECT 1;\n{text};\n"))
    assert (how, kind, 2) in [(act.how, act.kind, act.line) for act in takings_of(script(f"SELECT 1;\n{text};\n"))]


NUMERIC_10_4, TEXT_20 = ((10 << 16) | 4) + 4, 24


@pytest.mark.parametrize(
    ("old", "modifier", "new", "lost"),
    [
        ("varchar", TEXT_20, "varchar(10) USING c::varchar(10)", "may be cut"),
        ("varchar", TEXT_20, "varchar(20) USING c::varchar(20)", ""),
        ("varchar", TEXT_20, "varchar(10)", ""),
        ("varchar", TEXT_20, "text", ""),
        ("_text", -1, "varchar(3)[] USING c::varchar(3)[]", "may be cut"),
        ("text", -1, "name", "may be cut"),
        ("numeric", NUMERIC_10_4, "numeric(10,2)", "may be rounded"),
        ("numeric", NUMERIC_10_4, "numeric(12,4)", ""),
        ("numeric", -1, "numeric(12,4)", "may be rounded"),
        ("numeric", NUMERIC_10_4, "numeric", ""),
        ("numeric", NUMERIC_10_4, "bigint", "may be rounded"),
        ("int4", -1, "numeric(4,-2)", "may be rounded"),
        ("int8", -1, "int2", ""),
        ("int8", -1, "float8", "may be rounded"),
        ("int4", -1, "float8", ""),
        ("float8", -1, "real", "may be rounded"),
        ("timestamptz", -1, "date", "may be cut"),
        ("timestamptz", -1, "timestamp(0)", "may be cut"),
        ("timestamp", 0, "timestamp(3)", ""),
        ("timestamptz", -1, "timestamp USING c AT TIME ZONE 'UTC'", ""),
        ("date", -1, "timestamp", ""),
        ("text", -1, "text USING lower(c)", "are made anew by USING"),
        ("text", -1, "text USING 'x'", "are overwritten"),
        ("text", -1, "text USING other", "are overwritten"),
        ("varbit", 8, "bit(4) USING c::bit(4)", "may be cut"),
    ],
)
def test_a_new_type_may_cut_values(old, modifier, new, lost):
    (act,) = takings_of(script(f"ALTER TABLE t ALTER c TYPE {new};"))

    assert act.retype is not None
    assert narrows(old, modifier, act.retype) == lost
