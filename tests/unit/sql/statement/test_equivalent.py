"""The SELECT that is planned in a statement's place, and those that are not."""

from __future__ import annotations

import pytest

from sqlmigrate.sql.statement.equivalent import choice, equivalent, limited, reads_ends
from sqlmigrate.sql.statement.names import Named


def called(named: Named) -> str | None:
    """Say that there is every relation but `hidden`, and that all lie in `shop`."""
    return None if named.name == "hidden" else f'shop."{named.name}"'


MADE = {
    "UPDATE orders SET a = f(1) WHERE b IS NULL": "SELECT 1 FROM shop.orders orders WHERE b IS NULL",
    "UPDATE orders o SET a = 1 FROM items i WHERE i.id = o.id": (
        "SELECT 1 FROM shop.orders o, shop.items i WHERE i.id = o.id"
    ),
    "DELETE FROM public.orders USING items WHERE lower(items.name) = 'x'": (
        "SELECT 1 FROM shop.orders orders, shop.items items WHERE lower(items.name) = 'x'"
    ),
    "INSERT INTO a SELECT * FROM orders LIMIT 5": "SELECT * FROM shop.orders orders LIMIT 5",
    "INSERT INTO a WITH w AS (SELECT 1) SELECT * FROM w": "WITH w AS (SELECT 1) SELECT * FROM w",
    "CREATE TABLE a AS SELECT pg_catalog.sum(b) FROM orders": "SELECT pg_catalog.sum(b) FROM shop.orders orders",
    "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE": (
        "SELECT 1 FROM shop.b b LEFT JOIN shop.a a ON a.id = b.id"
    ),
    "UPDATE a SET x = 1 WHERE id IN (SELECT id FROM b FOR UPDATE SKIP LOCKED)": (
        "SELECT 1 FROM shop.a a WHERE id IN (SELECT id FROM shop.b b)"
    ),
    "SELECT id FROM a FOR UPDATE": "SELECT id FROM shop.a a",
}
NOT_MADE = [
    "DELETE FROM a WHERE public.f(id)",
    "DELETE FROM a WHERE id OPERATOR(public.=) 3",
    "DELETE FROM a WHERE id = 'x'::public.mood",
    "DELETE FROM a WHERE name COLLATE public.mine > 'x'",
    "SELECT id FROM a ORDER BY id USING OPERATOR(public.<)",
    "DELETE FROM a WHERE table_to_xml('hidden', true, true, '') IS NULL",
    "DELETE FROM a WHERE pg_catalog.query_to_xml('SELECT f()', true, true, '') IS NULL",
    "DELETE FROM a WHERE table_to_xml_and_xmlschema('hidden', true, true, '') IS NULL",
    "DELETE FROM a WHERE pg_input_is_valid('x', 'public.checked')",
    "DELETE FROM a WHERE jsonb_populate_record(CASE WHEN false THEN a END, '{}') IS NULL",
    "DELETE FROM a WHERE enum_first(CASE WHEN false THEN mood END) IS NULL",
    "DELETE FROM a WHERE ('x'::text).pg_input_is_valid",
    "DELETE FROM a WHERE XMLSERIALIZE(DOCUMENT x AS text) = ''",
    "DELETE FROM a WHERE JSON_VALUE('1', '$' RETURNING public.checked) IS NULL",
    "DELETE FROM a WHERE a_function_of_a_later_version(1)",
    "DELETE FROM a WHERE id IN (SELECT id FROM hidden)",
    "WITH d AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM d",
    "DELETE FROM a WHERE CURRENT OF c",
    "DELETE FROM a WHERE id IN (SELECT id FROM b TABLESAMPLE public.mine (1))",
    "DELETE FROM a WHERE id = $1",
    "INSERT INTO a VALUES (1)",
    "DO $$ BEGIN DELETE FROM a; END $$",
    "SELECT 1; DELETE FROM a WHERE",
]


@pytest.mark.parametrize(("statement", "select"), MADE.items())
def test_a_statement_becomes_the_select_that_finds_its_rows(statement, select):
    assert equivalent(statement, called) == select


@pytest.mark.parametrize("statement", NOT_MADE)
def test_nothing_is_planned_that_names_what_is_not_our_own(statement):
    assert equivalent(statement, called) is None


PINNED = {
    "id = 5 AND x = 'a'": {"id": 1, "x": 1},
    "id IN (1, 2, 3)": {"id": 3},
    "id IN (SELECT id FROM t LIMIT 1000)": {"id": 1000},
    "id = '5'::bigint": {"id": 1},
    "id = 5 OR x = 1": {},
    "id <> 1": {},
    "id NOT IN (1, 2)": {},
    "id NOT IN (SELECT id FROM t LIMIT 10)": {},
    "id <> ALL (SELECT 1 LIMIT 1)": {},
    "id IN (SELECT id FROM t)": {},
    "id = x": {},
    "id > 5": {},
}


@pytest.mark.parametrize(("where", "pinned"), PINNED.items())
def test_the_values_that_a_condition_gives_are_counted(where, pinned):
    found = choice(f"DELETE FROM orders WHERE {where}")

    assert found is not None
    assert found.pinned == pinned


def test_what_a_condition_of_several_tables_chooses_is_not_counted():
    assert choice("DELETE FROM a USING b WHERE a.id = 1") is None
    assert choice("INSERT INTO a VALUES (1)") is None


@pytest.mark.parametrize(
    ("statement", "ends"),
    [
        ("SELECT setval('s', (SELECT max(id) FROM t))", [("t", "id")]),
        ("SELECT setval('s', (SELECT coalesce(max(id), 1) + 1 FROM t))", [("t", "id")]),
        ("SELECT count(*) FROM t", None),
        ("SELECT max(id) FROM t WHERE x", None),
        ("SELECT f()", []),
        ("DELETE FROM t", None),
    ],
)
def test_a_select_that_reads_only_the_end_of_an_index_is_told_from_others(statement, ends):
    found = reads_ends(statement)

    assert (None if found is None else [(table.name, column) for table, column in found]) == ends


def test_a_limit_is_read_where_it_is_a_number():
    assert limited("INSERT INTO a SELECT * FROM b LIMIT 10") == 10
    assert limited("CREATE TABLE a AS SELECT * FROM b LIMIT 10") == 10
    assert limited("INSERT INTO a SELECT * FROM b") is None
    assert limited("INSERT INTO a SELECT * FROM b LIMIT (SELECT 1)") is None
    assert limited("UPDATE a SET b = 1") is None
