"""`mark --from TOOL`: what other tools have applied is marked, with their times, and what differs is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

import psycopg
import pytest

from fixtures.postgres import Database
from sqlmigrate import migrations
from sqlmigrate.errors import Error, HistoryError, UsageError
from sqlmigrate.importing.marking import Adoption, adopt
from sqlmigrate.importing.tables import Where
from sqlmigrate.importing.tools import NAMES, named
from support.importing import imported
from support.runner import Runner
from support.their_histories import TABLES

pytestmark = pytest.mark.contract

T1, T2, T3 = "2024-01-01 10:00:00", "2024-02-01 10:00:00", "2024-03-01 10:00:00"
ONE, TWO, THREE = ("SELECT 1;\n", "SELECT 2;\n", "SELECT 3;\n")
DBMATE = {f"{n}_x.sql": f"-- migrate:up\n{text}-- migrate:down\n" for n, text in ((1, ONE), (2, TWO), (3, THREE))}
PLAN = "%project=shop\n\na 2024 A <a> # 1\n@v1 2024 A <a> # t\nb 2024 A <a> # 2\na [b] 2024 A <a> # 3\n"
WHENS = (1704103200000, 1704103200500, 1706781600000)  # T1, half a second later, and T2


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Case:
    """A tool's files, the rows of its table, and what is to be marked, with its time; `said` is what differs."""

    files: Mapping[str, str]
    rows: str
    marked: Mapping[str, str | None]
    said: Mapping[str, tuple[str, ...]]
    named: tuple[str, ...] = ()


def drizzle() -> Case:
    entries = [{"idx": n, "when": when, "tag": f"000{n}_x"} for n, when in enumerate(WHENS)]
    return Case(
        {
            "meta/_journal.json": json.dumps({"entries": entries}),
            "0000_x.sql": ONE,
            "0001_x.sql": TWO,
            "0002_x.sql": THREE,
        },
        f"""INSERT INTO drizzle.__drizzle_migrations (hash, created_at)
            VALUES ('{sha256(ONE)}', {WHENS[0]}), ('{sha256("other")}', {WHENS[2]}), ('{"0" * 64}', 1)""",
        {"0000_x": T1, "0002_x": T2},
        {"pending": ("0001_x",), "skipped": ("0001_x",), "edited": ("0002_x",), "without_file": ("000000000000 of 1",)},
    )


CASES = {
    "dbmate": Case(
        DBMATE,
        "INSERT INTO schema_migrations VALUES ('2'), ('1'), ('9')",
        {"1_x": None, "2_x": None},
        {"pending": ("3_x",), "without_file": ("9",)},
    ),
    "goose": Case(
        {f"0000{n}_x.sql": f"-- +goose Up\n{text}" for n, text in ((1, ONE), (2, TWO), (3, THREE))},
        f"""INSERT INTO goose_db_version (version_id, is_applied, tstamp)
            VALUES (0, true, '{T1}'), (2, true, '{T1}'), (1, true, '{T2}'), (3, true, '{T2}'), (3, false, '{T3}')""",
        {"00002_x": T1, "00001_x": T2},
        {"pending": ("00003_x",)},
    ),
    "golang-migrate": Case(
        {"1_x.up.sql": ONE, "2_x.up.sql": TWO, "10_x.up.sql": THREE},
        "INSERT INTO schema_migrations VALUES (2, false)",
        {"1_x": None, "2_x": None},
        {"pending": ("10_x",)},
    ),
    "flyway": Case(
        {
            f"V{version}__x.sql": text
            for version, text in (("1", ONE), ("1.1", TWO), ("2", THREE), ("3", ONE), ("4", ONE))
        },
        f"""INSERT INTO flyway_schema_history VALUES
            (1, '1', 'base', 'BASELINE', '<< base >>', NULL, 'me', '{T1}', 0, true),
            (2, '1.1', 'x', 'SQL', 'V1.1__x.sql', 1, 'me', '{T2}', 0, true),
            (3, '2', 'x', 'SQL', 'V2__x.sql', {crc32(b"SELECT 3;")}, 'me', '{T3}', 0, true),
            (4, '3', 'x', 'SQL', 'V3__x.sql', 1, 'me', '{T3}', 0, true),
            (5, '3', 'x', 'UNDO_SQL', 'U3__x.sql', 1, 'me', '{T3}', 0, true),
            (6, '9.0', 'gone', 'SQL', 'V9.0__gone.sql', 1, 'me', '{T3}', 0, true),
            (7, NULL, 'views', 'SQL', 'R__views.sql', 1, 'me', '{T3}', 0, true)""",
        {"V1__x": T1, "V1.1__x": T2, "V2__x": T3},
        {"pending": ("V3__x", "V4__x"), "edited": ("V1.1__x",), "without_file": ("9.0 (gone)",)},
    ),
    "supabase": Case(
        {"20240101000000_x.sql": ONE, "20240102000000_x.sql": TWO},
        "INSERT INTO supabase_migrations.schema_migrations VALUES ('20240101000000', '{}', 'x'), ('1', NULL, NULL)",
        {"20240101000000_x": None},
        {"pending": ("20240102000000_x",), "without_file": ("1",)},
    ),
    "drizzle": drizzle(),
    "alembic": Case(
        {
            "up.sql": "".join(
                f"-- Running upgrade {before} -> {name}\n\nSELECT 1;\n\n"
                for before, name in (("", "zz"), ("zz", "aa"), ("zz", "bb"), ("aa, bb", "mm"), ("mm", "ll"))
            )
        },
        "INSERT INTO alembic_version VALUES ('mm')",
        {"0001_zz": None, "0002_aa": None, "0003_bb": None, "0004_mm": None},
        {"pending": ("0005_ll",)},
        ("up.sql",),
    ),
    "sqitch": Case(
        {"sqitch.plan": PLAN, "deploy/a@v1.sql": ONE, "deploy/b.sql": TWO, "deploy/a.sql": THREE},
        f"""INSERT INTO sqitch.changes (change_id, change, project, committed_at)
            VALUES ('1', 'a', 'shop', '{T1}+00'), ('2', 'b', 'shop', '{T2}+00')""",
        {"0001_a@v1": T1, "0002_b": T2},
        {"pending": ("0003_a",)},
    ),
    "sqlx": Case(
        {"1_x.sql": ONE, "2_x.sql": TWO, "3_x.sql": THREE},
        f"""INSERT INTO _sqlx_migrations VALUES
            (1, 'x', '{T1}+00', true, '\\x{hashlib.sha384(ONE.encode()).hexdigest()}', 1),
            (2, 'x', '{T2}+00', true, '\\x00', 1)""",
        {"1_x": T1, "2_x": T2},
        {"pending": ("3_x",), "edited": ("2_x",)},
    ),
    "prisma": Case(
        {f"{n}_x/migration.sql": text for n, text in ((1, ONE), (2, TWO), (3, THREE))},
        f"""INSERT INTO _prisma_migrations (id, checksum, finished_at, migration_name, rolled_back_at, started_at)
            VALUES ('1', '{sha256(ONE)}', '{T1}+00', '1_x', NULL, '{T1}+00'),
                   ('2', '{"1" * 64}', NULL, '2_x', '{T1}+00', '{T1}+00'),
                   ('3', '{"1" * 64}', '{T2}+00', '2_x', NULL, '{T2}+00')""",
        {"1_x": T1, "2_x": T2},
        {"pending": ("3_x",), "edited": ("2_x",)},
    ),
    "diesel": Case(
        {"2024-01-01-000000_x/up.sql": ONE, "2024-01-02-000000_x/up.sql": TWO},
        f"INSERT INTO __diesel_schema_migrations VALUES ('20240101000000', '{T1}')",
        {"2024-01-01-000000_x": T1},
        {"pending": ("2024-01-02-000000_x",)},
    ),
    "django": Case(
        {
            "plan.txt": "[X]  a.0001_x\n[X]  b.0001_x ... (a.0001_x)\n[ ]  a.0002_y ... (a.0001_x)\n",
            "a.0001_x.sql": ONE,
            "b.0001_x.sql": TWO,
            "a.0002_y.sql": THREE,
        },
        f"""INSERT INTO django_migrations (app, name, applied)
            VALUES ('b', '0001_x', '{T1}+00'), ('a', '0001_x', '{T2}+00'), ('auth', '0001_x', '{T3}+00')""",
        {"0002_b.0001_x": T1, "0001_a.0001_x": T2},
        {"pending": ("0003_a.0002_y",), "without_file": ("auth.0001_x",)},
    ),
    "node-pg-migrate": Case(
        {"1700000000000_x.sql": ONE, "1700000000001_x.sql": TWO},
        f"INSERT INTO pgmigrations (name, run_on) VALUES ('1700000000000_x', '{T1}'), ('1_js', '{T2}')",
        {"1700000000000_x": T1},
        {"pending": ("1700000000001_x",), "without_file": ("1_js",)},
    ),
    "graphile-migrate": Case(
        {
            "committed/000001-x.sql": f"--! Previous: -\n--! Hash: sha1:a\n\n{ONE}",
            "committed/000002.sql": f"--! Previous: sha1:a\n--! Hash: sha1:b\n\n{TWO}",
        },
        f"INSERT INTO graphile_migrate.migrations VALUES ('sha1:z', NULL, '000001.sql', '{T1}+00')",
        {"000001-x": T1},
        {"pending": ("000002",), "edited": ("000001-x",)},
    ),
}
UNPADDED = {"flyway", "golang-migrate"}
FAILED = {
    "golang-migrate": "UPDATE schema_migrations SET dirty = true",
    "flyway": "UPDATE flyway_schema_history SET success = false WHERE installed_rank = 3",
    "sqlx": "UPDATE _sqlx_migrations SET success = false WHERE version = 2",
    "prisma": "UPDATE _prisma_migrations SET finished_at = NULL, rolled_back_at = NULL WHERE id = '3'",
}


def prepared(database: Database, tmp_path, tool: str) -> Runner:
    """Make the tool's table with its rows, and import its files."""
    case = CASES[tool]
    session = database.connect()
    session.execute(TABLES[tool])
    session.execute(case.rows)
    imported(tmp_path, tool, case.files, *case.named)
    return Runner(database.conninfo, tmp_path / "sql")


def contents(database: Database, tool: str) -> list[tuple[Any, ...]]:
    place = f"{named(tool).history.schema or 'public'}.{named(tool).history.table}"
    return database.connect().execute(f"SELECT * FROM {place}").fetchall()


def mark(runner: Runner, tmp_path, tool: str, *, files: bool = True, **where: str) -> Adoption:
    theirs = tmp_path / "theirs" if files and not CASES[tool].named else None
    found = migrations.load(runner.directory, order="natural" if tool in UNPADDED else "name")
    return adopt(runner.conninfo, named(tool), found, runner.options({}), files=theirs, where=Where(**where))


def test_there_is_a_case_for_each_tool():
    assert set(CASES) == set(TABLES) == set(NAMES)


@pytest.mark.parametrize("tool", CASES)
def test_what_is_applied_is_marked_with_its_time_and_what_differs_is_said(tool, database, tmp_path):
    case, runner = CASES[tool], prepared(database, tmp_path, tool)
    before = contents(database, tool)

    done = mark(runner, tmp_path, tool)
    again = mark(runner, tmp_path, tool)

    rows = runner.history().applied
    times = {row.migration_id: row.applied_at for row in rows}
    assert [row.migration_id for row in rows] == list(done.marked) == list(again.already) == list(case.marked)
    assert all(time is None or times[name] == datetime.fromisoformat(time) for name, time in case.marked.items())
    found = {key: getattr(done, key) for key in ("pending", "without_file", "edited", "skipped", "not_there")}
    assert {key: value for key, value in found.items() if value} == case.said
    assert again.marked == ()
    assert contents(database, tool) == before


@pytest.mark.parametrize("tool", FAILED)
def test_one_that_failed_half_way_stops_it(tool, database, tmp_path):
    runner = prepared(database, tmp_path, tool)
    database.connect().execute(FAILED[tool])

    with pytest.raises(HistoryError, match="failed half way"):
        mark(runner, tmp_path, tool)
    assert runner.history().applied == ()


def test_rows_that_no_tool_writes_are_no_bug_and_mark_nothing(database, tmp_path):
    """Whoever owns the table may have changed its types, or put rows into it that hold nothing."""
    session = database.connect()
    marked = []
    for tool in NAMES:
        runner = prepared(database, tmp_path / tool, tool)
        table = f"{named(tool).history.schema or 'public'}.{named(tool).history.table}"
        session.execute(f"CREATE TABLE loose AS TABLE {table} WITH NO DATA; DROP TABLE {table} CASCADE")
        session.execute(f"ALTER TABLE loose RENAME TO {named(tool).history.table}")
        session.execute(f"ALTER TABLE {named(tool).history.table} SET SCHEMA {table.partition('.')[0]}")
        columns = [row.name for row in session.execute(f"SELECT * FROM {table}").description]
        nothing, odd = ["NULL"] * len(columns), ["repeat('9', 5000)"] * len(columns)
        for values in (nothing, odd):
            session.execute(f"DELETE FROM {table}; INSERT INTO {table} VALUES ({', '.join(values)})")
            with suppress(Error, psycopg.Error):
                marked += mark(runner, tmp_path / tool, tool).marked
            changes = ", ".join(f"ALTER {name} TYPE text" for name in columns)
            session.execute(f"ALTER TABLE {table} {changes}")
        session.execute(f"DROP TABLE {table}")
    assert marked == []


DISTRUSTED = {
    "is not a member of": "ALTER TABLE {table} OWNER TO pg_monitor",
    "has a rule": "CREATE RULE r AS ON UPDATE TO {table} DO NOTHING",
    "has a trigger": "CREATE TRIGGER t BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION t()",
    "has a row level security policy": "CREATE POLICY p ON {table} USING (true)",
    "is not a plain table": "ALTER TABLE {table} RENAME TO kept; CREATE VIEW {table} AS TABLE {schema}.kept",
    "has an index over an expression": "CREATE INDEX ON {table} (lower(version))",
}


def test_a_table_that_others_control_is_not_believed(database, tmp_path):
    runner = prepared(database, tmp_path, "dbmate")
    session = database.connect_superuser()
    session.execute("CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    for number, (reason, change) in enumerate(DISTRUSTED.items()):
        schema = f"s{number}"
        table = f"{schema}.schema_migrations"
        session.execute(f"CREATE SCHEMA {schema}; GRANT ALL ON SCHEMA {schema} TO migrator")
        session.execute(f"CREATE TABLE {table} (version varchar PRIMARY KEY); ALTER TABLE {table} OWNER TO migrator")
        session.execute(change.format(table=table, schema=schema))
        session.execute(f"GRANT SELECT ON {table} TO migrator")
        with pytest.raises(HistoryError, match=reason):
            mark(runner, tmp_path, "dbmate", schema=schema)
    assert runner.history().applied == ()


def test_where_the_table_is_can_be_said_and_must_be_where_there_are_two(database, tmp_path):
    runner = prepared(database, tmp_path, "dbmate")
    session = database.connect()
    session.execute("CREATE SCHEMA other; CREATE TABLE other.schema_migrations (version varchar PRIMARY KEY)")
    session.execute("CREATE SCHEMA auth; CREATE TABLE auth.schema_migrations (version varchar PRIMARY KEY)")
    session.execute("CREATE TABLE mine (version varchar PRIMARY KEY); INSERT INTO mine VALUES ('3')")
    session.execute("CREATE TABLE elsewhere (version bigint, dirty boolean)")

    with pytest.raises(UsageError, match=r"several schemas: other\.schema_migrations, public\.schema_migrations"):
        mark(runner, tmp_path, "dbmate")
    with pytest.raises(HistoryError, match="does not have the columns of dbmate's history"):
        mark(runner, tmp_path, "dbmate", table="elsewhere")
    with pytest.raises(HistoryError, match="there is no table nowhere of dbmate in any schema"):
        mark(runner, tmp_path, "dbmate", table="nowhere")
    assert mark(runner, tmp_path, "dbmate", table="mine").marked == ("3_x",)
    assert mark(runner, tmp_path, "dbmate", schema="public").marked == ("1_x", "2_x")


def test_without_their_files_versions_are_taken_from_the_ids_and_checksums_are_not_compared(
    database, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    runner = prepared(database, tmp_path, "flyway")

    done = mark(runner, tmp_path, "flyway", files=False)

    assert done.marked == ("V1__x", "V1.1__x", "V2__x")
    assert done.edited == ()
    assert any("checksums were not compared" in note for note in done.notes)
    with pytest.raises(UsageError, match="there is no folder drizzle"):
        adopt(runner.conninfo, named("drizzle"), runner.load(), runner.options({}), where=Where())


def test_what_they_have_undone_since_is_named(database, tmp_path):
    runner = prepared(database, tmp_path, "dbmate")
    mark(runner, tmp_path, "dbmate")
    database.connect().execute("DELETE FROM schema_migrations WHERE version = '2'")

    done = mark(runner, tmp_path, "dbmate")

    assert (done.already, done.not_there, done.pending) == (("1_x",), ("2_x",), ("3_x",))
