"""Some fifty definitions, and undo scripts for them as people copy them from psql's `\\d` or from pg_dump.

77 stands in every definition, so that another undo can be made from it that is wrong in each of them.
"""

from __future__ import annotations

from typing import Any

import psycopg

TABLES = """
CREATE TABLE t (
    id int PRIMARY KEY, status varchar(20), kind char(4), a int, b int, note text, at timestamptz, day date,
    tags text[], doc jsonb, price numeric(10, 2), active boolean, span int4range, big bigint, real real
);
CREATE TABLE u (t_id int, label varchar(9), a int);
CREATE TABLE parts (day date, k int) PARTITION BY RANGE (day);
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
"""
CHECKS = [
    "status IN ('new', 'p77')",
    "status NOT IN ('new', 'p77')",
    "kind IN ('new', 'p77')",
    "a BETWEEN 1 AND 77 AND b > 0",
    "a NOT BETWEEN 1 AND 77 OR b > 0 OR a IS NULL",
    "a = ANY ('{1,77}')",
    "note LIKE 'p77%' OR note ~ '^a' OR note ILIKE '%b'",
    "NOT (a IS NULL OR b = 77)",
    "(a > 77) = active",
    "CASE WHEN a > 77 THEN b > 0 WHEN b IS NULL THEN active ELSE NOT active END",
    "CASE status WHEN 'new' THEN a = 77 ELSE true END",
    "price IN (1, 77)",
    "big IN (1, 77) AND real > 7.77",
    "at >= '2077-01-01' AND at < '2077-01-02 03:04+05'",
    "day BETWEEN '2026-01-01' AND '2077-12-31'",
    "char_length(note) BETWEEN 1 AND 77 AND note NOT LIKE '%''%'",
    "a IS DISTINCT FROM b + 77",
    "coalesce(a, b, 0) + 1 < 77 * (2 + 3) - -1",
    "doc ? 'k' AND doc ->> 'x' IN ('a', 'p77')",
    "tags <@ ARRAY['a', 'p77']",
    "extract(year FROM day) > 1977",
    "(a, b) < (1, 77)",
    "note SIMILAR TO 'a|p77'",
    "77 <@ span OR span IS NULL",
    "(a > 0 AND b > 0) AND (note IS NOT NULL AND a <> 77)",
    "length(trim(both ' ' FROM status)) < 77",
    "at AT TIME ZONE 'UTC' > '1977-01-01'",
    """status::text || kind <> 'p77' AND (note COLLATE "C") > 'x'""",
]
INDEXES = [
    "(id) WHERE status IN ('new', 'p77')",
    "(lower(status), (a + 77), b DESC NULLS LAST)",
    "(note text_pattern_ops, coalesce(status, 'p77')) INCLUDE (b)",
    "((doc ->> 'p77')) WHERE a BETWEEN 1 AND 3 AND active",
    "USING gin (doc jsonb_path_ops) WHERE kind IN ('a', 'p77')",
]
VIEWS = [
    "SELECT id FROM t WHERE status IN ('new', 'p77')",
    "SELECT * FROM t JOIN (SELECT t_id AS id, label FROM u) AS x USING (id) WHERE t.a BETWEEN 1 AND 77",
    "WITH w AS (SELECT a, count(*) AS n FROM t GROUP BY a HAVING count(*) > 77) SELECT w.a, w.n + 1 AS m FROM w",
    "SELECT id, row_number() OVER (PARTITION BY status ORDER BY a DESC) AS r FROM t WHERE kind NOT IN ('p77', 'x')",
    "SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE t_id = t.id AND label IN ('a', 'p77')) UNION ALL SELECT 77",
    "SELECT t.id, u.label FROM t LEFT JOIN u ON u.t_id = t.id AND u.a = 77 ORDER BY t.id LIMIT 9",
]
OTHERS = """
ALTER TABLE t ADD CONSTRAINT x EXCLUDE USING gist (span WITH &&) WHERE (status IN ('new', 'p77') AND b > 0);
ALTER TABLE t ALTER note SET DEFAULT CASE WHEN current_user IN ('a', 'p77') THEN 'y' ELSE 'n' END;
ALTER TABLE t ALTER at SET DEFAULT now() + interval '77 days';
ALTER TABLE t ALTER tags SET DEFAULT ARRAY['a'::varchar, 'p77'];
CREATE MATERIALIZED VIEW m AS SELECT id FROM t WHERE status IN ('new', 'p77') AND a BETWEEN 1 AND 2;
CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW
    WHEN (old.status IN ('new', 'p77') AND new.a BETWEEN 1 AND 3) EXECUTE FUNCTION touch('x) EXECUTE');
CREATE RULE r AS ON DELETE TO u WHERE old.label IN ('a', 'p77') DO ALSO DELETE FROM parts WHERE k BETWEEN old.a AND 9;
CREATE POLICY p ON t USING (status IN ('new', 'p77') AND EXISTS (SELECT FROM u WHERE t_id = id AND label IN ('a', 'b')))
    WITH CHECK (kind IN ('new', 'p77'));
CREATE STATISTICS s (mcv) ON a, (status IN ('new', 'p77')), lower(note) FROM t;
CREATE DOMAIN d AS varchar(9);
ALTER DOMAIN d ADD CONSTRAINT dc CHECK (VALUE IN ('a', 'p77') AND length(VALUE) BETWEEN 1 AND 9);
CREATE FUNCTION f(x text[] DEFAULT ARRAY['a'::varchar, 'p77']) RETURNS boolean LANGUAGE sql STABLE
    BEGIN ATOMIC SELECT bool_or(status IN ('new', 'p77')) FROM t WHERE note = ANY (x); END;
"""
# The undo of each object as psql or pg_dump prints it, and what drops it, the first one first.
_UNDO = """
WITH style AS (SELECT %(pretty)s::boolean AS pretty), found AS (
    SELECT 1 AS rank, format('DROP MATERIALIZED VIEW %%s', c.oid::regclass) AS drop,
           format('CREATE MATERIALIZED VIEW %%s AS %%s', c.oid::regclass, pg_get_viewdef(c.oid, pretty)) AS undo
    FROM style, pg_class AS c WHERE relkind = 'm' AND relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 1, format('DROP VIEW %%s', c.oid::regclass),
           format('CREATE VIEW %%s AS %%s', c.oid::regclass, pg_get_viewdef(c.oid, pretty))
    FROM style, pg_class AS c WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT 1, format('DROP FUNCTION %%s', oid::regprocedure), pg_get_functiondef(oid) || ';'
    FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = 'f'
    UNION ALL
    SELECT 2, format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname),
           format('ALTER TABLE ONLY %%s ADD CONSTRAINT %%I %%s;', conrelid::regclass, conname,
                  pg_get_constraintdef(oid, pretty))
    FROM style, pg_constraint WHERE conrelid <> 0 AND contype IN ('c', 'x') AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 2, format('ALTER DOMAIN %%s DROP CONSTRAINT %%I', contypid::regtype, conname),
           format('ALTER DOMAIN %%s ADD CONSTRAINT %%I %%s;', contypid::regtype, conname,
                  pg_get_constraintdef(oid, pretty))
    FROM style, pg_constraint WHERE contypid <> 0 AND contype = 'c' AND connamespace = 'public'::regnamespace
    UNION ALL
    SELECT 2, format('DROP INDEX %%s', indexrelid::regclass), pg_get_indexdef(indexrelid, 0, pretty) || ';'
    FROM style, pg_index WHERE indexrelid::regclass::text LIKE 'i%%'
    UNION ALL
    SELECT 2, format('DROP TRIGGER %%I ON %%s', tgname, tgrelid::regclass), pg_get_triggerdef(oid, pretty) || ';'
    FROM style, pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 2, format('DROP RULE %%I ON %%s', rulename, ev_class::regclass), pg_get_ruledef(oid, pretty)
    FROM style, pg_rewrite WHERE rulename = 'r'
    UNION ALL
    SELECT 2, format('DROP POLICY %%I ON %%s', polname, polrelid::regclass),
           format('CREATE POLICY %%I ON %%s USING (%%s) WITH CHECK (%%s);', polname, polrelid::regclass,
                  pg_get_expr(polqual, polrelid, pretty), pg_get_expr(polwithcheck, polrelid, pretty))
    FROM style, pg_policy
    UNION ALL
    SELECT 2, format('DROP STATISTICS %%I', stxname), pg_get_statisticsobjdef(oid) || ';'
    FROM pg_statistic_ext
    UNION ALL
    SELECT 2, format('ALTER TABLE %%s ALTER %%I DROP DEFAULT', adrelid::regclass, attname),
           format('ALTER TABLE %%s ALTER %%I SET DEFAULT %%s;', adrelid::regclass, attname,
                  pg_get_expr(adbin, adrelid, pretty))
    FROM style, pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
)
SELECT drop, undo FROM found ORDER BY rank
"""


def ground() -> str:
    """Give the script that makes all of them."""
    checks = [f"ALTER TABLE t ADD CONSTRAINT c{number} CHECK ({text});" for number, text in enumerate(CHECKS)]
    indexes = [f"CREATE INDEX i{number} ON t {text};" for number, text in enumerate(INDEXES)]
    views = [f"CREATE VIEW v{number} AS {text};" for number, text in enumerate(VIEWS)]
    return "\n".join([TABLES, *checks, *indexes, *views, OTHERS])


def pair(session: psycopg.Connection[Any], *, pretty: bool) -> tuple[str, str, int]:
    """Give the script that drops them all, one that makes them again as they are printed, and how many there are."""
    rows = session.execute(_UNDO, {"pretty": pretty}).fetchall()
    drops = ";\n".join(drop for drop, _ in rows) + ";"
    undos = "\n".join(undo if undo.endswith(";") else f"{undo};" for _, undo in reversed(rows))
    return drops, undos, len(rows)
