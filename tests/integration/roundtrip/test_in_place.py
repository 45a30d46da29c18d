"""Pairs that are tried on the ground itself: the same verdicts as on copies, and the same ground for what follows."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fixtures.project import Project
from sqlmigrate import roundtrip, shadow
from sqlmigrate.engine import Options
from sqlmigrate.roundtrip import Way
from support.trips import NOTHING, compared

pytestmark = pytest.mark.pg

WANTED = shadow.Wanted(bootstrap=NOTHING, asked=frozenset())
IN_PLACE, ANEW, COPIES = Way.IN_PLACE, Way.MADE_ANEW, Way.COPIES

GROUND = """
CREATE TABLE roles (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE);
CREATE TABLE people (id int, role_id bigint REFERENCES roles);
CREATE TABLE log (id serial, what text);
CREATE TABLE base (a int, b int);
CREATE TABLE other (a int);
CREATE TABLE heir () INHERITS (base, other);
CREATE INDEX base_a ON base (a);
CREATE INDEX base_b ON base (b);
CREATE SEQUENCE tickets;
CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN INSERT INTO log (what) VALUES (new.a); RETURN new; END';
CREATE TRIGGER note BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION note();
CREATE TABLE probe ();
"""
# What decides what later scripts do, as a comment: the round trip says what a script makes. No word in it may be one
# that asks for the numbers of columns.
PROBE = """
DO $do$
DECLARE found text := ''; one text; r record;
BEGIN
    FOR r IN SELECT oid, relname, relkind FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') AND relname <> 'dated'
             ORDER BY relname
    LOOP
        IF r.relkind = 'S' THEN
            EXECUTE format('SELECT (last_value, is_called)::text FROM %I', r.relname) INTO one;
        ELSE
            EXECUTE replace(format('SELECT string_agg(t::text, '';'' ORDER BY t.c#id) FROM ONLY %I t', r.relname),
                            '#', 't') INTO one;
        END IF;
        found := concat_ws(' ', found, r.relname, one,
            (SELECT string_agg(indexrelid::regclass::text, ',' ORDER BY indexrelid)
             FROM pg_index WHERE indrelid = r.oid),
            (SELECT string_agg(inhparent::regclass || '.' || inhseqno, ',' ORDER BY inhseqno) FROM pg_inherits
             WHERE inhrelid = r.oid),
            (SELECT string_agg(concat_ws('.', attname, attislocal, attinhcount), ',' ORDER BY attname)
             FROM pg_attribute WHERE attrelid = r.oid AND attnum > 0 AND NOT attisdropped),
            (SELECT string_agg(conname, ',' ORDER BY oid) FROM pg_constraint WHERE conrelid = r.oid), E'\\n');
    END LOOP;
    EXECUTE format('COMMENT ON TABLE probe IS %L', found);
END $do$;
"""


@dataclass(frozen=True)
class Pair:
    """A pair, and the way that it must take."""

    script: str
    rollback: str | None
    way: Way


SETTING = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = %L', current_database(), '{}'); END $$;"
HIDDEN = "DO $$ BEGIN EXECUTE 'CREATE TABLE hidden ()'; END $$;"
CAUGHT = """
DO $$ BEGIN
    PERFORM nextval('tickets');
    RAISE EXCEPTION 'never mind';
EXCEPTION WHEN OTHERS THEN NULL;
END $$;
"""
PAIRS = {
    "a table with rows": Pair(
        "CREATE TABLE dated (id serial, at timestamptz DEFAULT now()); INSERT INTO dated DEFAULT VALUES;",
        "DROP TABLE dated;",
        IN_PLACE,
    ),
    "a column": Pair("ALTER TABLE base ADD c int DEFAULT 7;", "ALTER TABLE base DROP c;", IN_PLACE),
    "nothing": Pair("-- nothing\n", "-- nothing\n", IN_PLACE),
    "no undo": Pair("CREATE TABLE kept (id int); INSERT INTO roles (name) VALUES ('first');", None, IN_PLACE),
    "no undo for a script that fails": Pair("SELECT nextval('tickets'); SELECT 1 / 0;", None, ANEW),
    "a row that comes and goes": Pair(
        "INSERT INTO roles (name) VALUES ('admin');", "DELETE FROM roles WHERE name = 'admin';", ANEW
    ),
    "a row with the number of another one": Pair(
        "INSERT INTO people SELECT 1, 2; CREATE TABLE second ();", "DROP TABLE second; DELETE FROM people;", IN_PLACE
    ),
    "a sequence that moves": Pair("SELECT nextval('tickets');", "SELECT 1;", ANEW),
    "a sequence that moves in what is rolled back": Pair(CAUGHT, "SELECT 1;", ANEW),
    "a sequence that is set and not called": Pair(
        "SELECT setval('tickets', (SELECT last_value + 1 FROM tickets), false);", "SELECT 1;", ANEW
    ),
    "a sequence that is set": Pair("SELECT setval('tickets', 50);", "SELECT setval('tickets', 9);", IN_PLACE),
    "a trigger that writes": Pair("INSERT INTO other VALUES (1);", "DELETE FROM other;", ANEW),
    "values that are different each time": Pair(
        "ALTER TABLE roles ADD secret text DEFAULT md5(random()::text);", "ALTER TABLE roles DROP secret;", ANEW
    ),
    "no undo for a column": Pair("ALTER TABLE roles DROP secret;", None, IN_PLACE),
    "the same values": Pair(
        "UPDATE roles SET name = 'FIRST' WHERE id = 1;", "UPDATE roles SET name = 'first' WHERE id = 1;", IN_PLACE
    ),
    "the same rows in another order": Pair(
        "DELETE FROM people; INSERT INTO people VALUES (1, 1), (2, 1); UPDATE people SET id = 3 WHERE id = 2;",
        "UPDATE people SET id = 2 WHERE id = 3; UPDATE people SET id = 1 WHERE id = 1;",
        IN_PLACE,
    ),
    "rows whose order is another one": Pair(
        "UPDATE people SET id = id WHERE id = (SELECT id FROM people LIMIT 1);", "SELECT 1;", ANEW
    ),
    "a heir": Pair("CREATE TABLE second_heir () INHERITS (base);", "DROP TABLE second_heir;", IN_PLACE),
    "another order of parents": Pair(
        "CREATE TABLE third ();",
        "DROP TABLE third; ALTER TABLE heir NO INHERIT base; ALTER TABLE heir INHERIT base;",
        ANEW,
    ),
    "another order of indexes": Pair(
        "CREATE TABLE fourth ();", "DROP TABLE fourth; DROP INDEX base_a; CREATE INDEX base_a ON base (a);", ANEW
    ),
    "another order of indexes of a table that both change": Pair(
        "ALTER TABLE base ADD d int;",
        "ALTER TABLE base DROP d; DROP INDEX base_a; CREATE INDEX base_a ON base (a);",
        ANEW,
    ),
    "a foreign key": Pair(
        "ALTER TABLE kept ADD UNIQUE (id); CREATE TABLE fifth (id int REFERENCES kept (id));",
        "DROP TABLE fifth; ALTER TABLE kept DROP CONSTRAINT kept_id_key;",
        IN_PLACE,
    ),
    "a function": Pair(
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 2';",
        "CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        IN_PLACE,
    ),
    "what is not made the second time": Pair(
        HIDDEN.replace("TABLE hidden", "TABLE IF NOT EXISTS hidden"), "SELECT 1;", ANEW
    ),
    "an undo that fails": Pair("CREATE TABLE sixth ();", "DROP TABLE seventh;", ANEW),
    "a column that is dropped": Pair("ALTER TABLE log DROP what;", "ALTER TABLE log ADD what text;", IN_PLACE),
    "a large object": Pair("SELECT lo_from_bytea(4711, 'a');", "SELECT lo_unlink(4711);", ANEW),
    "a setting of the database": Pair(SETTING.format("9MB"), SETTING.format("4MB"), ANEW),
    "outside a transaction": Pair(
        "-- transactional: false\nCREATE INDEX CONCURRENTLY roles_name ON roles (name);",
        "DROP INDEX CONCURRENTLY roles_name;",
        COPIES,
    ),
    "behind what cannot be done twice": Pair("INSERT INTO log DEFAULT VALUES;", "DELETE FROM log;", ANEW),
    "times": Pair(
        "ALTER TABLE dated ALTER at TYPE timestamp USING at AT TIME ZONE 'UTC';",
        "ALTER TABLE dated ALTER at TYPE timestamptz USING at AT TIME ZONE 'UTC';",
        COPIES,
    ),
    "a view that is not filled": Pair(
        "CREATE MATERIALIZED VIEW names AS SELECT name FROM roles WITH NO DATA;",
        "DROP MATERIALIZED VIEW names;",
        IN_PLACE,
    ),
    "a view that is filled": Pair(
        "REFRESH MATERIALIZED VIEW names;", "REFRESH MATERIALIZED VIEW names WITH NO DATA;", IN_PLACE
    ),
    "a view that is emptied": Pair(
        "REFRESH MATERIALIZED VIEW names WITH NO DATA;", "REFRESH MATERIALIZED VIEW names;", IN_PLACE
    ),
    "samples": Pair("CREATE TABLE eighth ();", "DROP TABLE eighth;", COPIES),
}


@pytest.fixture
def pairs(project: Project) -> Project:
    """All pairs one after the other, on one ground, with a look at it now and then."""
    project.migration("000", GROUND, rollback="SELECT 1;")
    for at, (name, pair) in enumerate(PAIRS.items(), 1):
        project.migration(f"{at:03}", f"{pair.script}\n", rollback=pair.rollback)
        if name == "samples":
            project.file(f"samples/{at:03}.sql", "INSERT INTO roles (name) VALUES ('sample');")
        if at % 10 == 0:
            project.migration(f"{at:03}_probe", PROBE, rollback="COMMENT ON TABLE probe IS NULL;")
    project.migration("900_probe", PROBE, rollback="COMMENT ON TABLE probe IS NULL;")
    return project


def _ran(project: Project, server: shadow.Shadow, *, in_place: bool = True) -> list[roundtrip.RoundTrip]:
    found = project.load()
    samples, _ = roundtrip.find_samples(found)
    wanted = [name for name in project.ids() if name != "000"]
    return list(roundtrip.round_trips(found, wanted, server, Options(), samples=samples, in_place=in_place))


def test_pairs_find_in_place_what_they_find_on_copies(pairs, throwaway_shadow):
    on_copies = _ran(pairs, throwaway_shadow, in_place=False)
    in_place = _ran(pairs, throwaway_shadow)

    assert {trip.way for trip in on_copies} == {COPIES}
    for one, other in zip(on_copies, in_place, strict=True):
        assert compared(other) == compared(one)
    taken = [trip.way for trip in in_place if "probe" not in trip.migration_id]
    assert dict(zip(PAIRS, taken, strict=True)) == {name: pair.way for name, pair in PAIRS.items()}


def test_where_scripts_ask_for_numbers_of_columns_none_is_left_out(project, throwaway_shadow):
    count = "SELECT count(*), max(attnum) FROM pg_attribute WHERE attrelid = 't'::regclass;"
    project.migration("0", "CREATE TABLE t (a int); INSERT INTO t VALUES (1);", rollback="DROP TABLE t;")
    project.migration("1", "ALTER TABLE t ADD b int;", rollback="ALTER TABLE t DROP b;")
    project.migration("2", "UPDATE t SET a = 2;", rollback="UPDATE t SET a = 1;")
    project.migration("3", f"CREATE TABLE found AS {count}", rollback="DROP TABLE found;")
    found = project.load()
    trips = list(roundtrip.round_trips(found, project.ids(), throwaway_shadow, Options()))

    assert [trip.way for trip in trips] == [IN_PLACE, ANEW, ANEW, IN_PLACE]


def test_a_pair_is_tried_on_copies_where_scripts_may_become_superuser(project, clean_environment):
    project.tables("a", "b")
    with shadow.opened(shadow.Wanted(bootstrap=NOTHING, superuser=True)) as server:
        trips = list(roundtrip.round_trips(project.load(), project.ids(), server, Options()))

    assert [trip.way for trip in trips] == [COPIES] * 2
