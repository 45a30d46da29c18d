from __future__ import annotations

import pytest

from sqlmigrate.review.locks import Taken, holds, longest
from support.tracing import run, trace_text


@pytest.fixture
def database(review_shadow, shop_database):
    with review_shadow.clone(shop_database) as database:
        yield database


def words(locks) -> list[str]:
    return [f"{lock.name.removeprefix('shop.')} {lock.mode}" for lock in locks]


def test_both_what_a_statement_locks_alone_and_what_it_adds_in_the_transaction_are_seen(review_shadow, database):
    text = """
        ALTER TABLE orders ADD COLUMN a integer;
        ALTER TABLE orders ADD COLUMN b integer;
        CREATE INDEX ON customers (n);
        ALTER TABLE customers ADD COLUMN c integer;
    """

    found = trace_text(review_shadow, database, text)

    assert found.error is None
    assert [words(one.own) for one in found.statements] == [
        ["orders ACCESS EXCLUSIVE"],
        ["orders ACCESS EXCLUSIVE"],
        ["customers SHARE"],
        ["customers ACCESS EXCLUSIVE"],
    ]
    assert [words(one.taken) for one in found.statements] == [
        ["orders ACCESS EXCLUSIVE"],
        [],
        ["customers SHARE"],
        ["customers ACCESS EXCLUSIVE"],
    ]
    held = holds([Taken(one.statement.number, one.taken, one.held) for one in found.statements])
    assert [(hold.lock.name, hold.lock.level, hold.first, hold.last, hold.statements) for hold in held] == [
        ("shop.orders", 8, 1, 4, 4),
        ("shop.customers", 5, 3, 3, 1),
        ("shop.customers", 8, 4, 4, 1),
    ]
    assert longest(held) is held[0]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE orders DROP COLUMN note CASCADE",
        "DROP TABLE customers CASCADE",
        "CREATE INDEX ON customers (n)",
        "DO $$BEGIN ALTER TABLE shop.orders ADD COLUMN a integer; END$$",
    ],
)
def test_a_script_of_one_statement_locks_what_the_statement_does_in_a_transaction_of_its_own(
    review_shadow, database, shop_database, statement
):
    with review_shadow.clone(shop_database) as other:
        one = trace_text(review_shadow, database, f"{statement};")
        two = trace_text(review_shadow, other, f"SELECT 1;\n{statement};")

    assert one.error is two.error is None
    assert one.notes == two.notes
    assert words(one.statements[0].own) == words(two.statements[1].own) != []


def test_what_the_script_makes_itself_is_named_and_its_locks_do_not_matter(review_shadow, database):
    text = """
        CREATE TABLE parcels (id bigint PRIMARY KEY, order_id bigint);
        CREATE INDEX ON parcels (order_id);
        ALTER TABLE parcels ADD COLUMN a uuid DEFAULT gen_random_uuid();
        ALTER TABLE orders DROP COLUMN note CASCADE;
        ALTER TABLE orders RENAME TO sales;
        COMMENT ON TABLE sales IS 'sold';
        CREATE FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS 'SELECT 1';
    """

    found = trace_text(review_shadow, database, text)

    assert [words(one.own) for one in found.statements[:3]] == [[], [], []]
    assert [one.rewrites for one in found.statements[:3]] == [(), (), ()]
    assert [(one.changes.made, one.changes.changed, one.changes.dropped) for one in found.statements] == [
        (("table shop.parcels",), (), ()),
        (("index shop.parcels_order_id_idx",), (), ()),
        (("column shop.parcels.a",), (), ()),
        (
            (),
            (),
            (
                "column shop.orders.note",
                "constraint orders_note_length on shop.orders",
                "index shop.orders_note",
                "statistics object shop.orders_statistics",
            ),
        ),
        ((), ("table shop.orders (now shop.sales)",), ()),
        ((), ("table shop.sales",), ()),
        (("function shop.f(integer)",), (), ()),
    ]


def test_ddl_in_a_block_and_in_a_function_is_seen(review_shadow, database):
    text = """
        DO $$ BEGIN EXECUTE 'ALTER TABLE orders ALTER reason TYPE varchar(40)'; PERFORM count(*) FROM customers; END $$;
        SELECT adds_column();
    """

    block, function = trace_text(review_shadow, database, text).statements

    assert block.rewrites[0].name == "shop.orders"
    assert [item.name for item in block.scans] == ["shop.orders"]
    assert block.changes.changed == (
        "column shop.orders.reason",
        "constraint orders_reason_set on shop.orders",
    )
    assert function.changes.made == ("column shop.customers.hidden",)


def test_a_statement_that_cannot_run_alone_is_shown_as_it_runs_in_the_transaction(review_shadow, database):
    text = """
        ALTER TABLE orders ADD COLUMN a integer;
        CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT 1 AS a;
        INSERT INTO kept VALUES (2);
        ALTER TABLE customers ADD COLUMN a integer;
    """

    found = trace_text(review_shadow, database, text)

    assert found.error is None
    assert [one.own is None for one in found.statements] == [False, False, True, True]
    assert words(found.statements[3].locks) == ["customers ACCESS EXCLUSIVE"]
    assert "statement 3 does not run without those before it" in found.notes[0]


def test_set_local_counts_for_the_statements_after_it_also_when_each_runs_alone(review_shadow, database):
    text = """
        SET LOCAL search_path = shop;
        SET LOCAL app.name = 'x';
        DO $$ BEGIN ASSERT current_setting('app.name') = 'x'; END $$;
    """

    found = trace_text(review_shadow, database, text)

    assert found.notes == ()
    assert all(one.own is not None for one in found.statements)


def test_a_script_that_fails_is_reported_up_to_there_and_leaves_nothing(review_shadow, database):
    text = "CREATE TABLE parcels (id bigint);\nALTER TABLE nothing ADD COLUMN a integer;\nSELECT 1;\n"

    found = trace_text(review_shadow, database, text)

    assert str(found.error) == 'sql/0001.sql:2:1: relation "nothing" does not exist'
    assert [one.statement.number for one in found.statements] == [1]
    assert found.after.schema == found.before.schema


def test_a_deferred_constraint_that_fails_is_reported(review_shadow, database):
    run(
        database,
        "ALTER TABLE shop.orders ADD UNIQUE (amount) DEFERRABLE INITIALLY DEFERRED; DROP INDEX shop.orders_amount",
    )
    text = "INSERT INTO orders (id, amount, reason) VALUES (1, 5, ''), (2, 5, '');"

    found = trace_text(review_shadow, database, text)

    assert "found at the end of the script" in str(found.error)
    assert len(found.statements) == 1


def test_outside_a_transaction_each_statement_lets_go_and_a_block_of_the_script_holds(review_shadow, database):
    text = """
        CREATE INDEX CONCURRENTLY orders_placed ON orders (placed);
        ALTER TABLE customers ADD COLUMN a integer;
        BEGIN;
        ALTER TABLE orders ADD COLUMN a integer;
        ALTER TABLE orders ADD COLUMN b integer;
        COMMIT;
        DROP INDEX CONCURRENTLY orders_placed;
    """

    found = trace_text(review_shadow, database, text, transactional=False)

    assert found.error is None
    assert [words(one.own) for one in found.statements] == [
        ["orders SHARE UPDATE EXCLUSIVE"],
        ["customers ACCESS EXCLUSIVE"],
        [],
        ["orders ACCESS EXCLUSIVE"],
        ["orders ACCESS EXCLUSIVE"],
        [],
        ["orders SHARE UPDATE EXCLUSIVE"],
    ]
    assert words(found.statements[4].taken) == []
    assert words(found.statements[4].held) == ["orders ACCESS EXCLUSIVE"]
    assert words(found.statements[6].held) == []


def test_no_lock_timeout_counts_while_it_is_we_who_make_a_statement_wait(review_shadow, database, monkeypatch):
    monkeypatch.setattr("sqlmigrate.review.trace.waiting._POLL", 0.3)  # as on a busy machine
    text = """
        SET lock_timeout TO '20ms';
        CREATE INDEX CONCURRENTLY orders_placed ON orders (placed);
        CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock;
        REINDEX INDEX CONCURRENTLY orders_placed;
        REINDEX (VERBOSE) INDEX orders_placed;
        SELECT 1 / (current_setting('lock_timeout') = '20ms')::integer;
    """

    found = trace_text(review_shadow, database, text, transactional=False)

    assert found.error is None
    assert words(found.statements[1].own) == ["orders SHARE UPDATE EXCLUSIVE"]
    assert not found.statements[1].notes


def test_a_statement_on_all_tables_is_told_from_a_table_that_says_so(review_shadow, database):
    [one] = trace_text(review_shadow, database, "VACUUM", transactional=False).statements

    assert {lock.source for lock in one.own} == {"table"}
    assert "orders SHARE UPDATE EXCLUSIVE" in words(one.own)
    assert one.notes == ("its locks are taken from PostgreSQL's documentation, since it could not be made to wait",)


def test_what_would_change_the_whole_server_is_not_tried_on_one_that_is_not_ours(review_shadow, database):
    found = trace_text(review_shadow, database, "SELECT 1;\nCREATE ROLE somebody;")

    assert found.statements == ()
    assert "was not tried" in str(found.error)


def test_a_role_and_a_search_path_of_the_script_do_not_blind_us(review_shadow, database):
    text = """
        CREATE TABLE public.mine (a integer);
        SET ROLE pg_monitor;
        SET search_path = '';
        SELECT 1;
        RESET ROLE;
        ALTER TABLE shop.orders ADD COLUMN a integer;
    """

    found = trace_text(review_shadow, database, text)

    assert found.error is None
    assert words(found.statements[-1].own) == ["orders ACCESS EXCLUSIVE"]


def test_a_statement_that_has_nothing_to_wait_for_is_described_from_the_documentation(review_shadow, database):
    text = "CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_note ON orders (note)"

    [one] = trace_text(review_shadow, database, text, transactional=False).statements

    assert words(one.own) == ["orders SHARE UPDATE EXCLUSIVE"]
    assert one.own[0].source == "table"
    assert one.changes.made == ()


def test_a_deferred_constraint_that_fails_outside_a_transaction_is_reported(review_shadow, database):
    run(database, "DROP INDEX shop.orders_amount; ALTER TABLE shop.orders ADD UNIQUE (amount) INITIALLY DEFERRED")
    text = "SELECT 1;\nINSERT INTO orders (id, amount, reason) VALUES (1, 5, ''), (2, 5, '');\n"

    found = trace_text(review_shadow, database, text, transactional=False)

    assert str(found.error).startswith("sql/0001.sql:2:1: duplicate key value")
    assert [one.statement.number for one in found.statements] == [1]


def test_copy_data_is_loaded_and_an_extension_is_one_object(review_shadow, database):
    text = "COPY customers (id, name) FROM STDIN;\n1\tAnn\n2\tBob\n\\.\nCREATE EXTENSION plpgsql_check_absent;\n"

    found = trace_text(review_shadow, database, text)

    assert [(one.command, words(one.own)) for one in found.statements] == [("COPY", ["customers ROW EXCLUSIVE"])]
    assert str(found.error).startswith("sql/0001.sql:5:1:")


def test_locks_that_a_savepoint_gives_back_are_held_no_longer(review_shadow, database):
    text = """
        SAVEPOINT a;
        LOCK TABLE orders IN SHARE MODE;
        ROLLBACK TO a;
        LOCK TABLE customers IN SHARE MODE;
    """

    found = trace_text(review_shadow, database, text)

    held = holds([Taken(one.statement.number, one.taken, one.held) for one in found.statements])
    assert [(hold.lock.name, hold.first, hold.last) for hold in held] == [
        ("shop.orders", 2, 3),
        ("shop.customers", 4, 4),
    ]


def test_what_a_script_does_to_its_session_does_not_disturb_what_is_read(review_shadow, database):
    found = trace_text(review_shadow, database, "SET client_encoding TO 'SQL_ASCII';\nCREATE TABLE fresh (id integer);")

    assert found.error is None
    assert found.statements[1].changes.made == ("table shop.fresh",)
    assert found.statements[1].changes.changed == ()


def test_what_a_statement_read_is_not_said_of_the_one_after_it(review_shadow, database):
    # PostgreSQL passes the counters of a session on once a second, so those of the last statement may still stand there
    builds = [f"CREATE INDEX CONCURRENTLY build_{number} ON shop.orders (id);" for number in range(3)]
    script = "\n".join([*builds, "ALTER TABLE shop.orders ADD COLUMN added bigint;"])

    found = trace_text(review_shadow, database, script, transactional=False)

    assert [bool(statement.scans) for statement in found.statements] == [True, True, True, False]
