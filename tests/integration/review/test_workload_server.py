"""What the target's pg_stat_statements tells of an application: a shop that has really sent its statements."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sqlmigrate import connection as connections
from sqlmigrate.config import load
from sqlmigrate.engine import Options
from sqlmigrate.errors import Error
from sqlmigrate.review.last_use import uses_by, uses_in
from sqlmigrate.review.workload.check import first
from sqlmigrate.review.workload.files import read_files
from sqlmigrate.review.workload.queries import LONGEST, Workload, from_json
from sqlmigrate.review.workload.server import read_workload
from sqlmigrate.server import PrivateServer
from sqlmigrate.sql.script import script_from_text
from sqlmigrate.sql.statement.removals import removals_of
from sqlmigrate.usage import counted as counting_module
from sqlmigrate.usage.finding import find_in_statements
from sqlmigrate.usage.found import Object
from support.command import Outcome, ended, started
from support.files import MigrationFiles
from support.tracing import filled

SHOP = Path(__file__).parent / "shop"
# values for the parameters of the shop's statements, in the order of the application
SENT = {
    "customer_by_id": [1],
    "customer_by_email": ["x"],
    "new_customer": ["new", "new", "xx"],
    "upsert_customer": ["x", "x"],
    "add_points": [1, 1],
    "recent_customers": ["1 day"],
    "products_tagged": ["a"],
    "new_product": ["new", "new", 1],
    "take_stock": [1, "x"],
    "orders_of_customer": [1],
    "latest_orders": [],
    "orders_of_status": ["new"],
    "new_order": [1],
    "pay_order": [1, 1],
    "order_with_customer": [1],
    "monthly_revenue": [],
    "order_total": [1],
    "put_item": [1, "x", 1, 1],
    "best_sellers": [],
    "log": ["something"],
    "good_customers": [1],
    "ship_order": [1],
    "some_orders": [1, 2, 3],
    "ping": [],
}
TIMES = 3
NAME_EMAIL = {
    "customer_by_id",
    "customer_by_email",
    "new_customer",
    "upsert_customer",
    "recent_customers",
    "order_with_customer",
}


@pytest.fixture(scope="module")
def shop(counting: PrivateServer) -> Iterator[str]:
    """The shop's database, in which its application, the role `shop`, has sent its statements; gives its connection.

    It is gone afterwards: where tests are shared out, more of them may come later.
    """
    with psycopg.connect(counting.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("CREATE ROLE shop LOGIN; CREATE ROLE reader LOGIN")
        admin.execute("CREATE DATABASE shop")
    target = counting.conninfo("shop")
    with psycopg.connect(target, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA tools; CREATE EXTENSION pg_stat_statements SCHEMA tools")
        admin.execute((SHOP / "schema.sql").read_text().encode())
        admin.execute(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO shop; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop"
        )
    texts = {query.name: query.text for query in read_files(SHOP / "queries.sql").queries}
    with psycopg.connect(target, user="shop", autocommit=True, prepare_threshold=None) as application:
        for _ in range(TIMES):
            with application.transaction(force_rollback=True):
                for name, values in SENT.items():
                    psycopg.RawCursor(application).execute(texts[name].encode(), values)
        application.execute("SELECT count(*) FROM pg_catalog.pg_class")
        application.execute("SELECT 'card 4711' AS secret FROM customers LIMIT 1")
    yield target
    with psycopg.connect(counting.conninfo("postgres"), autocommit=True) as admin:
        admin.execute("DROP DATABASE shop WITH (FORCE)")
        admin.execute("DROP ROLE shop, reader")


def read(target: str, **options: object) -> Workload:
    with connections.session(target) as session:
        return read_workload(session, name="shop", history_schema="sqlmigrate", **options)  # type: ignore[arg-type]


def test_it_reads_what_was_sent_how_often_and_by_whom(shop):
    found = read(shop)

    by_application = [query for query in found.queries if [use.role for use in query.uses] == ["shop"]]
    assert len(by_application) == len(SENT) + 1
    assert {query.calls for query in by_application} == {TIMES, 1}
    assert all(query.mean is not None for query in by_application)
    assert (found.track, found.evicted, found.unread) == ("top", 0, 0)
    assert found.seconds is not None
    why = {item.why: item.statements for item in found.left_out}
    assert why["utility statements"] >= 1
    assert why["monitoring and tools (they read PostgreSQL's own catalogs alone)"] >= 1


def test_no_value_leaves_the_server_and_what_is_hidden_stays_there(shop):
    found = read(shop, hidden=["secret"])

    assert not [query for query in found.queries if "4711" in query.text]  # the figures may hold it
    assert not [query for query in found.queries if "secret" in query.text]
    assert ("hidden by workload_hide", 1) in [(item.why, item.statements) for item in found.left_out]


def test_a_text_that_fills_the_memory_stays_on_the_server(shop):
    with psycopg.connect(shop, autocommit=True) as session:
        session.execute(f"SELECT count(*) FROM products /* {'x' * 3_000_000} */".encode())

    found = read(shop)

    assert max(len(query.text) for query in found.queries) <= LONGEST
    assert ("longer than 50,000 characters", 1) in [(item.why, item.statements) for item in found.left_out]


def test_a_file_holds_all_of_it(shop):
    found = read(shop)

    assert from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_role_that_may_not_see_others_says_how_much_it_has_not_seen(shop):
    reader = connections_as(shop, "reader")
    with pytest.raises(Error, match="role reader may not read pg_stat_statements: permission denied for schema tools"):
        read(reader)
    with psycopg.connect(shop, autocommit=True) as admin:
        admin.execute("GRANT USAGE ON SCHEMA tools TO reader")

    found = read(reader)

    assert found.unread >= len(SENT)
    assert "could not be read: the role needs pg_read_all_stats" in str(found)


def test_without_the_extension_it_says_what_to_do(counting, shop):
    with pytest.raises(Error, match="has no pg_stat_statements in this database") as refused:
        read(counting.conninfo("postgres"))

    assert refused.value.hint is not None
    assert "--workload-file" in refused.value.hint


def test_what_the_server_counts_is_taken_again_by_the_schema_that_it_was_sent_to(shop, review_shadow):
    found = read(shop)

    with filled(review_shadow, (SHOP / "schema.sql").read_text()) as database:
        before = first(database, found)

    assert [str(answer.refused) for answer in before.standing.answers.values() if answer.refused] == []


def test_a_review_of_the_target_says_what_breaks(shop, tmp_path):
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "1_base.sql").write_text((SHOP / "schema.sql").read_text())
    (tmp_path / "sql" / "2_rename.sql").write_text("ALTER TABLE customers RENAME COLUMN email TO mail;\n")
    marked = command("mark", "1_base", cwd=tmp_path, target=shop)
    assert marked.status == 0, marked

    outcome = command("review", "--workload", "--json", cwd=tmp_path, target=shop)

    report = outcome.document
    workload = report["workload"]
    [statement] = report["migrations"][0]["apply"]["statements"]
    assert outcome.status == 3
    assert len(workload["breaks"]) == len(NAME_EMAIL) + 1  # and what has filled the table
    assert {item["line"] for item in workload["breaks"]} == {1}
    assert "H50" in {hazard["code"] for hazard in statement["hazards"]}
    assert "100% of calls were checked" in workload["headline"]
    said = "that the target has no statistics of" if found_major(shop) >= 18 else "takes no statistics over"
    assert [note for note in workload["notes"] if said in note]
    [renamed] = [hazard for hazard in statement["hazards"] if hazard["code"] == "H23"]
    assert [use["object"] for use in renamed["last_use"]] == ["column public.customers.email"]
    assert "calls by role shop" in renamed["last_use"][0]["said"]


def test_a_review_says_when_what_goes_was_last_used(shop, tmp_path):
    files = MigrationFiles(tmp_path)
    files.migration(
        "1",
        "ALTER TABLE customers RENAME COLUMN email TO mail; DROP TABLE audit; DROP INDEX orders_placed;"
        "ALTER TABLE products DROP COLUMN weight; ALTER INDEX products_title RENAME TO titles;",
    )
    migrations, config = files.load().ordered, load({}, environ={}, cwd=tmp_path)

    [uses] = uses_in(shop, migrations, config, Options(), workload=True).values()
    [unasked] = uses_in(shop, migrations, config, Options(), workload=False).values()

    assert [use.verdict for use in uses] == ["used", "used", "used", "unknown", "unknown"]
    assert "calls by role shop" in uses[0].said
    assert "index public.orders_placed is used: 3 scans" in uses[2].said
    assert "statements are counted only since" in uses[3].said
    assert "scans are counted only since" in uses[4].said
    assert "the target was not asked for its statements (--workload)" in unasked[3].said


def test_without_a_target_a_file_tells_what_its_statements_use(shop, tmp_path):
    files = MigrationFiles(tmp_path)
    files.migration("1", "ALTER TABLE customers DROP COLUMN email; DROP TABLE audit; DROP TABLE nobody_s;")

    uses = uses_by(read(shop), files.load().ordered)["1"]

    assert [use.verdict for use in uses] == ["used", "used", "unknown"]
    assert "calls by role shop of INSERT INTO audit" in uses[1].said
    assert "views, functions and scans are not known without the target" in uses[2].notes


def found_major(target: str) -> int:
    with psycopg.connect(target) as session:
        return session.info.server_version // 10_000


def command(*arguments: str, cwd: Path, target: str) -> Outcome:
    with started(*arguments, cwd=cwd, env={"DATABASE_URL": target}) as process:
        return ended(process)


def connections_as(target: str, role: str) -> str:
    return psycopg.conninfo.make_conninfo(target, user=role)


def test_what_is_counted_is_read_within_bounds(shop, monkeypatch):
    monkeypatch.setattr(counting_module, "_MOST", 300)
    with connections.session(shop) as session:
        found = counting_module.read_counted(session, longest=20)
    [removed] = removals_of(script_from_text(Path("a.sql"), "DROP TABLE never_sent;")).objects
    use = find_in_statements(Object("relation", (removed.name,), (), removed, ""), found, start=found.read_at)

    assert 0 < sum(len(row.text) for row in found.rows) <= 300
    assert max(len(row.text) for row in found.rows) == 20
    assert found.cut > found.beyond[0] > 0
    assert found.unread == 0
    assert (use.verdict, f"{found.cut:,} statements are too long to be read in full" in use.said) == ("unknown", True)
    left = {item.why: item.statements for item in read(shop).left_out}
    assert left["too long, all statements together"] > 0
