"""What each of seventy changes does to each of the sixty statements of a shop, exactly; and that it is true."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from sqlmigrate import connection as connections
from sqlmigrate.review.workload.check import again, first, resolving
from sqlmigrate.review.workload.compare import Affected, State, affected
from sqlmigrate.review.workload.files import read_files
from sqlmigrate.review.workload.queries import Use
from sqlmigrate.review.workload.watch import Watch
from sqlmigrate.shadow import ShadowDatabase
from support.tracing import OPTIONS, filled, run

SHOP = Path(__file__).parent / "shop"
WORKLOAD = read_files(SHOP / "queries.sql")

# values for the parameters of a statement, by their types; a few statements need others
VALUES = {
    "bigint": "1",
    "bigint[]": "'{1}'",
    "bytea": "''",
    "character": "'xx'",
    "character varying": "'z'",
    "date": "current_date",
    "integer": "1",
    "interval": "'1 day'",
    "jsonb": "'1'",
    "numeric": "1",
    "public.order_status": "'new'",
    "public.percent": "1",
    "text": "'x'",
    "text[]": "'{}'",
    "timestamp with time zone": "now()",
}
OTHERS = {
    "new_customer": {1: "'new'"},
    "new_product": {1: "'new'", 2: "'new'"},
    "new_product_by_position": {1: "'new'", 2: "'new'"},
    "copy_items": {1: "1", 2: "2"},
    "delete_customer": {1: "3"},
    "clock": {1: "'UTC'"},
}

# a change, and what becomes of which statements; all others are left alone
CHANGES: dict[str, dict[str, str]] = {
    "ALTER TABLE customers DROP COLUMN name": {
        "breaks": "customer_by_id customers_of_country new_customer upsert_customer rename_customer search_customers",
        "changes": "customer_by_email",
    },
    "ALTER TABLE customers RENAME COLUMN email TO mail": {
        "breaks": (
            "customer_by_id customer_by_email new_customer upsert_customer recent_customers "
            "order_with_customer customers_in"
        ),
    },
    "ALTER TABLE customers RENAME TO clients": {
        "breaks": (
            "customer_by_id customer_by_email customers_of_country customer_count new_customer "
            "upsert_customer add_points rename_customer delete_customer customer_settings set_setting "
            "recent_customers order_with_customer good_customers customers_in search_customers"
        ),
    },
    "ALTER TABLE customers ADD COLUMN phone text": {
        "changes": "customer_by_email",
    },
    "ALTER TABLE customers ADD COLUMN phone text; UPDATE customers SET phone = '1'; "
    "ALTER TABLE customers ALTER COLUMN phone SET NOT NULL": {
        "breaks": "new_customer upsert_customer",
        "changes": "customer_by_email",
    },
    "ALTER TABLE customers ADD COLUMN phone text NOT NULL DEFAULT ''": {
        "changes": "customer_by_email",
    },
    "ALTER TABLE customers ALTER COLUMN name SET NOT NULL": {
        "may_break": "new_customer upsert_customer rename_customer",
    },
    "ALTER TABLE customers ALTER COLUMN name TYPE text": {
        "changes": "customer_by_id customer_by_email customers_of_country",
    },
    "ALTER TABLE customers ALTER COLUMN name TYPE varchar(20)": {
        "may_break": "new_customer upsert_customer rename_customer",
    },
    "ALTER TABLE customers ALTER COLUMN points TYPE bigint": {
        "changes": "customer_by_email",
    },
    "ALTER TABLE customers ALTER COLUMN points DROP DEFAULT": {
        "breaks": "new_customer upsert_customer",
    },
    "ALTER TABLE customers ALTER COLUMN id TYPE integer": {
        "may_break": (
            "customer_by_id add_points rename_customer delete_customer customer_settings set_setting customers_in"
        ),
        "changes": (
            "customer_by_email customers_of_country new_customer recent_customers good_customers search_customers"
        ),
    },
    "ALTER TABLE customers ALTER COLUMN settings TYPE json, ALTER COLUMN settings DROP DEFAULT": {
        "breaks": "set_setting new_customer upsert_customer",
        "changes": "customer_by_email",
    },
    "ALTER TABLE customers DROP CONSTRAINT customers_email_key": {
        "breaks": "upsert_customer",
        "slower": "customer_by_email",
    },
    "ALTER TABLE customers DROP CONSTRAINT customers_email_key, "
    "ADD CONSTRAINT customers_email_unique UNIQUE (email)": {},
    "ALTER TABLE customers ADD CHECK (points >= 0)": {
        "may_break": "add_points",
    },
    "ALTER TABLE customers ADD CHECK (points >= 0) NOT VALID": {
        "may_break": "add_points",
    },
    "ALTER TABLE customers ENABLE ROW LEVEL SECURITY": {},
    "ALTER TABLE customers DROP COLUMN settings": {
        "breaks": "customer_settings set_setting",
        "changes": "customer_by_email",
    },
    "DROP INDEX customers_country": {
        "slower": "customers_of_country",
    },
    "ALTER INDEX customers_country RENAME TO customers_land": {},
    "CREATE INDEX ON customers (created_at)": {},
    "CREATE UNIQUE INDEX ON customers (lower(email))": {
        "may_break": "new_customer upsert_customer",
    },
    "DROP INDEX products_tags": {
        "slower": "products_tagged",
    },
    "DROP INDEX products_title": {
        "slower": "products_titled",
    },
    "ALTER TABLE products ALTER COLUMN price TYPE numeric(12, 2)": {},
    "ALTER TABLE products ALTER COLUMN price TYPE numeric(8, 2)": {
        "may_break": "new_product new_product_by_position",
    },
    "ALTER TABLE products ALTER COLUMN price TYPE double precision": {
        "may_break": "new_product new_product_by_position",
        "changes": "product whole_product reduced_price",
    },
    "ALTER TABLE products ALTER COLUMN tags TYPE varchar(10)[]": {
        "breaks": "products_tagged",
        "changes": "whole_product",
    },
    "ALTER TABLE products DROP COLUMN tags, ADD COLUMN tags jsonb NOT NULL DEFAULT '[]'": {
        "breaks": "products_tagged",
        "changes": "whole_product",
    },
    "ALTER TABLE products ALTER COLUMN sku TYPE varchar(20)": {
        "may_break": "new_product new_product_by_position",
        "changes": "product whole_product products_tagged products_titled reduced_price low_stock",
    },
    "ALTER TABLE products ALTER COLUMN weight TYPE integer": {
        "changes": "whole_product total_weight",
    },
    "ALTER TABLE products RENAME COLUMN title TO label": {
        "breaks": "product products_tagged products_titled new_product best_sellers",
        "changes": "whole_product",
    },
    "ALTER TABLE products DROP COLUMN discount": {
        "breaks": "reduced_price set_discount",
        "may_break": "new_product_by_position",
        "changes": "whole_product",
    },
    "ALTER DOMAIN percent ADD CHECK (VALUE <= 50) NOT VALID": {
        "may_break": "new_product_by_position set_discount",
    },
    "ALTER TABLE products ADD CONSTRAINT cheap CHECK (price < 1000)": {
        "may_break": "new_product new_product_by_position",
    },
    "ALTER TABLE products ADD UNIQUE (title)": {
        "may_break": "new_product new_product_by_position",
    },
    "ALTER TABLE products ADD COLUMN maker text REFERENCES customers (email)": {
        "may_break": "delete_customer",
        "changes": "whole_product",
    },
    "ALTER TYPE order_status ADD VALUE 'lost'": {},
    "ALTER TYPE order_status RENAME VALUE 'paid' TO 'payed'": {
        "breaks": "pay_order",
        "may_break": "orders_of_status",
    },
    "ALTER TYPE order_status RENAME TO order_state": {},
    "DROP INDEX orders_customer": {
        "slower": "orders_of_customer open_orders totals_of_customer some_orders has_orders",
    },
    "DROP INDEX orders_placed": {
        "slower": "latest_orders orders_between",
    },
    "DROP INDEX orders_placed; CREATE INDEX orders_placed ON orders (placed)": {},
    "ALTER TABLE orders ALTER COLUMN note TYPE varchar(100)": {
        "may_break": "annotate_order",
    },
    "ALTER TABLE orders ALTER COLUMN total SET NOT NULL": {
        "breaks": "new_order",
        "may_break": "pay_order",
    },
    "ALTER TABLE orders ALTER COLUMN placed DROP DEFAULT": {
        "breaks": "new_order",
    },
    "ALTER TABLE orders ALTER COLUMN total TYPE double precision": {
        "may_break": "pay_order good_customers",
        "changes": "order_by_id orders_of_customer monthly_revenue average_total",
    },
    "ALTER TABLE orders ADD UNIQUE (customer_id, placed, id)": {
        "may_break": "new_order",
    },
    "DROP VIEW open_orders": {
        "breaks": "open_orders",
    },
    "DROP VIEW open_orders; CREATE VIEW open_orders AS SELECT id, customer_id FROM orders": {
        "breaks": "open_orders",
    },
    "DROP FUNCTION order_total(bigint)": {
        "breaks": "order_total totals_of_customer",
    },
    "DROP FUNCTION order_total(bigint); "
    "CREATE FUNCTION order_total(the_order integer) "
    "RETURNS numeric LANGUAGE sql AS 'SELECT 1.0'": {
        "breaks": "totals_of_customer",
        "may_break": "order_total",
    },
    "DROP FUNCTION order_total(bigint); "
    "CREATE FUNCTION order_total(the_order bigint) "
    "RETURNS double precision LANGUAGE sql AS 'SELECT 1.0::float8'": {
        "changes": "order_total totals_of_customer",
    },
    "ALTER TABLE items DROP CONSTRAINT items_pkey": {
        "breaks": "put_item put_item_by_constraint",
        "slower": "total_weight items_of_order copy_items",
    },
    "ALTER TABLE items DROP CONSTRAINT items_pkey, ADD CONSTRAINT items_pk PRIMARY KEY (order_id, sku)": {
        "breaks": "put_item_by_constraint",
    },
    "ALTER TABLE items DROP CONSTRAINT items_pkey, ADD PRIMARY KEY (sku, order_id)": {
        "slower": "total_weight items_of_order copy_items",
    },
    "ALTER TABLE items ADD COLUMN note text": {},
    "DROP INDEX items_sku": {
        "slower": "orders_of_product",
    },
    "DROP TABLE audit": {
        "breaks": "log log_nothing last_log whole_log ship_order",
    },
    "ALTER TABLE audit ADD COLUMN level integer NOT NULL": {
        "may_break": "log log_nothing ship_order",
        "changes": "whole_log",
    },
    "ALTER TABLE audit ALTER COLUMN who DROP DEFAULT": {
        "may_break": "log log_nothing ship_order",
    },
    "CREATE SCHEMA archive; ALTER TABLE audit SET SCHEMA archive": {
        "breaks": "log log_nothing last_log whole_log ship_order",
    },
    "ALTER TABLE customers DROP COLUMN country": {
        "breaks": "customers_of_country new_customer",
        "changes": "customer_by_email",
    },
    "ALTER TABLE orders ADD COLUMN country char(2) GENERATED ALWAYS AS ('de') STORED": {
        "changes": "order_by_id",
    },
    "ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey": {},
    "ALTER TABLE items DROP CONSTRAINT items_sku_fkey, ADD FOREIGN KEY (sku) REFERENCES products ON DELETE CASCADE": {},
    "COMMENT ON TABLE orders IS 'x'": {},
    "ALTER TABLE customers ALTER COLUMN id SET GENERATED BY DEFAULT": {},
    "ALTER TABLE orders ALTER COLUMN id SET GENERATED ALWAYS": {},
    "DROP TRIGGER audit_stamp ON audit": {},
}


@pytest.fixture(scope="module")
def shop(review_shadow) -> Iterator[ShadowDatabase]:
    with filled(review_shadow, (SHOP / "schema.sql").read_text()) as database:
        yield database


@pytest.fixture(scope="module")
def before(shop) -> State:
    return first(shop, WORKLOAD)


def test_every_statement_is_taken_and_runs_before_any_change(shop, before):
    assert before.standing.taken() == list(range(len(WORKLOAD.queries)))
    assert errors(shop, before, before.standing.taken()) == {}


@pytest.mark.parametrize("change", CHANGES)
def test_what_becomes_of_each_statement_is_known_and_true(review_shadow, shop, before, change):
    with review_shadow.clone(shop) as changed:
        run(changed, change)
        found = what_becomes(shop, changed, before)
        told: dict[str, set[str]] = {}
        for item in found:
            told.setdefault(item.effect, set()).add(name(item.number))

        assert told == {effect: set(names.split()) for effect, names in CHANGES[change].items()}

        refused = {item.number: item.sqlstate for item in found if item.effect == "breaks"}
        uncertain = {item.number for item in found if item.effect == "may_break"}
        certain = [number for number in before.standing.taken() if number not in uncertain]
        assert errors(changed, before, certain) == refused


def what_becomes(shop: ShadowDatabase, changed: ShadowDatabase, before: State) -> list[Affected]:
    after = again(changed, before)
    with resolving(shop) as resolve:
        return affected(WORKLOAD, before, after, resolve)


def name(number: int) -> str:
    return str(WORKLOAD.queries[number].name)


def errors(database: ShadowDatabase, before: State, numbers: list[int]) -> dict[int, str | None]:
    """Run statements for true, in transactions that are taken back; give the SQLSTATE of each that fails."""
    found = {}
    with connections.session(database.conninfo) as session:
        connections.give_back(session)
        for number in numbers:
            try:
                with session.transaction(force_rollback=True):
                    session.execute(text_of(before, number).encode())
            except psycopg.Error as refused:
                found[number] = refused.sqlstate
    return found


def text_of(before: State, number: int) -> str:
    """Write values into a statement, in the place of its parameters."""
    others = OTHERS.get(name(number), {})
    types = [before.standing.types[oid] for oid in before.standing.answers[number].parameters]
    values = [others.get(at, VALUES[kind]) for at, kind in enumerate(types, 1)]
    return re.sub(r"\$(\d+)", lambda hit: values[int(hit[1]) - 1], WORKLOAD.queries[number].text)


def test_roles_whose_privileges_are_not_known_are_said(review_shadow, shop, new_role):
    known = new_role("NOLOGIN")
    query = WORKLOAD.queries[0]
    sent = replace(query, uses=(Use("nobody_here", 5, 1.0), Use(known, 2, 1.0)))
    with connections.session(shop.conninfo) as session:
        info = connections.probe(session)
    watch = Watch(replace(WORKLOAD, queries=(sent,)), review_shadow, OPTIONS, info)

    watch.before(shop)

    assert [note.split(":")[0] for note in watch.result().notes] == [
        "no migration names nobody_here, so the privileges of these roles were not looked at",
        "1 statement was asked as the owner",
        "plans were not compared at the target's size",
    ]
