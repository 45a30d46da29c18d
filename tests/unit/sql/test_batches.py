"""The remarks by which a statement runs in batches, and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sqlmigrate.sql.batches import Batched, batch_problems, read_batched
from sqlmigrate.sql.statement.bounds import bounds_missing, repeats, wanted_bounds
from sqlmigrate.sql.throttles import Throttles

STATEMENT = "UPDATE users SET n = 1 WHERE id >= $1 AND id <= $2;\n"
ONE = Batched(0, 0, ("public", "users"), ("id",))
TWO = replace(ONE, key=("tenant", "id"))


def problems(text):
    """Give line, column and message of each problem."""
    found = batch_problems(Path("a.sql"), text)
    return [(item.place.line, item.place.column, item.message) for item in found]


def test_the_remarks_stand_before_their_statement():
    text = (
        "SELECT 1;\n"
        "-- sqlmigrate-batch: table=public.users key=id time=2s rows=100..5000\n"
        "-- prose, and a remark of another kind\n"
        "-- sqlmigrate-allow: H05 in batches\n"
        "-- sqlmigrate-verify:  SELECT count(*) = 0 FROM users WHERE n = 0 \r\n"
        f"{STATEMENT}SELECT 2;\n"
    )
    (found,) = read_batched(text).values()

    assert problems(text) == []
    assert text[found.offset :].startswith("UPDATE")
    assert (found.table, found.key, found.time, found.rows) == (("public", "users"), ("id",), 2000, (100, 5000))
    assert found.verify == "SELECT count(*) = 0 FROM users WHERE n = 0"
    assert text[found.verify_at :].startswith("SELECT count(*)")


@pytest.mark.parametrize(
    ("pairs", "table", "key"),
    [
        ("table=users key=id", ("users",), ("id",)),
        ("key=Tenant,ID table=Public.Users", ("public", "users"), ("tenant", "id")),
        ("""table='"My schema"."a""b"' key='"I d", n'""", ("My schema", 'a"b'), ("I d", "n")),
        ('table="öffentlich" key=straße', ("öffentlich",), ("straße",)),
    ],
)
def test_names_are_read_as_postgresql_does(pairs, table, key):
    (found,) = read_batched(f"-- sqlmigrate-batch: {pairs}\n{STATEMENT}").values()

    assert (found.table, found.key) == (table, key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" table=users key=id colour=red", (1, 41, "unknown key 'colour'; the keys are key, rows, table, time")),
        (
            " table=users key=id time=0",
            (1, 41, "time is how long a batch should take, such as 500ms; 0 is no such time"),
        ),
        (" table=users key=id time=soon", (1, 41, "'soon' is not a duration such as 500ms, 2s or 10min")),
        (" table=users key=id rows=5..2", (1, 41, "rows is the least and the most of a batch")),
        (" table=users key=id rows=0..2", (1, 41, "rows is the least and the most of a batch")),
        (" table=users key=id key=a", (1, 41, "key is set twice")),
        (" table=a.b.c key=id", (1, 22, "table is a name, or a schema and a name such as public.users, not 'a.b.c'")),
        (" table=users key=a,a", (1, 34, "key names a column twice")),
        (" table=users key=ctid,id", (1, 34, "ctid tells where a row lies, and is a key without other columns")),
        (" table=users key=a+b", (1, 34, "key is a column, or several with commas such as tenant,id, not 'a+b'")),
        (" table=users key=id and more", (1, 41, "write `-- sqlmigrate-batch: key=value ...`; 'and' is no key=value")),
        (" table=users", (1, 4, "key is missing: write table=NAME key=COLUMN")),
        ("", (1, 4, "table and key is missing: write table=NAME key=COLUMN")),
    ],
)
def test_a_remark_that_is_badly_written_is_an_error_with_its_column(text, expected):
    written = f"-- sqlmigrate-batch:{text}\n{STATEMENT}"
    ((line, column, message),) = problems(written)

    assert (line, column) == expected[:2]
    assert message.startswith(expected[2])
    assert read_batched(written) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-- sqlmigrate-verify: SELECT true\n" + STATEMENT, (1, 23, "there is no `-- sqlmigrate-batch:` before")),
        ("-- sqlmigrate-batch table=a key=b\n" + STATEMENT, (1, 4, "write `-- sqlmigrate-batch:`, with a colon")),
        (STATEMENT + "-- sqlmigrate-batch: table=a key=b\n", (2, 4, "no statement follows that could run in batches")),
        (
            "-- sqlmigrate-batch: table=a key=b\n" * 2 + STATEMENT,
            (2, 4, "sqlmigrate-batch is there twice before this statement"),
        ),
        (
            "-- sqlmigrate-batch: table=a key=b\n-- sqlmigrate-verify:\n" + STATEMENT,
            (2, 4, "write `-- sqlmigrate-verify: SELECT ...`"),
        ),
    ],
)
def test_a_remark_in_the_wrong_place_is_an_error(text, expected):
    ((line, column, message),) = problems(text)

    assert (line, column) == expected[:2]
    assert message.startswith(expected[2])


@pytest.mark.parametrize(
    "text",
    [
        "/*\n-- sqlmigrate-batch: x\n*/ " + STATEMENT,
        "SELECT '\n-- sqlmigrate-batch: x\n';\n",
        "SELECT 1; -- sqlmigrate-batch: x\n",
        "-- sqlmigrate-batches are good: x\nSELECT 1;\n",
    ],
)
def test_what_only_looks_like_a_remark_is_prose(text):
    assert problems(text) == []
    assert read_batched(text) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE users SET n = 1 WHERE id >= $1 AND id <= $2",
        "UPDATE public.users AS u SET n = 1 WHERE u.id <= $2 AND (n = 0 OR n IS NULL) AND u.id >= $1",
        "UPDATE users u SET n = x.n FROM x JOIN y USING (a) WHERE u.id >= $1 AND u.id <= $2 AND x.id = u.id",
        "UPDATE orders SET n = 1 FROM users u WHERE u.id = orders.owner AND u.id >= $1 AND u.id <= $2",
        "DELETE FROM users WHERE users.id >= $1 AND users.id <= $2",
        "INSERT INTO copy SELECT * FROM users WHERE id >= $1::bigint AND id <= $2 ON CONFLICT DO NOTHING",
        "WITH gone AS (DELETE FROM users WHERE id >= $1 AND id <= $2 RETURNING *) INSERT INTO old SELECT * FROM gone",
        "UPDATE users SET n = 1 WHERE id OPERATOR(pg_catalog.>=) $1 AND id <= $2",
    ],
)
def test_a_statement_that_keeps_to_its_bounds(statement):
    assert bounds_missing(statement, ONE) is None


def test_a_key_of_several_columns_is_compared_as_a_row():
    assert wanted_bounds(TWO) == "(tenant, id) >= ($1, $2) AND (tenant, id) <= ($3, $4)"
    assert bounds_missing(f"UPDATE users SET n = 1 WHERE {wanted_bounds(TWO)}", TWO) is None
    assert bounds_missing("UPDATE users SET n = 1 WHERE (tenant, id) >= ($1, $2)", TWO) is not None
    swapped = "UPDATE users SET n = 1 WHERE (id, tenant) >= ($1, $2) AND (id, tenant) <= ($3, $4)"
    assert bounds_missing(swapped, TWO) is not None


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE users SET n = 1", "its WHERE must hold `id >= $1 AND id <= $2`"),
        ("UPDATE users SET n = 1 WHERE id >= $1 OR id <= $2", "its WHERE must hold"),
        ("UPDATE users SET n = 1 WHERE id > $1 AND id <= $2", "its WHERE must hold"),
        ("UPDATE users SET n = 1 WHERE id >= $1 AND id < $2", "its WHERE must hold"),
        ("UPDATE users SET n = 1 WHERE id >= $2 AND id <= $1", "its WHERE must hold"),
        ("UPDATE users SET n = 1 WHERE id + 0 >= $1 AND id <= $2", "its WHERE must hold"),
        ("UPDATE users SET n = 1 WHERE NOT (id >= $1 AND id <= $2)", "its WHERE must hold"),
        ("UPDATE users u SET n = 1 FROM x WHERE id >= $1 AND id <= $2", "its WHERE must hold"),
        ("UPDATE users a SET n = 1 FROM users b WHERE b.id >= $1 AND b.id <= $2", "its WHERE must hold"),
        ("UPDATE users SET n = 1 WHERE id IN (SELECT id FROM users WHERE id >= $1 AND id <= $2)", "its WHERE must"),
        ("UPDATE other.users SET n = 1 WHERE id >= $1 AND id <= $2", "it does not name the table of its batches, "),
        (
            "WITH a AS (SELECT * FROM users WHERE id >= $1 AND id <= $2) UPDATE users SET n = 1 FROM a",
            "its WHERE must hold",
        ),
        ("INSERT INTO old VALUES ($1, $2)", "it does not name the table of its batches, "),
        ("UPDATE users SET n = $3 WHERE id >= $1 AND id <= $2", "$3 is none of the bounds, which are $1 to $2"),
        ("UPDATE users SET n = 1 WHERE id >= $1 AND id <= $2 RETURNING id", "nobody would read what RETURNING gives"),
        ("INSERT INTO old SELECT * FROM users WHERE id >= $1 AND id <= $2 LIMIT 9", "with LIMIT, rows of a batch"),
        ("WITH users AS (SELECT 1) DELETE FROM users WHERE id >= $1 AND id <= $2", "a WITH query has the name of the"),
        ("SELECT 1", "only an UPDATE, a DELETE or an INSERT ... SELECT can run in batches"),
        ("VACUUM users", "only an UPDATE"),
        ("UPDATE users SETT", "only an UPDATE"),
    ],
)
def test_a_statement_that_would_not_keep_to_its_bounds_is_refused(statement, why):
    assert str(bounds_missing(statement, ONE)).startswith(why)


def test_a_throttle_says_what_batches_wait_for():
    remark = "-- sqlmigrate-throttle: lag=5s waiters=0 vacuum=wait wal=50MB/s oldest=10min slots=10GB archive=1GB"
    text = f'-- sqlmigrate-batch: table=users key=id\n{remark} query="SELECT load > 20 FROM ops.load"\n{STATEMENT}'
    (found,) = read_batched(text).values()

    expected = Throttles(5_000, 0, "wait", 50 << 20, 600_000, 10 << 30, 1 << 30, "SELECT load > 20 FROM ops.load")
    assert (problems(text), found.throttles) == ([], expected)
    assert read_batched(f"-- sqlmigrate-batch: table=users key=id\n{STATEMENT}")[40].throttles == Throttles()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lag=0", "0 would hold every batch back; give a time such as 5s"),
        ("waiters=few", "waiters is a number of sessions, such as 0, not 'few'"),
        ("vacuum=stop", "vacuum is wait, not 'stop'"),
        ("wal=50MB", "wal is a rate such as 50MB/s, not '50MB'"),
        ("wal=0MB/s", "write a size such as 500MB or 10GB, not '0MB'"),
        ("slots=10", "write a size such as 500MB or 10GB, not '10'"),
        ("query=''", "query is one query that gives true while batches are to wait"),
        ("load=1", "unknown key 'load'; the keys are archive, lag, oldest, query, slots, vacuum, waiters, wal"),
    ],
)
def test_a_throttle_that_is_badly_written_is_an_error_with_its_column(text, message):
    ((line, column, found),) = problems(
        f"-- sqlmigrate-batch: table=users key=id\n-- sqlmigrate-throttle: {text}\n{STATEMENT}"
    )

    assert (line, column) == (2, 25)
    assert found.startswith(message)


BOUNDS = "ctid >= $1 AND ctid <= $2"
CONDITION = "its WHERE must also"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (f"UPDATE users SET n = 1 WHERE {BOUNDS} AND n IS NULL", None),
        (
            f"UPDATE users u SET (m, n) = (1, 2) FROM o WHERE u.{BOUNDS.replace('ctid <', 'u.ctid <')} AND u.n = 0",
            None,
        ),
        (f"UPDATE users SET done = true WHERE NOT done AND {BOUNDS}", None),
        (f"UPDATE users SET n = n + 1 WHERE {BOUNDS}", "by a column that it sets"),
        (f"UPDATE users SET n = n + 1 WHERE {BOUNDS} AND active", "by a column that it sets"),
        (f"UPDATE users SET n = n + 1 WHERE {BOUNDS} AND true", "by a column that it sets"),
        (f"DELETE FROM users WHERE {BOUNDS} AND old", None),
        (f"DELETE FROM users WHERE {BOUNDS}", "say which rows are to go"),
        (f"WITH gone AS (DELETE FROM users WHERE {BOUNDS} AND old RETURNING *) INSERT INTO o SELECT * FROM gone", None),
        (f"INSERT INTO o SELECT id FROM users WHERE {BOUNDS}", "such as by NOT EXISTS, or ON CONFLICT"),
        (f"INSERT INTO o SELECT id FROM users WHERE {BOUNDS} AND active", "such as by NOT EXISTS, or ON CONFLICT"),
        (f"INSERT INTO o SELECT id FROM users WHERE {BOUNDS} ON CONFLICT DO NOTHING", None),
        (
            f"INSERT INTO o SELECT id FROM users AS u WHERE {BOUNDS} AND NOT EXISTS (SELECT FROM o WHERE o.id = u.id)",
            None,
        ),
    ],
)
def test_by_place_a_statement_leaves_out_what_is_finished(statement, why):
    batched = replace(ONE, key=("ctid",))

    found = repeats(statement, batched)

    assert bounds_missing(statement, batched) is None
    assert (found is None) == (why is None)
    assert why is None or why in str(found)
