"""The first run in a database that another tool has worked on: nothing is run twice without a word."""

from __future__ import annotations

import pytest

from sqlmigrate.errors import Error, HistoryError
from sqlmigrate.history.foreign import KNOWN, Known
from sqlmigrate.history.yoyo_tables import Where
from sqlmigrate.importing.yoyo import exchange as yoyo_exchange
from sqlmigrate.migrations import migration_hash
from support.runner import Runner, ids

YOYO = """
CREATE TABLE _yoyo_migration (migration_hash text, migration_id text, applied_at_utc timestamp);
INSERT INTO _yoyo_migration VALUES ('{}', 'a', now());
"""

OWN = {(item.schema, item.name) for item in KNOWN if item.tool in {"yoyo", "sqlmigrate"}}


def columns(item: Known) -> str:
    """Give the columns of a table of another tool."""
    return ", ".join(f'"{name}" text' for name in sorted(item.columns))


@pytest.fixture
def two(runner) -> Runner:
    for name in "ab":
        runner.write(name, f"CREATE TABLE {name} ();", f"DROP TABLE {name};")
    return runner


def notes(runner: Runner) -> tuple[str, ...]:
    """Give what is noted of the plan of the next run."""
    return runner.apply().plan.notes


def test_what_yoyo_has_applied_is_not_run_again(two, conn):
    conn.execute(YOYO.format(migration_hash("a")))

    with pytest.raises(HistoryError, match=r"a is applied, says public\._yoyo_migration") as caught:
        two.apply()

    assert caught.value.hint.endswith("sqlmigrate mark --from yoyo --schema public")
    assert two.history().version is None


def test_what_yoyo_has_applied_elsewhere_is_not_a_reason_to_stop(two, conn):
    conn.execute(YOYO.format(migration_hash("of another project")))

    assert ids(two.apply()) == ["a", "b"]


@pytest.mark.parametrize("name", ["schema_migrations", "flyway_schema_history", '"__EFMigrationsHistory"'])
def test_the_history_of_another_tool_is_noted_at_the_first_run_only(two, conn, name):
    conn.execute(f"CREATE TABLE {name} (version text)")

    [note] = notes(two)
    two.write("c", "SELECT 1;")

    assert note.startswith(f"public.{name.strip(chr(34))} is the history of ")
    assert notes(two) == ()


def test_what_a_platform_keeps_in_its_own_schema_is_not_noted(two, conn, admin):
    admin.execute("CREATE SCHEMA auth CREATE TABLE schema_migrations (version text)")

    assert notes(two) == ()


@pytest.mark.parametrize("place", sorted({(item.schema, item.name) for item in KNOWN if not item.beside} - OWN))
def test_a_table_in_the_place_where_a_tool_keeps_its_history_is_noted_whatever_its_columns(two, conn, place):
    schema, name = place
    conn.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; CREATE TABLE "{schema}"."{name}" (something text)')

    [note] = notes(two)

    assert note.startswith(f"{schema}.{name} is the history of ")


def test_the_history_of_another_tool_is_known_by_its_columns_in_any_schema_and_under_other_names(two, conn):
    conn.execute("CREATE SCHEMA app")
    for item in (
        item for item in KNOWN if item.any_name and not item.beside and item.tool not in {"yoyo", "sqlmigrate"}
    ):
        conn.execute(f'CREATE TABLE app."renamed {item.tool}" ({columns(item)})')
    conn.execute("CREATE TABLE app.knex_migrations (id int, name text, batch int, migration_time timestamptz)")

    found = {note.partition(":")[0] for note in notes(two)}

    tools = ("Atlas", "Flyway", "Liquibase", "Prisma", "goose", "sqlx")
    assert found == {f"app.renamed {tool} is the history of {tool}" for tool in tools} | {
        "app.knex_migrations is the history of Knex"
    }


def test_a_table_of_the_application_with_a_common_name_is_not_noted(two, conn):
    conn.execute("CREATE SCHEMA birds; CREATE TABLE birds.migrations (id int, species text, away date)")

    assert notes(two) == ()


def test_another_history_of_ours_is_not_taken_for_yoyos(two, conn):
    """One history for each tenant, in one database."""
    for tenant in ("t1", "t2"):
        conn.execute(f"CREATE SCHEMA {tenant}")
        two.defaults = {"schema": f"hist_{tenant}", "search_path": tenant}
        result = two.apply()
        assert ids(result) == ["a", "b"]

    [note] = result.plan.notes
    assert note.startswith("there is another history of sqlmigrate in schema hist_t1: ")
    tables = conn.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'a' ORDER BY 1").fetchall()
    assert tables == [("t1",), ("t2",)]


@pytest.mark.parametrize("schema", ["hist_t1", None])
def test_another_history_of_ours_is_nothing_to_adopt(two, conn, schema):
    two.defaults = {"schema": "hist_t1"}
    two.apply()
    two.defaults = {"schema": "hist_t2"}
    where = Where(schema)

    with pytest.raises(Error, match=r"holds another history of sqlmigrate|there is no table _yoyo_migration"):
        yoyo_exchange.adopt(two.conninfo, two.load(), two.options({}), where=where, gate=lambda *_: None)

    assert two.applied() == []


def test_another_history_of_ours_is_not_a_place_to_copy_to(two):
    for schema in ("hist_t1", "hist_t2"):
        two.defaults = {"schema": schema, "search_path": "pg_temp"}
        two.apply(steps=1)

    with pytest.raises(Error, match="holds another history of sqlmigrate"):
        yoyo_exchange.copy_back(two.conninfo, two.options({}), where=Where("hist_t1"), gate=lambda *_: None)


def test_tables_that_somebody_else_puts_beside_yoyos_do_not_hide_it(two, conn, admin, new_role):
    conn.execute(YOYO.format(migration_hash("a")))
    admin.execute(
        "CREATE TABLE applied (migration_hash text, run_id uuid); CREATE TABLE meta (version int, upgraded_by text)"
    )
    for table in ("applied", "meta"):
        admin.execute(f"ALTER TABLE {table} OWNER TO {new_role('NOLOGIN')}")

    with pytest.raises(HistoryError, match=r"a is applied, says public\._yoyo_migration"):
        two.apply()
