"""What a review finds of statements in batches: plans, HOT updates, WAL, and what fires."""

from __future__ import annotations

import pytest

from sqlmigrate import connection as connections
from support.tracing import run, trace_text

GROUND = """
    CREATE SCHEMA shop;
    CREATE TABLE shop.parents (id bigint PRIMARY KEY);
    CREATE TABLE shop.full (
        id integer PRIMARY KEY, parent bigint REFERENCES shop.parents, n integer, kind text NOT NULL DEFAULT 'x',
        at timestamp) WITH (fillfactor = 40);
    INSERT INTO shop.full (id) SELECT g FROM generate_series(1, 1500) AS g;
    CREATE INDEX full_at ON shop.full (date(at)) WHERE kind <> '';
    CREATE TYPE shop.state AS ENUM ('new', 'done');
    CREATE TABLE shop."Empty ones" (
        "Key" uuid, no smallint, parent bigint NOT NULL REFERENCES shop.parents, state shop.state NOT NULL,
        short varchar(6) NOT NULL CHECK (short > 'a'), doc jsonb NOT NULL, at timestamptz NOT NULL DEFAULT now(),
        ok boolean NOT NULL, net cidr, tags text[] NOT NULL, n integer, m integer GENERATED ALWAYS AS (n * 2) STORED,
        PRIMARY KEY ("Key", no));
    CREATE TABLE shop.below ("Key" uuid, no smallint, FOREIGN KEY ("Key", no) REFERENCES shop."Empty ones");
    CREATE FUNCTION shop.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
    CREATE TRIGGER refuse BEFORE INSERT ON shop."Empty ones" FOR EACH ROW EXECUTE FUNCTION shop.refuse();
    CREATE FUNCTION shop.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER of_n BEFORE UPDATE OF n ON shop."Empty ones" FOR EACH ROW EXECUTE FUNCTION shop.pass();
    CREATE TRIGGER of_ok BEFORE UPDATE OF ok ON shop."Empty ones" FOR EACH ROW EXECUTE FUNCTION shop.pass();
    CREATE TRIGGER once AFTER UPDATE OR DELETE ON shop."Empty ones" EXECUTE FUNCTION shop.pass();
    CREATE DOMAIN shop.never AS integer CHECK (VALUE < 0);
    CREATE TABLE shop.none (id integer PRIMARY KEY, n shop.never NOT NULL);
"""
SCRIPT = """
    -- sqlmigrate-batch: table=full key=id rows=10..500 time=2s
    UPDATE "full" SET n = 1 WHERE id >= $1 AND id <= $2;
    -- sqlmigrate-batch: table=full key=id
    UPDATE "full" SET at = now(), parent = NULL WHERE id >= $1 AND id <= $2;
    -- sqlmigrate-batch: table='"Empty ones"' key='"Key",no'
    UPDATE "Empty ones" SET n = 1 WHERE ("Key", no) >= ($1, $2) AND ("Key", no) <= ($3, $4) AND state = 'done';
    -- sqlmigrate-batch: table='"Empty ones"' key='"Key",no'
    DELETE FROM "Empty ones" WHERE ("Key", no) >= ($1, $2) AND ("Key", no) <= ($3, $4);
    -- sqlmigrate-batch: table=none key=id
    UPDATE none SET n = -2 WHERE id >= $1 AND id <= $2;
    -- sqlmigrate-batch: table=full key=id
    INSERT INTO "Empty ones" SELECT gen_random_uuid(), 1, id, 'new', 'b', '{}' FROM "full"
    WHERE id >= $1 AND id <= $2 AND false;
    -- sqlmigrate-batch: table=full key=ctid
    -- sqlmigrate-verify: SELECT count(*) = 0 FROM "full" WHERE kind = 'x'
    UPDATE "full" SET kind = 'y' WHERE ctid >= $1 AND ctid <= $2 AND kind = 'x';
"""


@pytest.fixture(scope="module")
def found(review_shadow):
    """What was found of each statement, in the order of the script, and what its tables hold afterwards."""
    with review_shadow.database() as database:
        run(database, GROUND)
        traced = trace_text(review_shadow, database, SCRIPT, transactional=False)
        assert traced.error is None
        with connections.session(database.admin_conninfo) as session:
            counts = 'SELECT (SELECT count(*) FROM shop."full"), (SELECT count(*) FROM shop."Empty ones")'
            assert session.execute(counts).fetchone() == (1500, 0)
            triggers = "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'"
            assert session.execute(triggers).fetchone() == (0,)
        return [one.batching for one in traced.statements]


def test_rows_that_are_there_are_measured(found):
    one = found[0]
    assert (one.table, one.key, one.time, one.least_rows, one.most_rows) == ('shop."full"', ("id",), 2000, 10, 500)
    assert (one.rows, one.made_up, one.changed) == (1000, False, 1000)
    assert one.hot > 0.9
    assert 20_000 < one.wal < 500_000
    assert (one.indexes, one.triggers, one.foreign_keys) == ((), (), ())
    assert any("Index Cond: ((id >= $1) AND (id <= $2))" in line for line in one.batch)
    assert any("Index Only Scan using full_pkey" in line for line in one.boundary)
    assert any("Index Cond: (id > " in line for line in one.boundary)


def test_an_index_on_what_is_set_keeps_updates_from_being_hot_and_keys_that_are_set_are_checked(found):
    one = found[1]
    assert one.hot == 0
    assert one.indexes == ("shop.full_at",)
    assert one.foreign_keys == ("full_parent_fkey (looks into shop.parents)",)
    assert one.wal > found[0].wal


def test_rows_are_made_up_where_there_are_none_past_checks_keys_and_triggers(found):
    update, delete = found[2:4]
    assert update.table == 'shop."Empty ones"'
    assert (update.rows, update.made_up, update.changed) == (1000, True, 1000)
    assert update.triggers == ("of_n (BEFORE, for each row)", "once (AFTER, for each statement)")
    assert update.foreign_keys == ()
    assert update.wal > 0
    assert (delete.rows, delete.changed, delete.hot) == (1000, 1000, None)
    assert delete.triggers == ("once (AFTER, for each statement)",)
    slow = "below_Key_no_fkey (looks into shop.below, which has no index for it and is read whole for each row)"
    assert delete.foreign_keys == (slow,)


def test_what_cannot_be_made_up_is_not_measured(found):
    one = found[4]
    assert (one.rows, one.hot, one.wal) == (0, None, None)
    assert any("Index" in line for line in one.boundary)
    assert one.batch


def test_an_insert_fires_what_its_own_table_has(found):
    one = found[5]
    assert one.table == 'shop."full"'
    assert one.triggers == ("refuse (BEFORE, for each row)",)
    assert one.foreign_keys == ("Empty ones_parent_fkey (looks into shop.parents)",)
    assert (one.rows, one.changed, one.wal) == (1000, 0, None)


def test_places_instead_of_a_key(found):
    one = found[6]
    assert one.key == ("ctid",)
    assert one.rows == one.changed > 0
    assert not one.made_up
    assert one.indexes == ("shop.full_at",)
    for plan in (one.boundary, one.batch):
        assert any("TID Cond: (" in line for line in plan)
