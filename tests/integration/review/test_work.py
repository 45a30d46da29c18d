"""Long work under locks, rows that are locked first, checks that rows may fail, and locks on other tables."""

from __future__ import annotations

import pytest

from sqlmigrate.review.asking import Source, not_known
from sqlmigrate.review.columns import ColumnFigures
from sqlmigrate.review.hazards import Context, check
from sqlmigrate.review.known import Known
from sqlmigrate.review.model import TableSize
from sqlmigrate.review.severity import weighed
from sqlmigrate.review.work import Asked
from support.tracing import run, trace_text

GROUND = """
    CREATE TABLE customers (id int PRIMARY KEY, score int, code text, name text);
    CREATE TABLE orders (id int PRIMARY KEY, customer_id int REFERENCES customers, region text, note text);
    CREATE INDEX orders_customer ON orders (customer_id);
    CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders, amount int);
    ALTER TABLE lines ADD CONSTRAINT lines_amount_check CHECK (amount > 0) NOT VALID;
    CREATE TABLE few (id int PRIMARY KEY, value text);
    CREATE TABLE days (day date NOT NULL, value int) PARTITION BY RANGE (day);
    CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE FUNCTION score_all() RETURNS void LANGUAGE plpgsql AS
        $$ BEGIN UPDATE customers SET score = (SELECT count(*) FROM orders WHERE customer_id = customers.id); END $$;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE TRIGGER orders_touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
"""
SIZES = {
    "public.customers": TableSize("public.customers", 5_000_000, 2 << 30, 45, 900),
    "public.orders": TableSize("public.orders", 80_000_000, 21 << 30, 830, 4000),
    "public.lines": TableSize("public.lines", 240_000_000, 40 << 30, 1900, 5000),
    "public.few": TableSize("public.few", 12, 16 << 10, 0.001, 3),
    "public.days": TableSize("public.days", 150_000_000, 9 << 30, 1200, 10),
}
COLUMNS = {
    "public.customers": {
        "code": ColumnFigures(0, 40_000),
        "id": ColumnFigures(0, -1),
        "name": ColumnFigures(0.1, -0.9),
    },
    "public.orders": {"region": ColumnFigures(0.03, 5), "note": ColumnFigures(0, -0.4), "id": ColumnFigures(0, -1)},
}
LOCK = "ALTER TABLE customers ADD COLUMN sold int;"


@pytest.fixture
def hazards(review_shadow, public_database):
    """Trace a script on a copy of the ground, and give its hazards with what a target would say of it."""

    def find(text: str, *, setup: str = "", rows: dict[int, int] | None = None, figures: bool = True, **options):
        with review_shadow.clone(public_database) as database:
            run(database, f"SET search_path = public; {setup}")
            traced = trace_text(review_shadow, database, text, **options)
        assert traced.error is None, traced.error
        known = Known(SIZES) if figures else Known()
        asked = Asked(rows or {}, COLUMNS if figures else {}, known)
        context = Context(traced, review_shadow.owner, asked=asked)
        found = weighed(check(context), known, rollback=options.get("operation") == "rollback")
        find.not_known = [item.what for item in not_known(context, Source())]
        find.seen = {one.code: one.seen for one in found}
        return {(one.code, one.statement): one.severity for one in found if one.code != "H40"}

    return find


UNDER_LOCK = {
    "an update that chooses": ("UPDATE orders SET region = 'eu' WHERE region IS NULL;", {2: 80_000_000}, "danger"),
    "an update of a thousand": ("UPDATE orders SET region = 'eu' WHERE region IS NULL;", {2: 1_000}, None),
    "at most": ("UPDATE orders SET region = 'eu' WHERE region IS NULL;", {}, "warning"),
    "by its key": ("UPDATE orders SET region = 'eu' WHERE id IN (1, 2);", {}, None),
    "of a small table": ("UPDATE few SET value = 'x' WHERE value = 'y';", {}, None),
    "a copy": ("CREATE TABLE t AS SELECT * FROM orders WHERE region = 'eu';", {}, "warning"),
    "a merge": ("MERGE INTO few USING orders o ON o.id = few.id WHEN MATCHED THEN DELETE;", {}, "warning"),
    "a function": ("SELECT score_all();", {}, "warning"),
    "a loop": ("DO $$ BEGIN FOR i IN 1..2 LOOP DELETE FROM lines WHERE id = i; END LOOP; END $$;", {}, "warning"),
    "a long read": ("SELECT sum(amount) FROM lines WHERE order_id > 5;", {}, "warning"),
    "the end of an index": ("SELECT setval('lines_id', (SELECT max(id) FROM lines));", {}, None),
    "a check of another table": ("ALTER TABLE lines VALIDATE CONSTRAINT lines_amount_check;", {}, "danger"),
    "an index of another table": ("CREATE INDEX ON lines (amount);", {}, "danger"),
    "given rows": ("INSERT INTO orders VALUES (1, NULL, 'x');", {}, None),
    "a batch": ("DELETE FROM lines WHERE id IN (SELECT id FROM lines WHERE amount = 1 LIMIT 1000);", {}, None),
}


@pytest.mark.parametrize(("text", "rows", "severity"), UNDER_LOCK.values(), ids=UNDER_LOCK)
def test_long_work_under_a_lock_is_found_whatever_does_it(hazards, text, rows, severity):
    found = hazards(LOCK + text, setup="CREATE SEQUENCE lines_id;", rows=rows)

    assert found.get(("H05", 2)) == severity, hazards.seen


def test_without_figures_work_under_a_lock_is_a_warning_and_a_mere_read_a_note(hazards):
    assert hazards(f"{LOCK} SELECT score_all();", figures=False)["H05", 2] == "warning"
    assert hazards.not_known == ["how many rows statement 2 of 0001.sql works on"]
    assert hazards(f"{LOCK} SELECT sum(amount) FROM lines;", figures=False)["H05", 2] == "note"
    assert hazards.not_known == []
    assert hazards(f"{LOCK} ALTER TABLE lines VALIDATE CONSTRAINT lines_amount_check;", figures=False) == {
        ("H05", 2): "warning"
    }
    assert ("H05", 2) not in hazards(f"{LOCK} UPDATE few SET value = 'x' WHERE id = 1;", figures=False)


def test_rows_that_are_chosen_count_by_what_the_target_says(hazards):
    text = "UPDATE orders SET region = 'eu' WHERE region IS NULL; INSERT INTO few SELECT id, note FROM orders;"

    found = hazards(text, rows={1: 80_000_000, 2: 1_000})
    assert found == {("H20", 1): "danger"}
    assert hazards.seen["H20"].endswith("in one transaction: about 80 M rows, by EXPLAIN on the target")
    assert hazards(text, rows={1: 1_000, 2: 100_000}) == {("H20", 2): "note"}
    assert hazards(text) == {("H20", 1): "warning", ("H20", 2): "warning"}
    assert hazards.not_known == ["how many rows statements 1 and 2 of 0001.sql work on"]
    assert hazards(text, figures=False) == {}
    assert hazards("DELETE FROM lines WHERE id = 7; UPDATE few SET value = 'x' WHERE value = 'y';") == {}
    assert hazards.not_known == []


ROWS_FIRST = {
    "an update, then its own table": "UPDATE orders SET region = 'eu' WHERE region IS NULL; "
    "ALTER TABLE orders ALTER region SET DEFAULT 'eu';",
    "a function, then another table": "SELECT score_all(); ALTER TABLE few ADD COLUMN x int;",
    "rows that are only locked": "SELECT id FROM orders WHERE region = 'eu' FOR UPDATE; CREATE INDEX ON few (value);",
}


@pytest.mark.parametrize("text", ROWS_FIRST.values(), ids=ROWS_FIRST)
def test_rows_that_are_locked_before_a_table_are_found(hazards, text):
    assert ("H65", 2) in hazards(text)
    assert ("H65", 2) in hazards(text, figures=False)
    assert not {code for code, _ in hazards(text, transactional=False)} & {"H65"}


def test_few_rows_or_rows_that_nobody_can_want_may_be_locked_first(hazards):
    for text in (
        "UPDATE few SET value = 'x' WHERE value = 'y'; ALTER TABLE orders ADD COLUMN x int;",
        "INSERT INTO orders SELECT id FROM few; ALTER TABLE orders ADD COLUMN x int;",
        "LOCK TABLE orders; UPDATE orders SET region = 'x' WHERE region = 'y'; ALTER TABLE orders ADD COLUMN x int;",
    ):
        assert "H65" not in {code for code, _ in hazards(text)}


def test_what_statistics_say_against_a_check_is_a_warning(hazards):
    assert (
        hazards("CREATE UNIQUE INDEX CONCURRENTLY u ON customers (code);", transactional=False)["H24", 1] == "warning"
    )
    assert hazards.seen["H24"] == (
        "may fail: UNIQUE (code) on public.customers, where pg_stats shows n_distinct of 40 k in 5 M rows"
    )
    assert hazards("ALTER TABLE orders ADD UNIQUE (note);")["H24", 1] == "warning"
    assert hazards("ALTER TABLE orders ALTER region SET NOT NULL;")["H24", 1] == "warning"
    assert hazards("ALTER TABLE orders ADD UNIQUE (region, note);").get(("H24", 1)) is None
    assert hazards("ALTER TABLE customers ADD UNIQUE (name);").get(("H24", 1)) is None  # a tenth is NULL
    filled = "UPDATE orders SET region = 'x' WHERE region IS NULL; ALTER TABLE orders ALTER region SET NOT NULL;"
    assert ("H24", 2) not in hazards(filled)
    assert ("H24", 1) not in hazards("ALTER TABLE lines ADD UNIQUE (amount);")
    assert hazards.not_known == ["whether the rows that are there pass UNIQUE (amount) of public.lines (0001.sql)"]


def test_ids_that_are_given_beside_a_sequence_are_found(hazards):
    setup = "CREATE TABLE things (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name text);"
    insert = "INSERT INTO things VALUES (1, 'a'), (2, 'b');"

    assert hazards(insert, setup=setup)["H24", 1] == "warning"
    assert hazards("INSERT INTO things (name, id) SELECT 'a', 7;", setup=setup)["H24", 1] == "warning"
    for text in (
        "INSERT INTO things (name) VALUES ('a');",
        "INSERT INTO things VALUES (DEFAULT, 'a');",
        f"{insert} SELECT setval(pg_get_serial_sequence('things', 'id'), 2);",
        f"{insert} ALTER TABLE things ALTER id RESTART WITH 3;",
        "INSERT INTO few VALUES (1, 'a');",
    ):
        assert "H24" not in {code for code, _ in hazards(text, setup=setup)}, text


def test_a_lock_on_another_table_counts_by_its_traffic(hazards):
    new = "CREATE TABLE refunds (id int PRIMARY KEY, {} int REFERENCES {}); CREATE INDEX ON refunds ({});"

    assert hazards(new.format("c", "customers", "c"))["H66", 1] == "note"
    assert hazards(new.format("o", "orders", "o"))["H66", 1] == "warning"
    assert hazards(new.format("o", "orders", "o"), figures=False)["H66", 1] == "note"
    assert hazards("ALTER TABLE orders DROP CONSTRAINT orders_customer_id_fkey;")["H66", 1] == "warning"
    assert "public.customers too" in hazards.seen["H66"]
    assert hazards("DROP TABLE lines;", figures=False)["H66", 1] == "warning"
    assert hazards("DROP TABLE lines;", operation="rollback")["H66", 1] == "note"
    part = "CREATE TABLE days_2 {}; {}"
    bounds = "FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    assert hazards(part.format(f"PARTITION OF days {bounds}", ""))["H66", 1] == "warning"
    attached = part.format("(LIKE days INCLUDING ALL)", f"ALTER TABLE days ATTACH PARTITION days_2 {bounds};")
    assert "H66" not in {code for code, _ in hazards(attached)}
    assert "H66" not in {code for code, _ in hazards("CREATE TABLE n (id int PRIMARY KEY, m int REFERENCES n);")}


SWITCHED_OFF = {
    "a trigger": ("H14", "ALTER TABLE orders DISABLE TRIGGER orders_touch;", "ENABLE TRIGGER orders_touch"),
    "all triggers": ("H14", "ALTER TABLE orders DISABLE TRIGGER USER;", "ENABLE TRIGGER USER"),
    "autovacuum": ("H69", "ALTER TABLE orders SET (autovacuum_enabled = off);", "RESET (autovacuum_enabled)"),
    "autovacuum of TOAST": (
        "H69",
        "ALTER TABLE orders SET (toast.autovacuum_enabled = false);",
        "RESET (toast.autovacuum_enabled)",
    ),
}


@pytest.mark.parametrize(("code", "text", "back"), SWITCHED_OFF.values(), ids=SWITCHED_OFF)
def test_what_is_switched_off_and_stays_so_is_a_warning(hazards, code, text, back):
    assert hazards(text)[code, 1] == "warning"
    assert hazards(f"{text} UPDATE few SET value = 'x'; ALTER TABLE orders {back};").get((code, 1)) in (None, "note")


def test_the_only_index_of_a_foreign_key_is_missed(hazards):
    for outside, text in ((False, "DROP INDEX orders_customer;"), (True, "DROP INDEX CONCURRENTLY orders_customer;")):
        assert hazards(text, transactional=not outside)["H12", 1] == "warning"
    again = "CREATE INDEX o2 ON orders (customer_id, id); DROP INDEX orders_customer;"
    assert "H12" not in {code for code, _ in hazards(again)}
    assert "H12" not in {code for code, _ in hazards("DROP INDEX orders_customer; DROP TABLE lines, orders;")}
    assert hazards("DROP INDEX orders_customer;", operation="rollback")["H12", 1] == "note"
