"""Undos that people write, and what they forget: situations from public reports about tools that compare schemas."""

from __future__ import annotations

import psycopg
import pytest

from fixtures.postgres import Database
from fixtures.project import Project
from sqlmigrate import shadow
from sqlmigrate.roundtrip import Verdict
from sqlmigrate.schema.diff import as_text
from support.trips import NOTHING, one

pytestmark = pytest.mark.pg

WANTED = shadow.Wanted(bootstrap=NOTHING)

GROUND = """
CREATE TYPE kind AS ENUM ('a', 'b');
CREATE TABLE t (
    id int PRIMARY KEY, s varchar(9), v text, n int, k kind, a text[], j jsonb,
    g int GENERATED ALWAYS AS (n * 2) STORED,
    CONSTRAINT single CHECK (s IN ('a')),
    CONSTRAINT many CHECK (CASE WHEN n > 0 THEN s = 'a' WHEN n < 0 THEN s = 'b' ELSE true END),
    CONSTRAINT mixed CHECK (n BETWEEN 1 AND 9 OR v LIKE 'x%' AND NOT (n = 3)),
    CONSTRAINT enum CHECK (k IN ('a', 'b') AND cardinality(a) > 0 AND j ? 'x'),
    CONSTRAINT cast_to CHECK (v::integer > 1)
);
CREATE INDEX plain ON t (id) WHERE s IN ('a');
CREATE INDEX mixed ON t ((lower(v) || s)) WHERE s NOT IN ('a', 'b');
CREATE INDEX classy ON t (v text_pattern_ops, n DESC NULLS LAST) INCLUDE (id) WITH (fillfactor = 70);
CREATE STATISTICS st ON (n + 1), (lower(v)) FROM t;
CREATE RULE ru AS ON UPDATE TO t WHERE NEW.n IN (1, 2) DO ALSO SELECT 1;
CREATE POLICY po ON t AS RESTRICTIVE USING (s IN ('a', 'b') AND n BETWEEN 1 AND 2);
CREATE TABLE e (i int, CONSTRAINT ex EXCLUDE USING gist (int4range(i, i + 1) WITH &&) WHERE (i IN (1, 2)));
CREATE TABLE f (a int CONSTRAINT fk REFERENCES t ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, b int NOT NULL);
CREATE FUNCTION fu(a int DEFAULT 1) RETURNS int STRICT IMMUTABLE LANGUAGE sql AS 'select 1';
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'begin return new; end';
CREATE TRIGGER tr AFTER UPDATE ON t FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION tf();
CREATE VIEW w WITH (security_barrier) AS SELECT id, s FROM t WHERE s IN ('a', 'b');
CREATE RULE nothing AS ON INSERT TO w DO INSTEAD NOTHING;
CREATE UNIQUE INDEX fb ON f (b);
ALTER TABLE f CLUSTER ON fb;
ALTER TABLE f REPLICA IDENTITY USING INDEX fb;
ALTER INDEX mixed ALTER COLUMN 1 SET STATISTICS 500;
"""
PRINTED = {
    "checks": (
        "ALTER TABLE t DROP CONSTRAINT single, DROP CONSTRAINT many, DROP CONSTRAINT mixed, DROP CONSTRAINT enum",
        (
            "SELECT 'ALTER TABLE t ' || string_agg(format('ADD CONSTRAINT %I %s', conname, "
            "pg_get_constraintdef(oid, true)), ', ') FROM pg_constraint WHERE conrelid = 't'::regclass "
            "AND conname IN ('single', 'many', 'mixed', 'enum')"
        ),
    ),
    "an exclusion": (
        "ALTER TABLE e DROP CONSTRAINT ex",
        (
            "SELECT 'ALTER TABLE e ADD CONSTRAINT ex ' || pg_get_constraintdef(oid, true) FROM pg_constraint "
            "WHERE conname = 'ex'"
        ),
    ),
    "a partial index": ("DROP INDEX plain", "SELECT pg_get_indexdef('plain'::regclass, 0, true)"),
    "statistics": ("DROP STATISTICS st", "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext"),
    "a rule": ("DROP RULE ru ON t", "SELECT pg_get_ruledef(oid, true) FROM pg_rewrite WHERE rulename = 'ru'"),
    "a policy": (
        "DROP POLICY po ON t",
        (
            "SELECT format('CREATE POLICY po ON t AS RESTRICTIVE USING (%s)', pg_get_expr(polqual, polrelid, true)) "
            "FROM pg_policy"
        ),
    ),
    "a trigger": ("DROP TRIGGER tr ON t", "SELECT pg_get_triggerdef(oid, true) FROM pg_trigger WHERE tgname = 'tr'"),
}
LOSING = {
    "a policy's kind": ("DROP POLICY po ON t", "CREATE POLICY po ON t USING (s IN ('a', 'b') AND n BETWEEN 1 AND 2)"),
    "a cast": (
        "ALTER TABLE t DROP CONSTRAINT cast_to",
        "ALTER TABLE t ADD CONSTRAINT cast_to CHECK (v::numeric > 1)",
    ),
    "an operator class": (
        "DROP INDEX classy",
        "CREATE INDEX classy ON t (v, n DESC NULLS LAST) INCLUDE (id) WITH (fillfactor = 70)",
    ),
    "statistics of an index": (
        "DROP INDEX mixed",
        "CREATE INDEX mixed ON t ((lower(v) || s)) WHERE s NOT IN ('a', 'b')",
    ),
    "what a column is made of": (
        "ALTER TABLE t DROP COLUMN g",
        "ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (n * 3) STORED",
    ),
    "when a key is checked": (
        "ALTER TABLE f DROP CONSTRAINT fk",
        "ALTER TABLE f ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES t ON DELETE CASCADE DEFERRABLE",
    ),
    "the order of rows and replication": (
        "ALTER TABLE f REPLICA IDENTITY DEFAULT; DROP INDEX fb",
        "CREATE UNIQUE INDEX fb ON f (b)",
    ),
    "a function's properties": (
        "DROP FUNCTION fu",
        "CREATE FUNCTION fu(a int DEFAULT 1) RETURNS int IMMUTABLE LANGUAGE sql AS 'select 1'",
    ),
    "options and rules of a view": ("DROP VIEW w", "CREATE VIEW w AS SELECT id, s FROM t WHERE s IN ('a', 'b')"),
    "an element of a list": ("DROP INDEX plain", "CREATE INDEX plain ON t (id) WHERE s IN ('b')"),
}


@pytest.mark.parametrize(("change", "printed"), PRINTED.values(), ids=PRINTED)
def test_an_undo_that_is_copied_from_what_psql_shows_restores(
    throwaway_shadow: shadow.Shadow, project: Project, database: Database, change: str, printed: str
) -> None:
    with psycopg.connect(database.conninfo) as session:
        session.execute(GROUND)
        (text,) = session.execute(printed).fetchone() or ("",)

    found = one(project, throwaway_shadow, f"{change};", f"{text};", ground=GROUND)

    assert (found.verdict, as_text(found.differences)) == (Verdict.EXACT, [])


@pytest.mark.parametrize(("change", "undo"), LOSING.values(), ids=LOSING)
def test_an_undo_that_loses_a_little_does_not_restore(
    throwaway_shadow: shadow.Shadow, project: Project, change: str, undo: str
) -> None:
    found = one(project, throwaway_shadow, f"{change};", f"{undo};", ground=GROUND)

    assert found.verdict is Verdict.NOT_RESTORED
    assert found.differences
