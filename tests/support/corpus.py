"""A database with everything that has a syntax of its own, for dumps and for reading."""

from __future__ import annotations

_TYPES = r"""
CREATE SCHEMA app;
CREATE SCHEMA "Odd; Name";
COMMENT ON SCHEMA app IS 'one; two -- three /* four */ it''s $$five$$ \six';
CREATE TYPE app.mood AS ENUM ('sad', 'so;so', 'it''s', 'happy');
CREATE TYPE app.pair AS (a integer, b text);
CREATE TYPE app.spans AS RANGE (subtype = float8);
CREATE DOMAIN app.positive AS integer DEFAULT 1 CONSTRAINT positive CHECK (VALUE > 0);
CREATE SEQUENCE app.numbers START 100 INCREMENT 5 MINVALUE 1 CACHE 3;
CREATE COLLATION app.plain (locale = 'C');
CREATE TEXT SEARCH CONFIGURATION app.simple_words (COPY = pg_catalog.simple);
"""

_TABLES = r"""
CREATE TABLE app.users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "begin" timestamptz NOT NULL DEFAULT '2026-01-01',
    "end" timestamptz,
    name text NOT NULL DEFAULT E'a\'b\\c;d' COLLATE app.plain,
    lower_name text GENERATED ALWAYS AS (lower(name)) STORED,
    mood app.mood DEFAULT 'so;so',
    pair app.pair,
    tags text[] DEFAULT '{}',
    config jsonb DEFAULT '{"a": [1, "x;y"]}',
    raw bytea,
    amount numeric(12, 2),
    points app.positive,
    CONSTRAINT "odd; check" CHECK (CASE WHEN amount IS NULL THEN true ELSE amount > 0 END)
);
COMMENT ON COLUMN app.users."begin" IS 'COPY t FROM stdin;
1
\.';
CREATE TABLE "Odd; Name"."tab""le" ("col;umn" integer UNIQUE DEFERRABLE INITIALLY DEFERRED, "select" text);
CREATE TABLE app.events (id integer, day date NOT NULL, body text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE app.events_other PARTITION OF app.events DEFAULT;
CREATE TABLE app.parent (a integer);
CREATE TABLE app.child (b integer) INHERITS (app.parent);
CREATE TABLE app.booked (room integer, during tsrange, EXCLUDE USING gist (during WITH &&));
CREATE TABLE app.orders (
    id integer PRIMARY KEY,
    user_id bigint REFERENCES app.users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    number integer DEFAULT nextval('app.numbers')
);
CREATE UNLOGGED TABLE app.scratch (x integer) WITH (fillfactor = 70);
CREATE TABLE app.log (what text, at timestamptz DEFAULT '2026-01-01');
CREATE INDEX ON app.users (lower(name) text_pattern_ops) WHERE mood <> 'it''s';
CREATE UNIQUE INDEX users_by_name ON app.users (name, "begin" DESC NULLS LAST) INCLUDE (amount);
CREATE INDEX ON app.users USING gin (config);
CREATE STATISTICS app.together (dependencies) ON name, mood FROM app.users;
"""

_ROUTINES = r"""
CREATE FUNCTION app.dollar(text) RETURNS text LANGUAGE sql AS $$ SELECT $1 || ';' || $x$it's $1; $x$ $$;
CREATE FUNCTION app.quoted(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || '';'' -- no; comment
';
CREATE FUNCTION app.escaped() RETURNS text LANGUAGE sql AS E'SELECT ''it\'\'s; a\\\\b''::text';
CREATE FUNCTION app.tagged() RETURNS trigger LANGUAGE plpgsql AS $body_1$
DECLARE
    note text := $q$ it's; $$ $q$;
BEGIN
    /* a; /* nested; */ comment */
    IF TG_OP = 'INSERT' THEN
        INSERT INTO app.log (what) VALUES (note || CASE WHEN NEW.points > 1 THEN ';' ELSE E'\\;' END);
    END IF;
    RETURN NEW;
END;
$body_1$;
CREATE FUNCTION app.atomic(a integer) RETURNS text LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO app.log (what) VALUES ('a;' || a);
    SELECT CASE WHEN a > 0 THEN 'x;' ELSE CASE a WHEN 0 THEN 'y' END END;
END;
CREATE PROCEDURE app.move(INOUT a integer) LANGUAGE sql BEGIN ATOMIC SELECT a + 1; END;
CREATE FUNCTION app.expression(a integer, "b;c" integer DEFAULT 2) RETURNS integer IMMUTABLE RETURN a + "b;c";
CREATE FUNCTION app."it's; $odd$"() RETURNS integer LANGUAGE sql RETURN 1;
CREATE PROCEDURE app.commits() LANGUAGE plpgsql AS $_$ BEGIN COMMIT; ROLLBACK; END $_$;
CREATE AGGREGATE app.longest(text) (SFUNC = textcat, STYPE = text, INITCOND = ';');
CREATE OPERATOR app.#># (LEFTARG = integer, RIGHTARG = integer, FUNCTION = app.expression);
COMMENT ON FUNCTION app.dollar(text) IS E'tab\there; "quote" $$ \\ end';
"""

_VIEWS = r"""
CREATE VIEW app.names AS SELECT id, name, 'a;b' AS x, CASE WHEN mood = 'it''s' THEN 1 END AS c FROM app.users;
CREATE MATERIALIZED VIEW app.counts AS SELECT mood, count(*) FROM app.users GROUP BY mood;
CREATE RULE several AS ON INSERT TO app.names DO INSTEAD (
    INSERT INTO app.log (what) VALUES ('rule; one');
    INSERT INTO app.log (what) VALUES ($$rule; two$$);
);
CREATE TRIGGER note BEFORE INSERT OR UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION app.tagged('a;', 'b''c');
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY "who; sees" ON app.users FOR SELECT TO public USING (name <> 'it''s; so');
CREATE PUBLICATION changes FOR TABLE app.users, app.orders;
GRANT SELECT, INSERT (name) ON app.users TO migrator WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO public;
CREATE FUNCTION app.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NULL; END $$;
CREATE EVENT TRIGGER watch ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.on_ddl();
"""

_DATA = r"""
INSERT INTO app.users ("end", name, pair, tags, raw, amount, points, config)
SELECT NULL, 'name ' || n || E';\t\\.\n\\N it''s $$ "q" é🙂',
       ROW(n, 'x,"y;'::text)::app.pair, ARRAY['a;b', 'c"d', NULL, ''],
       decode(lpad(to_hex(n), 4, '0'), 'hex'), n + 0.5, n, jsonb_build_object('k;', E'a\nb\\c')
FROM generate_series(1, 200) AS n;
INSERT INTO app.users (name, amount) VALUES ('', NULL), (E'\\.', 1), (E'\\N', 2), (E'\r\n', 3), (' ', 4), (';', 5);
INSERT INTO "Odd; Name"."tab""le" VALUES (1, '\.'), (2, '\N'), (NULL, NULL), (3, 'COPY x FROM stdin;'), (4, '');
INSERT INTO app.events SELECT n, '2026-01-01'::date + n, repeat('x;', n) FROM generate_series(1, 60) AS n;
INSERT INTO app.child VALUES (1, 2), (3, 4);
INSERT INTO app.booked VALUES (1, '[2026-01-01, 2026-01-02)'), (2, NULL);
INSERT INTO app.orders SELECT n, n FROM generate_series(1, 50) AS n;
REFRESH MATERIALIZED VIEW app.counts;
SELECT setval('app.numbers', 5000);
"""


def rich_schema() -> str:
    """Give SQL that makes a database of which pg_dump needs nearly every statement and quote that it knows."""
    return _TYPES + _TABLES + _ROUTINES + _VIEWS + _DATA
