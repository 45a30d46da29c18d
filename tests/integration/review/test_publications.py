"""What logical replication sends, and refuses, behind each statement."""

from __future__ import annotations

import psycopg
import pytest

from sqlmigrate.review.hazards import Context, check
from support.tracing import run, trace_text

GROUND = """
    CREATE TABLE orders (id int PRIMARY KEY, note text, amount int NOT NULL);
    CREATE TABLE lines (id int PRIMARY KEY, note text);
    CREATE TABLE bare (note text);
    CREATE TABLE days (day date PRIMARY KEY, value int) PARTITION BY RANGE (day);
    CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
"""
ALL = "CREATE PUBLICATION p FOR ALL TABLES"
SOME = "CREATE PUBLICATION p FOR TABLE orders, lines"

LESS = {
    "a table": (SOME, "ALTER PUBLICATION p DROP TABLE orders", "no longer sends anything of: public.orders"),
    "by a new list": (SOME, "ALTER PUBLICATION p SET TABLE lines", "no longer sends anything of: public.orders"),
    "a kind of change": (
        SOME,
        "ALTER PUBLICATION p SET (publish = 'insert, update')",
        "no longer sends DELETE and TRUNCATE of: public.lines and public.orders",
    ),
    "the publication": (
        SOME,
        "DROP PUBLICATION p",
        "is dropped, and sends nothing more: public.lines and public.orders",
    ),
    "its name": (SOME, "ALTER PUBLICATION p RENAME TO q", "is renamed to q: public.lines and public.orders"),
    "what is logged": (
        f"ALTER TABLE lines DROP CONSTRAINT lines_pkey; {ALL}",
        "ALTER TABLE bare SET UNLOGGED",
        "no longer sends anything of: public.bare",
    ),
    "a partition": (
        "CREATE PUBLICATION p FOR TABLE days",
        "ALTER TABLE days DETACH PARTITION days_1",
        "no longer sends anything of: public.days_1",
    ),
    "in a block": (
        SOME,
        "DO $$ BEGIN EXECUTE 'ALTER PUBLICATION p DROP TABLE orders'; END $$",
        "no longer sends anything of: public.orders",
    ),
}
LESS_SINCE_15 = {
    "columns": (
        SOME,
        "ALTER PUBLICATION p SET TABLE orders (id, note), lines",
        "sends fewer columns of: public.orders",
    ),
    "rows": (SOME, "ALTER PUBLICATION p SET TABLE orders WHERE (id > 5), lines", "sends other rows of: public.orders"),
    "a schema": (
        "CREATE PUBLICATION p FOR TABLES IN SCHEMA public",
        "ALTER TABLE lines SET SCHEMA elsewhere",
        "no longer sends anything of: public.lines",
    ),
}
FIRST = {
    "a column": (SOME, "ALTER TABLE orders ADD COLUMN x int", "sends public.orders: column x is new"),
    "a column, for all": (ALL, "ALTER TABLE orders ADD COLUMN x int", "sends public.orders: column x is new"),
    "another name of it": (SOME, "ALTER TABLE orders RENAME note TO said", "column note is called said now"),
    "another type": (SOME, "ALTER TABLE orders ALTER id TYPE bigint", "column id is of type bigint now"),
    "another name": (SOME, "ALTER TABLE orders RENAME TO sold", "table public.orders is called public.sold now"),
    "another schema": (SOME, "ALTER TABLE orders SET SCHEMA elsewhere", "is called elsewhere.orders now"),
    "of all partitions": (
        "CREATE PUBLICATION p FOR TABLE days",
        "ALTER TABLE days ADD COLUMN x int",
        "publication p sends public.days: column x is new",
    ),
}
REFUSED = {
    "nothing": (SOME, "ALTER TABLE orders REPLICA IDENTITY NOTHING"),
    "no key": (SOME, "ALTER TABLE orders DROP CONSTRAINT orders_pkey"),
    "no key, for all": (ALL, "ALTER TABLE orders DROP CONSTRAINT orders_pkey"),
    "a key that may wait": (
        SOME,
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED",
    ),
    "logged from now on": (
        f"CREATE UNLOGGED TABLE quick (a int); {ALL}",
        "ALTER TABLE quick SET LOGGED",
    ),
}
REFUSED_SINCE_15 = {
    "a column list without the key": (SOME, "ALTER PUBLICATION p SET TABLE orders (note, amount)"),
    "a column list and whole rows": (
        "CREATE PUBLICATION p FOR TABLE orders (id, note)",
        "ALTER TABLE orders REPLICA IDENTITY FULL",
    ),
    "rows by a column outside the key": (SOME, "ALTER PUBLICATION p SET TABLE orders WHERE (amount > 5)"),
}
FINE = {
    "the same again": (SOME, "DROP PUBLICATION p; CREATE PUBLICATION p FOR TABLE orders, lines"),
    "a table that goes": (SOME, "DROP TABLE orders"),
    "a table that nobody gets": (SOME, "ALTER TABLE bare ADD COLUMN x int"),
    "a generated column": (SOME, "ALTER TABLE orders ADD COLUMN x int GENERATED ALWAYS AS (amount + 1) STORED"),
    "only inserts": (
        "CREATE PUBLICATION p FOR TABLE orders WITH (publish = 'insert')",
        "ALTER TABLE orders REPLICA IDENTITY NOTHING",
    ),
    "whole rows": (SOME, "ALTER TABLE orders REPLICA IDENTITY FULL; ALTER TABLE orders DROP CONSTRAINT orders_pkey"),
    "a new publication": ("SELECT 1", f"{SOME}; ALTER TABLE bare ADD COLUMN x int"),
}
FINE_SINCE_15 = {
    "a column that is not sent": ("CREATE PUBLICATION p FOR TABLE orders (id)", "ALTER TABLE orders ADD COLUMN x int"),
    "rows by the key": (
        "CREATE PUBLICATION p FOR TABLE lines",
        "ALTER PUBLICATION p ADD TABLE orders WHERE (id > 5)",
    ),
}


@pytest.fixture
def hazards(review_shadow, public_database):
    """Trace a script on a copy of the ground, and give its hazards of replication by code: severity and words."""

    def find(setup: str, text: str, **options) -> dict[str, tuple[str, str]]:
        with review_shadow.clone(public_database) as database:
            run(database, f"SET search_path = public; CREATE SCHEMA elsewhere; {setup}")
            run(database, f"GRANT ALL ON SCHEMA elsewhere TO {review_shadow.owner}")
            traced = trace_text(review_shadow, database, text, **options)
        assert traced.error is None, traced.error
        found = check(Context(traced, review_shadow.owner))
        return {one.code: (one.severity, one.seen) for one in found if one.code in ("H28", "H67", "H68")}

    return find


@pytest.fixture
def cases(pg_server):
    """Choose the cases that the version of the server under test knows."""
    with psycopg.connect(pg_server.conninfo()) as session:
        knows_lists = session.info.server_version >= 150000

    def choose(always: dict, newer: dict) -> list:
        return [*always.values(), *(newer.values() if knows_lists else ())]

    return choose


def test_a_publication_that_sends_less_is_a_warning(hazards, cases):
    for setup, text, words in cases(LESS, LESS_SINCE_15):
        severity, seen = hazards(setup, text)["H67"]
        assert (severity, seen) == ("warning", f"publication p {words}"), text


def test_what_a_subscriber_must_have_first_is_a_warning(hazards):
    for setup, text, words in FIRST.values():
        severity, seen = hazards(setup, text)["H68"]
        assert severity == "warning"
        assert seen.endswith(words), text


def test_a_publication_under_which_changes_are_refused_is_a_danger(hazards, cases):
    for setup, text in cases(REFUSED, REFUSED_SINCE_15):
        assert hazards(setup, text)["H28"][0] == "danger", text


def test_what_changes_nothing_for_a_subscriber_is_not_reported(hazards, cases):
    for setup, text in cases(FINE, FINE_SINCE_15):
        found = hazards(setup, text)
        assert {code: one for code, one in found.items() if one[0] != "note"} == {}, text


def test_a_table_that_comes_into_a_publication_is_a_note_and_a_rollback_takes_it_out_again(hazards):
    assert hazards(ALL, "CREATE TABLE n (id int PRIMARY KEY)")["H68"] == (
        "note",
        "publication p sends public.n too from now on",
    )
    assert hazards(SOME, "ALTER PUBLICATION p DROP TABLE lines", operation="rollback")["H67"][0] == "note"
