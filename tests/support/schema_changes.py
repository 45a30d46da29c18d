"""Single changes of the base database, each with its inverse and the object in which it must be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

UNDONE_BY_ROLLBACK: Final = None


@dataclass(frozen=True)
class Case:
    """One statement that changes a schema; `undo` takes it back, or else a rollback does."""

    change: str
    undo: str | None
    seen: str
    setup: str = ""
    since: int = 14
    extension: str | None = None

    def __str__(self) -> str:
        return self.change.replace("\n", " ")[:70]


def _own(statement: str, kind: str, name: str, *, since: int = 14) -> Case:
    """Give another owner and back."""
    return Case(f"ALTER {statement} OWNER TO cat_owner", f"ALTER {statement} OWNER TO CURRENT_USER", f"{kind} {name}: owner", "", since)


def _comment(on: str, seen: str) -> Case:
    return Case(f"COMMENT ON {on} IS 'said'", f"COMMENT ON {on} IS NULL", f"{seen}: comment")


def _alter(thing: str, change: str, undo: str | None, seen: str, *, setup: str = "", since: int = 14) -> Case:
    return Case(f"ALTER {thing} {change}", undo and f"ALTER {thing} {undo}", seen, setup, since)


TABLES = [
    Case("CREATE TABLE app.t (a integer PRIMARY KEY)", "DROP TABLE app.t", "+ table app.t"),
    Case("CREATE TABLE public.t (a integer)", "DROP TABLE public.t", "+ table public.t"),
    Case("CREATE TABLE pg_catalog.t ()", "DROP TABLE pg_catalog.t", "+ table t", "SET LOCAL allow_system_table_mods = on"),
    _alter("TABLE app.parent", "RENAME TO father", None, "+ table app.father"),
    Case("ALTER TABLE app.orders RENAME TO sales", "ALTER TABLE app.sales RENAME TO orders", "+ table app.sales"),
    Case("ALTER TABLE app.orders SET SCHEMA other", "ALTER TABLE other.orders SET SCHEMA app", "+ table other.orders"),
    _own("TABLE app.orders", "table", "app.orders"),
    Case("GRANT SELECT ON app.orders TO cat_reader", "REVOKE SELECT ON app.orders FROM cat_reader", "table app.orders: acl"),
    Case("REVOKE DELETE ON app.orders FROM CURRENT_USER", "GRANT DELETE ON app.orders TO CURRENT_USER", "table app.orders: acl"),
    Case("GRANT SELECT ON app.orders TO cat_reader WITH GRANT OPTION", "REVOKE ALL ON app.orders FROM cat_reader", "table app.orders: acl"),
    Case("GRANT USAGE ON TYPE app.orders TO cat_reader", "REVOKE USAGE ON TYPE app.orders FROM cat_reader", "table app.orders: row type acl"),
    _comment("TABLE app.orders", "table app.orders"),
    _alter("TABLE app.orders", "ENABLE ROW LEVEL SECURITY", "DISABLE ROW LEVEL SECURITY", "table app.orders: row security"),
    _alter("TABLE app.orders", "FORCE ROW LEVEL SECURITY", "NO FORCE ROW LEVEL SECURITY", "table app.orders: forced row security"),
    _alter("TABLE app.orders", "SET UNLOGGED", "SET LOGGED", "table app.orders: unlogged", setup="ALTER TABLE app.items DROP CONSTRAINT items_order_id_fkey; ALTER TABLE app.orders DROP CONSTRAINT orders_customer; DROP PUBLICATION cat_publication"),
    _alter("TABLE app.orders", "SET (fillfactor = 70)", "RESET (fillfactor)", "table app.orders: options"),
    _alter("TABLE app.customers", "SET (toast.autovacuum_enabled = off)", "RESET (toast.autovacuum_enabled)", "table app.customers: toast options"),
    _alter("TABLE app.orders", "REPLICA IDENTITY FULL", "REPLICA IDENTITY DEFAULT", "table app.orders: replica identity"),
    _alter("TABLE app.orders", "REPLICA IDENTITY USING INDEX orders_pkey", "REPLICA IDENTITY DEFAULT", "index app.orders_pkey: replica identity"),
    _alter("TABLE app.orders", "CLUSTER ON orders_placed", "SET WITHOUT CLUSTER", "index app.orders_placed: clustered"),
    _alter("TABLE app.child", "NO INHERIT app.parent", None, "table app.child: inherits"),
    _alter("TABLE app.typed", "NOT OF", "OF app.pair", "table app.typed: of type"),
    _alter("TABLE app.events", "ATTACH PARTITION app.events_2021 FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')", None, "table app.events_2021: partition"),
    Case("ALTER TABLE app.events DETACH PARTITION app.events_2020", "ALTER TABLE app.events ATTACH PARTITION app.events_2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')", "table app.events_2020: partition of", "ALTER TABLE app.events DETACH PARTITION app.events_2020; ALTER TABLE app.events ATTACH PARTITION app.events_2020 FOR VALUES FROM ('2020-01-01') TO ('2021-01-01')"),
    Case("UPDATE pg_inherits SET inhdetachpending = true WHERE inhrelid = 'app.events_2020'::regclass", "UPDATE pg_inherits SET inhdetachpending = false WHERE inhrelid = 'app.events_2020'::regclass", "table app.events_2020: detach pending", "SET LOCAL allow_system_table_mods = on"),
    Case("CREATE TABLE app.events_default PARTITION OF app.events DEFAULT", "DROP TABLE app.events_default", "+ table app.events_default"),
    _alter("TABLE app.parent", "SET ACCESS METHOD cat_heap", "SET ACCESS METHOD heap", "table app.parent: access method", since=15),
]
COLUMNS = [
    _alter("TABLE app.customers", "ADD COLUMN extra integer", "DROP COLUMN extra", "+ column app.customers.extra"),
    _alter("TABLE app.customers", "DROP COLUMN note", None, "- column app.customers.note"),
    Case("ALTER TABLE app.customers RENAME COLUMN name TO title", "ALTER TABLE app.customers RENAME COLUMN title TO name", "+ column app.customers.title"),
    _alter("TABLE app.customers", "ALTER note TYPE text", "ALTER note TYPE varchar(40)", "column app.customers.note: type"),
    _alter("TABLE app.customers", "ALTER note TYPE varchar(40) COLLATE \"C\"", "ALTER note TYPE varchar(40)", "column app.customers.note: collation"),
    _alter("TABLE app.customers", "ALTER email SET NOT NULL", "ALTER email DROP NOT NULL", "column app.customers.email: not null"),
    _alter("TABLE app.customers", "ALTER email SET DEFAULT 'x'", "ALTER email DROP DEFAULT", "column app.customers.email: default"),
    _alter("TABLE app.customers", "ALTER total DROP EXPRESSION", None, "column app.customers.total: generated"),
    _alter("TABLE app.customers", "ADD COLUMN twice integer GENERATED ALWAYS AS (id * 2) VIRTUAL", "DROP COLUMN twice", "+ column app.customers.twice", since=18),
    _alter("TABLE app.customers", "ALTER total SET EXPRESSION AS (id * 3)", "ALTER total SET EXPRESSION AS (id * 2)", "column app.customers.total: generated", since=17),
    _alter("TABLE app.customers", "ALTER serial SET GENERATED ALWAYS", "ALTER serial SET GENERATED BY DEFAULT", "column app.customers.serial: identity"),
    _alter("TABLE app.customers", "ALTER serial DROP IDENTITY", "ALTER serial ADD GENERATED BY DEFAULT AS IDENTITY", "column app.customers.serial: identity"),
    _alter("TABLE app.customers", "ALTER email SET STORAGE EXTERNAL", "ALTER email SET STORAGE EXTENDED", "column app.customers.email: storage"),
    _alter("TABLE app.customers", "ALTER email SET COMPRESSION pglz", "ALTER email SET COMPRESSION DEFAULT", "column app.customers.email: compression"),
    _alter("TABLE app.customers", "ALTER email SET STATISTICS 500", "ALTER email SET STATISTICS -1", "column app.customers.email: statistics target"),
    _alter("TABLE app.customers", "ALTER email SET (n_distinct = 5)", "ALTER email RESET (n_distinct)", "column app.customers.email: options"),
    Case("GRANT UPDATE (email) ON app.customers TO cat_reader", "REVOKE UPDATE (email) ON app.customers FROM cat_reader", "column app.customers.email: acl"),
    _comment("COLUMN app.customers.email", "column app.customers.email"),
    _comment("COLUMN app.pair.a", "attribute app.pair.a"),
    _comment("COLUMN app.busy.name", "column app.busy.name"),
    _alter("TABLE app.parent", "ADD COLUMN c integer", "DROP COLUMN c", "+ column app.child.c"),
    _alter("TABLE app.child", "ADD COLUMN c integer", "DROP COLUMN c", "+ column app.child.c"),
]
CONSTRAINTS = [
    _alter("TABLE app.orders", "ADD CONSTRAINT c CHECK (amount < 5)", "DROP CONSTRAINT c", "+ constraint c on app.orders"),
    _alter("TABLE app.orders", "ADD CONSTRAINT c CHECK (amount < 5) NOT VALID", "DROP CONSTRAINT c", "+ constraint c on app.orders"),
    _alter("TABLE app.orders", "VALIDATE CONSTRAINT c", None, "constraint c on app.orders: not valid", setup="ALTER TABLE app.orders ADD CONSTRAINT c CHECK (amount < 5) NOT VALID"),
    _alter("TABLE app.orders", "ALTER CONSTRAINT orders_customer DEFERRABLE INITIALLY DEFERRED", "ALTER CONSTRAINT orders_customer NOT DEFERRABLE", "constraint orders_customer on app.orders: initially deferred"),
    _alter("TABLE app.orders", "ALTER CONSTRAINT orders_customer NOT ENFORCED", None, "constraint orders_customer on app.orders: not enforced", since=18),
    _alter("TABLE app.customers", "ADD CONSTRAINT n NOT NULL email NOT VALID", "DROP CONSTRAINT n", "+ constraint n on app.customers", since=18),
    Case("ALTER TABLE app.orders RENAME CONSTRAINT orders_amount TO c", "ALTER TABLE app.orders RENAME CONSTRAINT c TO orders_amount", "+ constraint c on app.orders"),
    _alter("TABLE app.orders", "DROP CONSTRAINT orders_customer", "ADD CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES app.customers", "- constraint orders_customer on app.orders"),
    _alter("TABLE app.items", "ADD CONSTRAINT e EXCLUDE USING btree (id WITH =)", "DROP CONSTRAINT e", "+ constraint e on app.items"),
    _alter("TABLE app.items", "ADD CONSTRAINT u UNIQUE NULLS NOT DISTINCT (id)", "DROP CONSTRAINT u", "+ constraint u on app.items", since=15),
    _comment("CONSTRAINT orders_amount ON app.orders", "constraint orders_amount on app.orders"),
    _comment("CONSTRAINT positive_check ON DOMAIN app.positive", "domain constraint positive_check on app.positive"),
    _alter("DOMAIN app.positive", "ADD CONSTRAINT c CHECK (VALUE < 100)", "DROP CONSTRAINT c", "+ domain constraint c on app.positive"),
    _alter("DOMAIN app.positive", "ADD CONSTRAINT c CHECK (VALUE < 100) NOT VALID", "DROP CONSTRAINT c", "+ domain constraint c on app.positive"),
    _alter("DOMAIN app.positive", "VALIDATE CONSTRAINT c", None, "domain constraint c on app.positive: not valid", setup="ALTER DOMAIN app.positive ADD CONSTRAINT c CHECK (VALUE < 9) NOT VALID"),
]
INDEXES = [
    Case("CREATE INDEX i ON app.orders (amount) WHERE amount > 0", "DROP INDEX app.i", "+ index app.i"),
    Case("CREATE INDEX i ON ONLY app.events (at)", "DROP INDEX app.i", "USING btree (at) (invalid)"),
    Case("ALTER INDEX app.orders_placed RENAME TO i", "ALTER INDEX app.i RENAME TO orders_placed", "+ index app.i"),
    _alter("INDEX app.orders_placed", "SET (fillfactor = 50)", "RESET (fillfactor)", "index app.orders_placed: definition"),
    _alter("INDEX app.orders_expression", "ALTER COLUMN 1 SET STATISTICS 100", "ALTER COLUMN 1 SET STATISTICS -1", "index app.orders_expression: statistics targets"),
    Case("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.orders_placed'::regclass", "UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'app.orders_placed'::regclass", "index app.orders_placed: invalid", "SET LOCAL allow_system_table_mods = on"),
    Case("UPDATE pg_index SET indisready = false WHERE indexrelid = 'app.orders_placed'::regclass", "UPDATE pg_index SET indisready = true WHERE indexrelid = 'app.orders_placed'::regclass", "index app.orders_placed: not ready", "SET LOCAL allow_system_table_mods = on"),
    _comment("INDEX app.orders_placed", "index app.orders_placed"),
    Case("CREATE STATISTICS app.s ON id, placed FROM app.orders", "DROP STATISTICS app.s", "+ statistics object app.s"),
    _alter("STATISTICS app.correlated", "SET STATISTICS 10", "SET STATISTICS -1", "statistics object app.correlated: statistics target"),
    _own("STATISTICS app.correlated", "statistics object", "app.correlated"),
    _comment("STATISTICS app.correlated", "statistics object app.correlated"),
]
SEQUENCES = [
    Case("CREATE SEQUENCE app.s", "DROP SEQUENCE app.s", "+ sequence app.s"),
    _alter("SEQUENCE app.numbers", "INCREMENT 10", "INCREMENT 2", "sequence app.numbers: increment"),
    _alter("SEQUENCE app.numbers", "MAXVALUE 100", "NO MAXVALUE", "sequence app.numbers: maximum"),
    _alter("SEQUENCE app.numbers", "CYCLE", "NO CYCLE", "sequence app.numbers: cycle"),
    _alter("SEQUENCE app.numbers", "OWNED BY app.orders.amount", "OWNED BY NONE", "sequence app.numbers: owned by"),
    Case("GRANT USAGE ON SEQUENCE app.numbers TO cat_reader", "REVOKE USAGE ON SEQUENCE app.numbers FROM cat_reader", "sequence app.numbers: acl"),
    _comment("SEQUENCE app.numbers", "sequence app.numbers"),
]
TRIGGERS = [
    Case("CREATE TRIGGER t AFTER INSERT ON app.orders FOR EACH ROW WHEN (NEW.id > 5) EXECUTE FUNCTION app.touch()", "DROP TRIGGER t ON app.orders", "+ trigger t on app.orders"),
    Case("CREATE TRIGGER t AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch()", "DROP TRIGGER t ON app.events", "+ trigger t on app.events_2020"),
    _alter("TABLE app.orders", "DISABLE TRIGGER orders_touch", "ENABLE TRIGGER orders_touch", "trigger orders_touch on app.orders: enabled"),
    _alter("TABLE app.orders", "ENABLE ALWAYS TRIGGER orders_touch", "ENABLE TRIGGER orders_touch", "trigger orders_touch on app.orders: enabled"),
    _alter("TABLE app.orders", "ENABLE REPLICA TRIGGER orders_touch", "ENABLE TRIGGER orders_touch", "trigger orders_touch on app.orders: enabled"),
    _alter("TABLE app.orders", "DISABLE TRIGGER ALL", "ENABLE TRIGGER ALL", "internal trigger"),
    Case("ALTER TRIGGER orders_touch ON app.orders RENAME TO t", "ALTER TRIGGER t ON app.orders RENAME TO orders_touch", "+ trigger t on app.orders"),
    _comment("TRIGGER orders_touch ON app.orders", "trigger orders_touch on app.orders"),
    Case("CREATE RULE r AS ON DELETE TO app.orders DO INSTEAD NOTHING", "DROP RULE r ON app.orders", "+ rule r on app.orders"),
    _alter("TABLE app.orders", "DISABLE RULE orders_log", "ENABLE RULE orders_log", "rule orders_log on app.orders: enabled"),
    _comment("RULE orders_log ON app.orders", "rule orders_log on app.orders"),
    Case("CREATE POLICY p ON app.orders AS RESTRICTIVE USING (true)", "DROP POLICY p ON app.orders", "+ policy p on app.orders"),
    _alter("POLICY orders_mine ON app.orders", "TO cat_writer", "TO cat_reader", "policy orders_mine on app.orders: to"),
    _alter("POLICY orders_mine ON app.orders", "USING (amount > 2)", "USING (amount > 1)", "policy orders_mine on app.orders: using"),
    _comment("POLICY orders_mine ON app.orders", "policy orders_mine on app.orders"),
    _alter("EVENT TRIGGER cat_ddl", "DISABLE", "ENABLE", "event trigger cat_ddl: enabled"),
    Case("CREATE EVENT TRIGGER e ON sql_drop EXECUTE FUNCTION app.on_ddl()", "DROP EVENT TRIGGER e", "+ event trigger e"),
    _comment("EVENT TRIGGER cat_ddl", "event trigger cat_ddl"),
]
VIEWS = [
    Case("CREATE VIEW app.v AS SELECT 1 AS one", "DROP VIEW app.v", "+ view app.v"),
    Case("CREATE OR REPLACE VIEW app.busier AS SELECT name FROM app.busy", "CREATE OR REPLACE VIEW app.busier AS SELECT name FROM app.busy WHERE amount > 100", "view app.busier: definition"),
    _alter("VIEW app.busy", "SET (security_barrier = true)", "RESET (security_barrier)", "view app.busy: options"),
    _alter("VIEW app.busy", "ALTER amount SET DEFAULT 3", "ALTER amount DROP DEFAULT", "column app.busy.amount: default"),
    Case("ALTER VIEW app.busy RENAME COLUMN amount TO price", "ALTER VIEW app.busy RENAME COLUMN price TO amount", "view app.busier: definition"),
    _own("VIEW app.busy", "view", "app.busy"),
    _comment("VIEW app.busy", "view app.busy"),
    Case("REFRESH MATERIALIZED VIEW app.summary WITH NO DATA", "REFRESH MATERIALIZED VIEW app.summary", "materialized view app.summary: not populated"),
    Case("CREATE MATERIALIZED VIEW app.m AS SELECT 1 AS one", "DROP MATERIALIZED VIEW app.m", "+ materialized view app.m"),
    _comment("MATERIALIZED VIEW app.summary", "materialized view app.summary"),
]
_ADD = "CREATE OR REPLACE FUNCTION app.add(a integer, b integer DEFAULT {default}) RETURNS integer LANGUAGE sql AS '{body}'"
_ADD_BASE = _ADD.format(default=1, body="SELECT a + b")
ROUTINES = [
    Case("CREATE FUNCTION app.f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION app.f()", "+ function app.f()"),
    Case("CREATE FUNCTION pg_catalog.cat_f() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION pg_catalog.cat_f()", "+ function cat_f()", "SET LOCAL allow_system_table_mods = on"),
    Case(_ADD.format(default=1, body="SELECT a * b"), _ADD_BASE, "function app.add(integer,integer): definition"),
    Case(_ADD.format(default=2, body="SELECT a + b"), _ADD_BASE, "function app.add(integer,integer): definition"),
    _alter("FUNCTION app.add", "IMMUTABLE", "VOLATILE", "function app.add(integer,integer): definition"),
    _alter("FUNCTION app.add", "SECURITY DEFINER", "SECURITY INVOKER", "function app.add(integer,integer): definition"),
    _alter("FUNCTION app.add", "COST 5", "COST 100", "function app.add(integer,integer): definition"),
    _alter("FUNCTION app.add", "SET search_path = app", "RESET search_path", "function app.add(integer,integer): definition"),
    _alter("FUNCTION app.add", "STRICT LEAKPROOF PARALLEL SAFE", "CALLED ON NULL INPUT NOT LEAKPROOF PARALLEL UNSAFE", "function app.add(integer,integer): definition"),
    Case("ALTER FUNCTION app.add RENAME TO plus", "ALTER FUNCTION app.plus RENAME TO add", "+ function app.plus(integer,integer)"),
    _own("FUNCTION app.add", "function", "app.add(integer,integer)"),
    Case("REVOKE EXECUTE ON FUNCTION app.add FROM PUBLIC", "GRANT EXECUTE ON FUNCTION app.add TO PUBLIC", "function app.add(integer,integer): acl"),
    _comment("FUNCTION app.add", "function app.add(integer,integer)"),
    _comment("PROCEDURE app.nothing", "procedure app.nothing()"),
    Case("CREATE PROCEDURE app.p() LANGUAGE sql AS 'SELECT 1'", "DROP PROCEDURE app.p()", "+ procedure app.p()"),
    Case("CREATE AGGREGATE app.a (integer) (SFUNC = int4pl, STYPE = integer)", "DROP AGGREGATE app.a (integer)", "+ aggregate app.a(integer)"),
    Case("CREATE OR REPLACE AGGREGATE app.sum_up (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '5')", "CREATE OR REPLACE AGGREGATE app.sum_up (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '0')", "aggregate app.sum_up(integer): initial value"),
    Case("ALTER FUNCTION app.add DEPENDS ON EXTENSION plpgsql", "ALTER FUNCTION app.add NO DEPENDS ON EXTENSION plpgsql", "function app.add(integer,integer): depends on extension"),
]
TYPES = [
    _alter("TYPE app.mood", "ADD VALUE 'great' AFTER 'ok'", None, "type app.mood: labels"),
    Case("ALTER TYPE app.mood RENAME VALUE 'ok' TO 'fine'", "ALTER TYPE app.mood RENAME VALUE 'fine' TO 'ok'", "column app.customers.mood: default"),
    Case("ALTER TYPE app.mood RENAME TO humour", "ALTER TYPE app.humour RENAME TO mood", "column app.customers.mood: type"),
    Case("CREATE TYPE app.e AS ENUM ('x')", "DROP TYPE app.e", "+ type app.e"),
    _alter("TYPE app.span", "OWNER TO cat_owner", "OWNER TO CURRENT_USER", "type app.span: owner"),
    Case("CREATE TYPE app.r AS RANGE (subtype = date)", "DROP TYPE app.r", "+ type app.r"),
    Case("CREATE TYPE app.c AS (x integer)", "DROP TYPE app.c", "+ type app.c"),
    _alter("TYPE app.pair", "ADD ATTRIBUTE d integer CASCADE", "DROP ATTRIBUTE d CASCADE", "+ attribute app.pair.d"),
    Case("ALTER TYPE app.pair RENAME ATTRIBUTE c TO z CASCADE", "ALTER TYPE app.pair RENAME ATTRIBUTE z TO c CASCADE", "+ attribute app.pair.z"),
    _alter("TYPE app.base", "SET (STORAGE = main)", "SET (STORAGE = extended)", "type app.base: storage"),
    Case("GRANT USAGE ON TYPE app.mood TO cat_reader", "REVOKE USAGE ON TYPE app.mood FROM cat_reader", "type app.mood: acl"),
    _comment("TYPE app.mood", "type app.mood"),
    _comment("TYPE app.pair", "type app.pair"),
    _comment("DOMAIN app.positive", "domain app.positive"),
    _alter("DOMAIN app.positive", "SET DEFAULT 2", "SET DEFAULT 1", "domain app.positive: default"),
    _alter("DOMAIN app.positive", "SET NOT NULL", "DROP NOT NULL", "domain app.positive: not null"),
    Case("DROP TYPE app.shell", "CREATE TYPE app.shell", "- type app.shell"),
]
OPERATORS = [
    Case("CREATE OPERATOR app.~~~ (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = app.equal)", "DROP OPERATOR app.~~~ (app.pair, app.pair)", "+ operator app.~~~"),
    _alter("OPERATOR app.=== (app.pair, app.pair)", "SET (RESTRICT = eqsel)", "SET (RESTRICT = NONE)", "restriction estimator"),
    _own("OPERATOR app.=== (app.pair, app.pair)", "operator", "app.===(app.pair,app.pair)"),
    _comment("OPERATOR app.=== (app.pair, app.pair)", "operator app.===(app.pair,app.pair)"),
    Case("ALTER OPERATOR CLASS app.pair_ops USING btree RENAME TO o", "ALTER OPERATOR CLASS app.o USING btree RENAME TO pair_ops", "+ operator class app.o USING btree"),
    Case("CREATE OPERATOR CLASS app.o DEFAULT FOR TYPE app.pair USING btree FAMILY app.pairs AS STORAGE app.pair", None, "+ operator class app.o"),
    _own("OPERATOR CLASS app.pair_ops USING btree", "operator class", "app.pair_ops USING btree"),
    _comment("OPERATOR CLASS app.pair_ops USING btree", "operator class app.pair_ops USING btree"),
    Case("CREATE OPERATOR FAMILY app.g USING btree", "DROP OPERATOR FAMILY app.g USING btree", "+ operator family app.g USING btree"),
    Case("ALTER OPERATOR FAMILY app.pairs USING btree ADD OPERATOR 1 app.~~~ (app.pair, app.pair)", None, "+ operator of access method operator 1", "CREATE OPERATOR app.~~~ (LEFTARG = app.pair, RIGHTARG = app.pair, FUNCTION = app.equal)"),
    Case("CREATE CAST (app.mood AS bigint) WITH FUNCTION app.atomic(app.mood) AS ASSIGNMENT", "DROP CAST (app.mood AS bigint)", "+ cast (app.mood AS"),
    _comment("CAST (app.pair AS text)", "cast (app.pair AS pg_catalog.text)"),
    Case("CREATE COLLATION app.c (LOCALE = 'C')", "DROP COLLATION app.c", "+ collation app.c"),
    _own("COLLATION app.mine", "collation", "app.mine"),
    _comment("COLLATION app.mine", "collation app.mine"),
    Case("CREATE DEFAULT CONVERSION app.k FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8", "DROP CONVERSION app.k", "+ conversion app.k"),
    _comment("CONVERSION app.convert", "conversion app.convert"),
    _own("LANGUAGE cat_language", "language", "cat_language"),
    Case("CREATE LANGUAGE cat_other HANDLER plpgsql_call_handler", "DROP LANGUAGE cat_other", "+ language cat_other"),
    _comment("ACCESS METHOD cat_heap", "access method cat_heap"),
    Case("CREATE ACCESS METHOD cat_second TYPE TABLE HANDLER heap_tableam_handler", "DROP ACCESS METHOD cat_second", "+ access method cat_second"),
    Case("DROP TRANSFORM FOR app.mood LANGUAGE plpgsql", "CREATE TRANSFORM FOR app.mood LANGUAGE plpgsql (FROM SQL WITH FUNCTION app.from_sql(internal))", "- transform"),
]
FOREIGN = [
    _alter("FOREIGN DATA WRAPPER cat_fdw", "OPTIONS (ADD a 'b')", "OPTIONS (DROP a)", "foreign-data wrapper cat_fdw: options"),
    Case("GRANT USAGE ON FOREIGN DATA WRAPPER cat_fdw TO cat_reader", "REVOKE USAGE ON FOREIGN DATA WRAPPER cat_fdw FROM cat_reader", "foreign-data wrapper cat_fdw: acl"),
    _alter("SERVER cat_server", "OPTIONS (SET host 'there')", "OPTIONS (SET host 'here')", "server cat_server: options"),
    _alter("SERVER cat_server", "VERSION '2'", "VERSION '1'", "server cat_server: version"),
    Case("GRANT USAGE ON FOREIGN SERVER cat_server TO cat_reader", "REVOKE USAGE ON FOREIGN SERVER cat_server FROM cat_reader", "server cat_server: acl"),
    _comment("SERVER cat_server", "server cat_server"),
    Case("CREATE USER MAPPING FOR PUBLIC SERVER cat_server", "DROP USER MAPPING FOR PUBLIC SERVER cat_server", "+ user mapping public on server cat_server"),
    _alter("USER MAPPING FOR cat_reader SERVER cat_server", "OPTIONS (SET username 'you')", "OPTIONS (SET username 'me')", "user mapping cat_reader on server cat_server: options"),
    _alter("FOREIGN TABLE app.far", "OPTIONS (SET table_name 'z')", "OPTIONS (SET table_name 'y')", "foreign table app.far: foreign options"),
    _alter("FOREIGN TABLE app.far", "ALTER id OPTIONS (SET column_name 'z')", "ALTER id OPTIONS (SET column_name 'x')", "column app.far.id: foreign options"),
    _comment("FOREIGN TABLE app.far", "foreign table app.far"),
]
TEXT_SEARCH = [
    _alter("TEXT SEARCH CONFIGURATION app.search", "ALTER MAPPING FOR word WITH app.words", "ALTER MAPPING FOR word WITH simple", "text search configuration app.search: mappings"),
    _own("TEXT SEARCH CONFIGURATION app.search", "text search configuration", "app.search"),
    _comment("TEXT SEARCH CONFIGURATION app.search", "text search configuration app.search"),
    _alter("TEXT SEARCH DICTIONARY app.words", "(stopwords)", "(stopwords = english)", "text search dictionary app.words: parameters"),
    Case("ALTER TEXT SEARCH DICTIONARY app.words RENAME TO w", "ALTER TEXT SEARCH DICTIONARY app.w RENAME TO words", "+ text search dictionary app.w"),
    Case("DROP TEXT SEARCH TEMPLATE app.template", "CREATE TEXT SEARCH TEMPLATE app.template (LEXIZE = dsimple_lexize)", "- text search template app.template"),
    Case("ALTER TEXT SEARCH PARSER app.parser RENAME TO p", "ALTER TEXT SEARCH PARSER app.p RENAME TO parser", "+ text search parser app.p"),
]
REPLICATION = [
    _alter("PUBLICATION cat_publication", "ADD TABLE app.items", "DROP TABLE app.items", "+ publication table app.items in publication cat_publication"),
    _alter("PUBLICATION cat_publication", "SET TABLE app.orders (id, amount)", "SET TABLE app.orders", "in publication cat_publication: columns", since=15),
    _alter("PUBLICATION cat_publication", "SET TABLE app.orders WHERE (id > 5)", "SET TABLE app.orders", "in publication cat_publication: where", since=15),
    _alter("PUBLICATION cat_publication", "ADD TABLES IN SCHEMA other", "DROP TABLES IN SCHEMA other", "publication cat_publication: schemas", since=15),
    _alter("PUBLICATION cat_publication", "SET (publish = 'insert')", "SET (publish = 'insert, update, delete, truncate')", "publication cat_publication: publish"),
    _alter("PUBLICATION cat_publication", "SET (publish_via_partition_root = true)", "SET (publish_via_partition_root = false)", "publication cat_publication: via partition root"),
    _alter("PUBLICATION cat_publication", "SET (publish_generated_columns = stored)", "SET (publish_generated_columns = none)", "publication cat_publication: generated columns", since=18),
    Case("CREATE PUBLICATION p FOR ALL TABLES", "DROP PUBLICATION p", "+ publication p"),
    _comment("PUBLICATION cat_publication", "publication cat_publication"),
    _alter("SUBSCRIPTION cat_subscription", "SET (binary = true)", "SET (binary = false)", "subscription cat_subscription: binary"),
    _comment("SUBSCRIPTION cat_subscription", "subscription cat_subscription"),
]
DATABASE = [
    Case("CREATE SCHEMA s", "DROP SCHEMA s", "+ schema s"),
    Case("ALTER SCHEMA app RENAME TO apps", "ALTER SCHEMA apps RENAME TO app", "+ schema apps"),
    _own("SCHEMA other", "schema", "other"),
    Case("GRANT USAGE ON SCHEMA app TO cat_reader", "REVOKE USAGE ON SCHEMA app FROM cat_reader", "schema app: acl"),
    _comment("SCHEMA app", "schema app"),
    Case("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO cat_reader", "ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM cat_reader", "+ default privileges"),
    Case("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC", "+ default privileges"),
    Case("ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT INSERT ON TABLES TO cat_reader", "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE INSERT ON TABLES FROM cat_reader", "in schema app on tables: acl"),
    Case("SELECT lo_create(4712)", "SELECT lo_unlink(4712)", "+ large object 4712"),
    _own("LARGE OBJECT 4711", "large object", "4711"),
    Case("GRANT SELECT ON LARGE OBJECT 4711 TO cat_reader", "REVOKE SELECT ON LARGE OBJECT 4711 FROM cat_reader", "large object 4711: acl"),
    _comment("LARGE OBJECT 4711", "large object 4711"),
    Case("COMMENT ON EXTENSION plpgsql IS 'mine'", "COMMENT ON EXTENSION plpgsql IS 'PL/pgSQL procedural language'", "extension plpgsql: comment"),
    Case("CREATE EXTENSION citext SCHEMA other", "DROP EXTENSION citext", "+ extension citext", extension="citext"),
    Case("ALTER EXTENSION citext SET SCHEMA app", "ALTER EXTENSION citext SET SCHEMA other", "extension citext: schema", "CREATE EXTENSION citext SCHEMA other", extension="citext"),
    Case("ALTER EXTENSION plpgsql ADD FUNCTION app.add(integer, integer)", "ALTER EXTENSION plpgsql DROP FUNCTION app.add(integer, integer)", "- function app.add(integer,integer)"),
    Case("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database()); END $$", "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$", "+ database settings for all roles"),
    Case("DO $$ BEGIN EXECUTE format('ALTER ROLE cat_reader IN DATABASE %I SET work_mem = ''5MB''', current_database()); END $$", "DO $$ BEGIN EXECUTE format('ALTER ROLE cat_reader IN DATABASE %I RESET work_mem', current_database()); END $$", "+ database settings for role cat_reader"),
    Case("DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$", "DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$", "database current: acl"),
    Case("DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE %I IS ''said''', current_database()); END $$", "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE %I IS NULL', current_database()); END $$", "database current: comment"),
]
ROLES = [
    Case("CREATE ROLE cat_new", "DROP ROLE cat_new", "+ role cat_new"),
    Case("ALTER ROLE cat_reader CREATEDB", "ALTER ROLE cat_reader NOCREATEDB", "role cat_reader: createdb"),
    Case("ALTER ROLE cat_reader RENAME TO cat_other", "ALTER ROLE cat_other RENAME TO cat_reader", "policy orders_mine on app.orders: to"),
    Case("ALTER ROLE cat_reader SET work_mem = '5MB'", "ALTER ROLE cat_reader RESET work_mem", "role cat_reader: settings"),
    Case("GRANT cat_reader TO cat_writer", "REVOKE cat_reader FROM cat_writer", "+ membership cat_writer in role cat_reader"),
    Case("COMMENT ON ROLE cat_reader IS 'said'", "COMMENT ON ROLE cat_reader IS NULL", "role cat_reader: comment"),
]
# What changes rows of catalogs, or data, but no schema.
UNSEEN = [
    "GRANT ALL ON app.orders TO CURRENT_USER",  # an ACL that says what NULL says
    "GRANT EXECUTE ON FUNCTION app.add TO PUBLIC",
    "SELECT setval('app.numbers', 77)",
    "INSERT INTO app.parent VALUES (1)",
    "ANALYZE app.parent",
    "TRUNCATE app.items",
    "ALTER TABLE app.items DROP COLUMN position CASCADE; ALTER TABLE app.items ADD COLUMN position integer NOT NULL, ADD UNIQUE (order_id, position)",
    "DROP FUNCTION app.touch CASCADE; CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    NEW.placed := now();\n    RETURN NEW;\nEND\n$$; CREATE TRIGGER orders_touch BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch(); CREATE CONSTRAINT TRIGGER orders_late AFTER INSERT ON app.orders DEFERRABLE FOR EACH ROW EXECUTE FUNCTION app.touch()",
    "REINDEX TABLE app.orders",
    "CREATE TEMPORARY TABLE orders (a integer)",
    "COMMENT ON TABLE app.customers IS 'who buys'",
    "ALTER TABLE app.orders ADD COLUMN x integer; ALTER TABLE app.orders DROP COLUMN x",
]
CHANGES = [
    *TABLES, *COLUMNS, *CONSTRAINTS, *INDEXES, *SEQUENCES, *TRIGGERS, *VIEWS, *ROUTINES, *TYPES, *OPERATORS, *FOREIGN,
    *TEXT_SEARCH, *REPLICATION, *DATABASE, *ROLES,
]
