"""Plans at the target's size: an empty throwaway database looks like a target with 200,000 rows to the planner."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sqlmigrate import connection as connections
from sqlmigrate.migrations import ScriptRun
from sqlmigrate.review import model
from sqlmigrate.review.workload.check import ask_ways, first
from sqlmigrate.review.workload.growing import grow, place
from sqlmigrate.review.workload.queries import Query, Use, Workload, from_json
from sqlmigrate.review.workload.sizes import Relation, Sizes, read_sizes
from sqlmigrate.review.workload.watch import Start, Watch
from sqlmigrate.shadow import Shadow, ShadowDatabase
from sqlmigrate.sql.script import script_from_text
from support.tracing import OPTIONS

SCHEMA = """
    SET search_path = public;
    CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL, country text NOT NULL, age int, code varchar(20));
    CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL, total numeric NOT NULL);
    CREATE TABLE tiny (id int PRIMARY KEY, label text NOT NULL);
    CREATE TABLE never (id int PRIMARY KEY, label text NOT NULL);
"""
INDEXES = """
    CREATE UNIQUE INDEX users_email ON users (email);
    CREATE INDEX users_country_age ON users (country, age);
    CREATE INDEX users_country ON users (country);
    CREATE INDEX users_code ON users (code);
    CREATE INDEX orders_user ON orders (user_id);
    CREATE INDEX tiny_label ON tiny (label);
    CREATE INDEX never_label ON never (label);
"""
ROWS = """
    INSERT INTO users
    SELECT n, 'user' || n || '@example.org', 'country' || n % 4, n % 5000, 'c' || n
    FROM generate_series(1, 200000) AS n;
    INSERT INTO orders SELECT n, n, 1 FROM generate_series(1, 200000) AS n;
    INSERT INTO tiny SELECT n, 'label' || n FROM generate_series(1, 20) AS n;
"""
QUERIES = {
    "by_email": "SELECT id FROM users WHERE email = $1",
    "by_country_and_age": "SELECT id FROM users WHERE country = $1 AND age = $2",
    "by_code": "SELECT id FROM users WHERE code = $1",
    "orders_of_email": ("SELECT o.total FROM orders AS o JOIN users AS u ON u.id = o.user_id WHERE u.email = $1"),
    "all_users": "SELECT count(*) FROM users",
    "tiny": "SELECT id FROM tiny WHERE label = $1",
    "never": "SELECT id FROM never WHERE label = $1",
}
GENERIC = {"plan_cache_mode": "force_generic_plan"}
WHOLE = "to reading "
DEAR = "as much ("
# a change, and which statements are slower for which reason; the others are left alone
CHANGES: dict[str, dict[str, str]] = {
    "DROP INDEX users_email": {"by_email": WHOLE, "orders_of_email": WHOLE},
    "DROP INDEX users_country_age": {"by_country_and_age": DEAR},
    "DROP INDEX orders_user": {"orders_of_email": WHOLE},
    "DROP INDEX tiny_label": {"tiny": "no index serves"},
    "DROP INDEX never_label": {"never": "no index serves"},
    "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_email'::regclass": {
        "by_email": WHOLE,
        "orders_of_email": WHOLE,
    },
    "ALTER INDEX users_email RENAME TO users_mail": {},
    "ALTER TABLE orders ALTER COLUMN total TYPE numeric(12, 2)": {},
    "DROP INDEX users_email; CREATE UNIQUE INDEX users_email ON users (email)": {},
    "DROP INDEX users_email; CREATE INDEX users_mail ON users (email)": {},
    "CREATE INDEX ON users (age)": {},
    "ALTER TABLE users ALTER COLUMN age TYPE bigint": {},
    "ALTER TABLE users ADD COLUMN more text": {},
    "ALTER TABLE users ALTER COLUMN code TYPE text": {},
    "DROP INDEX users_email; CREATE UNIQUE INDEX users_email ON users (lower(email))": {
        "by_email": WHOLE,
        "orders_of_email": WHOLE,
    },
    'DROP INDEX users_email; CREATE UNIQUE INDEX users_email ON users (email COLLATE "C")': {
        "by_email": WHOLE,
        "orders_of_email": WHOLE,
    },
    'ALTER TABLE users ALTER COLUMN email TYPE varchar(100) COLLATE "C"': {},
}


@pytest.fixture(scope="module")
def real(throwaway_shadow: Shadow) -> Iterator[ShadowDatabase]:
    """A database with rows, and with figures of all tables but one."""
    with throwaway_shadow.database() as database:
        run(database, SCHEMA + ROWS + INDEXES + "ANALYZE users, orders, tiny")
        yield database


@pytest.fixture(scope="module")
def target(real: ShadowDatabase) -> Sizes:
    with connections.session(real.conninfo) as session:
        found = read_sizes(session)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def ground(throwaway_shadow: Shadow) -> Iterator[ShadowDatabase]:
    with throwaway_shadow.database() as database:
        run(database, SCHEMA + INDEXES)
        yield database


def test_no_value_is_among_the_figures_and_a_file_holds_them(target):
    found = Workload("the test", (), sizes=target)

    assert "example.org" not in json.dumps(found.as_json())
    assert from_json(json.loads(json.dumps(found.as_json()))) == found
    by_name = {item.name: item for item in target.relations}
    assert by_name["users"].rows == 200_000
    assert by_name["users"].pages > 1_000
    assert "never" not in by_name


def test_what_is_planned_worse_is_told_and_nothing_else(throwaway_shadow, ground, target):
    if throwaway_shadow.major < 18:
        pytest.skip("statistics cannot be written before PostgreSQL 18")
    watch = watching(throwaway_shadow, ground, target)
    start = watch.before(ground)

    for change, wanted in CHANGES.items():
        slower = becomes(watch, start, change)
        assert slower.keys() == wanted.keys(), (change, slower)
        assert [name for name, why in wanted.items() if why not in slower[name]] == [], (change, slower)
    [note] = watch.result().notes
    assert note.startswith("1 statement reads a table that the target has no statistics of")


@pytest.mark.parametrize("change", ["SELECT 1", "DROP INDEX users_email", "DROP INDEX orders_user"])
def test_an_empty_copy_plans_as_the_target_does(throwaway_shadow, ground, real, target, change):
    if throwaway_shadow.major < 18:
        pytest.skip("statistics cannot be written before PostgreSQL 18")
    plans = []
    for origin, sizes in ((real, Sizes(18)), (ground, target)):
        with throwaway_shadow.clone(origin) as copy:
            run(copy, f"SET search_path = public; {change}")
            with connections.session(copy.admin_conninfo) as admin:
                grow(admin, place(admin, sizes))
            state = first(copy, workload(target), ("public",))
            with connections.session(copy.conninfo) as session:
                answers = ask_ways(session, state.standing.ways, dict(target.settings) | GENERIC)
        plans.append([shape(answers[number].plan) for number in range(len(QUERIES) - 1)])  # one has no figures

    assert plans[0] == plans[1]


def test_it_says_how_much_is_read_of_a_table_of_38_gib(throwaway_shadow, ground, target):
    if throwaway_shadow.major < 18:
        pytest.skip("statistics cannot be written before PostgreSQL 18")
    large = replace(target, relations=tuple(map(a_thousand_times, target.relations)))
    pages = next(item.pages for item in large.relations if item.name == "users")

    watch = watching(throwaway_shadow, ground, large)

    slower = becomes(watch, watch.before(ground), "DROP INDEX users_email")

    assert pages * 8_192 > 10 << 30
    assert "goes from an index scan (users_email) to reading " in slower["by_email"]
    assert slower["by_email"].endswith("GiB of public.users")


@pytest.mark.parametrize("other", [True, False])
def test_where_it_cannot_be_done_it_says_so(throwaway_shadow, ground, target, other):
    sizes = replace(target, major=target.major - 1) if other else None

    watch = watching(throwaway_shadow, ground, sizes)

    slower = becomes(watch, watch.before(ground), "DROP INDEX users_email")

    assert slower.keys() == {"by_email", "orders_of_email"}
    assert "at the target's size" not in slower["by_email"]
    [note] = watch.result().notes
    assert note.startswith("plans were not compared at the target's size: ")
    assert note.endswith("told is only where an index is gone, invalid or of another type")


def shape(plan: str | None) -> list[str]:
    """Return the nodes of a plan with their indexes, in order."""
    return re.findall(r'"(?:Node Type|Relation Name|Index Name)": "([^"]*)"', plan or "")


def workload(sizes: Sizes | None) -> Workload:
    queries = tuple(Query(text, (Use(calls=900),), name=name) for name, text in QUERIES.items())
    return Workload("the test", queries, seconds=30 * 86_400.0, sizes=sizes)


@pytest.mark.parametrize("pages", [-1, 2**33, "many", None])
def test_a_file_with_sizes_that_no_relation_has_is_none(pages):
    sizes = Sizes(18, (Relation("public", "t", 1, 1.0, 1),))
    found = json.loads(json.dumps(Workload("the test", (), sizes=sizes).as_json()))
    found["sizes"]["relations"][0]["pages"] = pages

    with pytest.raises((TypeError, ValueError)):
        from_json(found)


def a_thousand_times(item: Relation) -> Relation:
    return replace(item, pages=item.pages * 1_000, rows=item.rows * 1_000, visible=item.visible * 1_000)


def run(database: ShadowDatabase, text: str) -> None:
    """Run SQL as scripts do, whose tables are its own; what writes to a catalog, as superuser."""
    with connections.session(database.admin_conninfo if "pg_index" in text else database.conninfo) as session:
        session.execute(text.encode())


def watching(shadow: Shadow, ground: ShadowDatabase, sizes: Sizes | None) -> Watch:
    with connections.session(ground.conninfo) as session:
        info = connections.probe(session)
    return Watch(workload(sizes), shadow, replace(OPTIONS, search_path="public"), info, ("public",))


def becomes(watch: Watch, start: Start, change: str) -> dict[str, str]:
    """Say which statements are slower after a change, and why; nothing breaks, and each is checked."""
    script = ScriptRun("0001", "apply", script_from_text(Path("sql/0001.sql"), change), transactional=True)
    with watch.shadow.clone(start.database) as changed:
        run(changed, f"SET search_path = public; {change}")
        found = watch.behind(script, (start.database, changed), start)
    assert (watch.result().breaks, watch.result().not_checked) == ((), ())
    return {said(item): item.error for item in found.get("slower", ())}


def said(item: model.LiveStatement) -> str:
    assert item.name is not None
    return item.name
