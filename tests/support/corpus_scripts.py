r"""Scripts in the style of PostgreSQL's regression suite: everything in which a semicolon or a quote may hide.

Every statement is one that the parser accepts, so that psql and we meet the same ones; whether it then works does not
matter, but for COPY, whose data psql would otherwise take for statements.
"""

from __future__ import annotations

_STRINGS = r"""
-- strings
SELECT 'plain; text' AS a, 'it''s' AS b, '' AS c, '''' AS d;
SELECT E'back\'slash; \\' AS a, e'\;' AS b, E'''' AS c, E'\\' AS d;
SELECT U&'\0441\043B; ' AS a, U&'d!0061t!+000061;' UESCAPE '!' AS b, u&"d\0061t" FROM (SELECT 1 AS data) AS x(data);
SELECT B'101' AS a, X'1F' AS b, N'national; text' AS c, b'0', x'ff';
SELECT 'first line; '
    'second; '

  'third' AS joined;
SELECT E'a\'; '
    'b' AS joined, $$x$$ AS y;
SELECT 'no escape here \' AS a; SELECT 'C:\' AS path, '\\';
SELECT "odd; name", "with ""quotes; "" x" FROM (SELECT 1, 2) AS x("odd; name", "with ""quotes; "" x");
SELECT 'line end;
second line -- no comment
/* nor this */' AS a;
SELECT date'2026-01-01', interval'1 day', text 'x;', 1e5, 1.e5, .5, 1::text||';';
SELECT 'é; 日本; 🙂' AS "naïve; 名前";
"""

_DOLLARS = r"""
SELECT $$it's; "x" -- no /* comment$$ AS a, $a$ $$ ; $b$ $a$ AS b, $$$$ AS c, $a$$a$;
SELECT $_x1$ ; $x$ ; $_x1$ AS d, $é$ ; $é$ AS e, $Q$ ; $q$ ; $Q$ AS f;
SELECT a$b, c$$d FROM (SELECT 1, 2) AS x(a$b, c$$d);
PREPARE p1 (int, text) AS SELECT $1, $2 || ';', $1$$;$$;
PREPARE p2 (int) AS SELECT $1+$1, $1;
EXECUTE p2(1); DEALLOCATE ALL;
DO $$ BEGIN PERFORM 1; PERFORM $x$;$x$; END $$;
DO LANGUAGE plpgsql 'BEGIN PERFORM 1; PERFORM '';''; END';
DO $do$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT 1 AS n LOOP
        IF r.n = 1 THEN NULL; ELSE RAISE NOTICE 'never; %', r.n; END IF;
    END LOOP;
END;
$do$ LANGUAGE plpgsql;
"""

_COMMENTS = r"""
/* block; */ SELECT 1 /* inside; */, 2 -- rest; of line
, 3; -- behind; it
/* outer; /* inner; */ still outer; */ SELECT 2;
SELECT 3 /* unbalanced ' quote; " and $$ */ + 1;
SELECT 4 --; not the end
+ 1;
--only a comment; and nothing else
SELECT 5 -- it's
;
SELECT 6/**/;SELECT 7/*;*/;SELECT 8--;
;
;;  ; SELECT 9;;
SELECT 4 - -1, 4 --1
- 1, 8/2, 2*/*;*/3, 5 # 3, 5 @-@ 3, 'a' ~~* 'A', |/ 4.0, 1 <-- >
0;
"""

_OPERATORS = r"""
SELECT 1 # 2, 3 #- 1, '{"a": 1}'::jsonb #- '{a}', 2 ^ 3 % 5;
SELECT '[1,2]'::jsonb @> '1', '{"a":1}'::jsonb ? 'a', '{"a":1}'::jsonb ?| ARRAY['a;'], ARRAY[1,2][1], (ARRAY[1,2])[1:2];
SELECT x.a[1], (x.b).c, x.d::int[] FROM nowhere AS x WHERE a <> ALL (ARRAY[';', '(']) AND b IN ((1), (2));
SELECT 1 WHERE (((1 = 1)) AND ((';' = ';') OR (')' = '(')));
"""

_ROUTINES = r"""
CREATE SCHEMA corpus;
SET search_path TO corpus;
CREATE TABLE t (a int, "begin" int, "end" int, "case" text);
CREATE TABLE log (what text);
CREATE FUNCTION f1() RETURNS text LANGUAGE sql AS $$ SELECT 'a;'; $$;
CREATE OR REPLACE FUNCTION f2(a int) RETURNS int LANGUAGE sql AS 'SELECT a; -- '';''
';
CREATE FUNCTION f3(a int) RETURNS text
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO log VALUES ('begin;');
    SELECT CASE WHEN a > 0 THEN 'x;' ELSE CASE a WHEN 0 THEN 'y' END END;
END;
create or replace procedure p1(a int)
begin atomic
    insert into log values ('case; end;');
    update t set "begin" = 1, "end" = 2 where "case" = 'end;';
end;
CREATE FUNCTION f4() RETURNS int LANGUAGE sql BEGIN ATOMIC END;
CREATE FUNCTION f5() RETURNS int RETURN (SELECT max(a) FROM t);
CREATE FUNCTION f6(a int) RETURNS int LANGUAGE sql IMMUTABLE RETURN CASE WHEN a > 1 THEN 1 ELSE 2 END;
CREATE FUNCTION f7() RETURNS trigger AS $body$
BEGIN
    CASE WHEN TG_OP = 'INSERT' THEN INSERT INTO log VALUES ($$;$$); ELSE NULL; END CASE;
    RETURN NEW;
END;
$body$ LANGUAGE plpgsql;
CREATE FUNCTION "begin"() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;
CREATE FUNCTION f8("end" int, "case" int DEFAULT 1) RETURNS int LANGUAGE sql AS $$ SELECT 1; $$;
SELECT "begin"(), f8(1);
BEGIN;
INSERT INTO t VALUES (1);
END;
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE;
SAVEPOINT case_1;
ROLLBACK TO SAVEPOINT case_1;
RELEASE case_1;
COMMIT AND NO CHAIN;
START TRANSACTION READ ONLY;
ABORT;
CREATE VIEW v AS SELECT CASE WHEN a = 1 THEN 'x;' END AS "end" FROM t;
CREATE RULE r1 AS ON INSERT TO v DO INSTEAD (
    INSERT INTO log VALUES ('one;');
    INSERT INTO log VALUES ($$two;$$);
    NOTIFY changed, 'three;';
);
CREATE RULE r2 AS ON DELETE TO v DO INSTEAD (DELETE FROM t; ; DELETE FROM log);
CREATE RULE r3 AS ON UPDATE TO v DO INSTEAD NOTHING;
CREATE TRIGGER begin BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.a > 0) EXECUTE FUNCTION f7('a;', 'it''s');
CREATE SCHEMA corpus_2 CREATE TABLE u (a int) CREATE VIEW w AS SELECT ';' AS x CREATE INDEX ON u (a);
COMMENT ON FUNCTION f1() IS $$it's; done$$;
EXPLAIN (COSTS off) SELECT * FROM v;
ALTER TABLE t ADD CONSTRAINT "odd; check" CHECK ("case" <> ');('), ALTER a SET DEFAULT (1);
INSERT INTO t (a) VALUES (1), (2); DELETE FROM v; SELECT 'x' || CASE WHEN true THEN ';' END;
WITH w AS (INSERT INTO log VALUES ('with;') RETURNING what) SELECT * FROM w;
GRANT SELECT ON t TO public; REVOKE ALL ON t FROM public;
VACUUM t; CLUSTER; REINDEX TABLE t;
CREATE INDEX CONCURRENTLY ON t (a) WHERE "case" <> ';';
"""

_COPIES = r"""
CREATE TEMP TABLE c (a int, b text);
COPY c FROM stdin;
1	one; two
2	it's -- no comment
3	/* not open
4	$$ nor this $x$
5	\\.
6	SELECT 'x;
7	\N
\.
COPY c (a, b) FROM STDIN WITH (FORMAT csv, DELIMITER ';');
8;"quoted; ""x"" "
9;plain
\.
SELECT count(*) FROM c; COPY c FROM stdin;
\.
copy c from stdin with csv;
10,"it's"
\.
/* before; */ COPY c /* inside; */ FROM -- stdin
    stdin;
11	eleven
\.
SELECT sum(a) FROM c;
COPY (SELECT 'COPY x FROM stdin;') TO '/nowhere/at/all';
COPY c (b) FROM '/nowhere/at; all';
CREATE TABLE corpus_stdin (stdin int); SELECT stdin FROM corpus_stdin; DROP TABLE corpus_stdin;
SELECT 'last statement without its semicolon'
"""

SCRIPTS: dict[str, str] = {
    "strings": _STRINGS,
    "dollars": _DOLLARS,
    "comments": _COMMENTS,
    "operators": _OPERATORS,
    "routines": _ROUTINES,
    "copies": _COPIES,
}
SCRIPTS |= {f"{name}, CRLF": text.replace("\n", "\r\n") for name, text in SCRIPTS.items()}
SCRIPTS |= {
    "empty": "",
    "only comments": "-- nothing;\n/* here; */\n",
    "one line": "SELECT 1; SELECT 2; SELECT 3",
    "byte order mark": "\ufeffSELECT 1;\nSELECT 2;\n",
    "no line end behind a comment": "SELECT 1; -- end",
    "no line end behind data": "CREATE TEMP TABLE c (a int);\nCOPY c FROM stdin;\n1\n\\.",
    "data to the end of the file": "CREATE TEMP TABLE c (a int);\nCOPY c FROM stdin;\n1\n2\n",
    "standard_conforming_strings on": "SET standard_conforming_strings TO on;\nSELECT '\\';\nSELECT 2;\n",
}
"""Each script by its name."""
